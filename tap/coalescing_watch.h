// Whether datagrams that the kernel joined (UDP_GRO) are what was sent.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/time.h"

namespace rove {

// Of one socket. Judges by what could be opened. In a period in which many datagrams that came joined could not be,
// none could, and others that came by themselves could, the kernel joins wrongly (tailscale/tailscale#13041). Somebody
// who sends us garbage does not look like that: what peers send beside it can be opened.
class CoalescingWatch {
 public:
  static constexpr std::chrono::seconds kPeriod{1};
  static constexpr std::uint64_t kRefusedMin = 64;

  struct Counts {
    std::uint64_t opened = 0;
    std::uint64_t refused = 0;
  };

  // After a batch: what it had. True once, when joining is to end.
  [[nodiscard]] bool handle_batch(TimePoint now, const Counts& joined, const Counts& single) {
    joined_ = {joined_.opened + joined.opened, joined_.refused + joined.refused};
    singles_opened_ += single.opened;
    if (now < period_end_) return false;
    const bool broken = joined_.refused >= kRefusedMin && joined_.opened == 0 && singles_opened_ > 0;
    period_end_ = now + kPeriod;
    joined_ = {};
    singles_opened_ = 0;
    return broken;
  }

 private:
  TimePoint period_end_ = TimePoint::min();
  Counts joined_;
  std::uint64_t singles_opened_ = 0;
};

}  // namespace rove
