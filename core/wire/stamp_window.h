// The stamps of one sender of sealed envelopes that were accepted. docs/protocol.md §3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rove {

// Accepts each stamp once, in any order, as long as it is higher than the lowest of the kSize highest. Unlike counters,
// stamps have gaps of any size, hence a list and not a bitmap.
class StampWindow {
 public:
  // A sender's envelopes overtake each other on the way by a round of DHT requests at most, some dozens.
  static constexpr std::size_t kSize = 128;

  [[nodiscard]] bool may_accept(std::uint64_t stamp) const;
  // Marks `stamp` as seen; false, and nothing changed, when it was seen before or is too low.
  bool accept(std::uint64_t stamp);
  // Whether low stamps are refused already. Before that the age of a stamp has to tell.
  [[nodiscard]] bool full() const { return stamps_.size() == kSize; }

 private:
  std::vector<std::uint64_t> stamps_;  // ascending, at most kSize
};

}  // namespace rove
