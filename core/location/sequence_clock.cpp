#include "core/location/sequence_clock.h"

#include <algorithm>

namespace rove {
namespace {

constexpr unsigned kCounterBits = 16;  // 65,536 claims of one VM in a millisecond, before the clock is outrun

}  // namespace

bool is_from_the_future(std::uint64_t sequence, WallTime now) {
  return sequence >> kCounterBits > to_unix_ms(now + kSequenceLeadMax);
}

std::uint64_t next_sequence(std::uint64_t highest, WallTime now) {
  const std::uint64_t clock = to_unix_ms(now) << kCounterBits;
  if (is_from_the_future(highest, now)) return clock + 1;
  return std::max(highest, clock) + 1;
}

}  // namespace rove
