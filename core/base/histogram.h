// How often something took how long, for monitoring: counts by upper bounds, as Prometheus has them.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"

namespace rove {

class DurationHistogram {
 public:
  // Upper bounds in ms, both ends of what a move takes: from one host's own work to a lookup after a failure.
  static constexpr std::array<std::uint64_t, 12> kBounds{1, 2, 5, 10, 20, 50, 100, 200, 500, 1'000, 2'000, 5'000};

  void add(Duration duration) {
    const auto bound = std::find_if(kBounds.begin(), kBounds.end(),
                                    [duration](std::uint64_t ms) { return duration <= std::chrono::milliseconds{ms}; });
    ++counts_[static_cast<std::size_t>(bound - kBounds.begin())];
    sum_ += duration;
  }

  // Not longer than kBounds[bound]; with `bound` = kBounds.size(): all.
  [[nodiscard]] std::uint64_t count_up_to(std::size_t bound) const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= bound; ++i) count += counts_.at(i);
    return count;
  }
  [[nodiscard]] Duration sum() const { return sum_; }

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};  // the last: longer than all bounds
  Duration sum_{0};
};

}  // namespace rove
