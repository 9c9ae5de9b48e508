// Anti-replay window over the counters of one lane (RFC 6479's ring of words).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rove {

// Accepts each counter once, in any order, within the last kSize of the highest. One thread. 2^64 - 1 is never
// accepted; counters of the wire end at 2^56.
class ReplayWindow {
 public:
  static constexpr std::uint64_t kSize = 8192;  // batches on several cores reorder; WireGuard keeps 8192

  // Whether `counter` may still be accepted; call before opening, cheap.
  [[nodiscard]] bool may_accept(std::uint64_t counter) const;
  // Marks `counter` as seen; false when it was seen before or is too old. Call after the tag verified.
  bool accept(std::uint64_t counter);

 private:
  static constexpr std::size_t kWords = kSize / 64 + 1;
  std::uint64_t highest_plus_one_ = 0;
  std::array<std::uint64_t, kWords> seen_{};
};

}  // namespace rove
