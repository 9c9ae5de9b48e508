#include "core/location/sequence_clock.h"

#include "core/base/bytes.h"

namespace rove {
namespace {

constexpr unsigned kTagBits = 16;

}  // namespace

bool is_from_the_future(std::uint64_t sequence, WallTime now) {
  return sequence >> kTagBits > to_unix_ms(now + kSequenceLeadMax);
}

std::uint16_t sequence_tag_of(const NodeId& node) {
  // One above is a `gone`, which is its publisher's as well.
  return static_cast<std::uint16_t>(load_be<std::uint16_t>(node.octets.data()) & 0xfffe);
}

std::uint64_t next_sequence(std::uint64_t highest, WallTime now, std::uint16_t tag) {
  const std::uint64_t first = to_unix_ms(now) << kTagBits | tag;
  if (is_from_the_future(highest, now) || first > highest) return first;
  const std::uint64_t same_clock = highest >> kTagBits << kTagBits | tag;
  return same_clock > highest ? same_clock : same_clock + (std::uint64_t{1} << kTagBits);
}

}  // namespace rove
