// Which frames belong together: all that concern one VM are one thread's at every host, whatever number of threads each
// has. docs/protocol.md §2, docs/adr/0014.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace rove {

inline constexpr unsigned kShards = 8;

// The low octets of a MAC differ: makers of hypervisors count in them, or draw them. Simple, because the kernel
// computes it as well, for every frame (tap/steering.h).
[[nodiscard]] constexpr unsigned shard_of_octets(std::uint8_t fourth, std::uint8_t fifth, std::uint8_t sixth) {
  const unsigned folded = fourth ^ fifth ^ sixth;
  return (folded ^ folded >> 3 ^ folded >> 6) % kShards;
}
[[nodiscard]] constexpr unsigned shard_of(const MacAddress& mac) {
  return shard_of_octets(mac.octets[3], mac.octets[4], mac.octets[5]);
}
// An Ethernet frame's: its destination's, or of one to a group its source's. `frame` has both, 12 octets at least.
[[nodiscard]] inline unsigned shard_of_frame(BytesView frame) {
  const std::size_t mac = (frame[0] & 0x01) != 0 ? 6 : 0;
  return shard_of_octets(frame[mac + 3], frame[mac + 4], frame[mac + 5]);
}

// Of a host with so many workers, whose a shard is.
[[nodiscard]] constexpr unsigned worker_of(unsigned shard, unsigned workers) {
  return shard % workers;
}

// A lane carries frames of one shard.
[[nodiscard]] constexpr std::uint8_t lane_of(unsigned shard) {
  return static_cast<std::uint8_t>(shard + 1);
}
[[nodiscard]] constexpr unsigned shard_of_lane(std::uint8_t lane) {
  return (lane - 1U) % kShards;
}

}  // namespace rove
