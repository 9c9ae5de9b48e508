// The frames that the micro-benchmarks carry: those of bulk TCP, and small ones.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/forward/forwarder.h"
#include "tests/support/test_packets.h"

namespace rove {

// What Linux makes of 64 KB of a TCP stream with timestamps and an MTU of 1400: as many segments as fit 65,535 octets.
inline constexpr std::uint16_t kBulkSegmentSize = 1400 - 20 - 32;
inline constexpr std::size_t kBulkSegments = 47;

[[nodiscard]] inline Bytes bulk_superframe(const PacketEnds& ends = {}) {
  return transport_packet(PacketShape{}, kBulkSegments * kBulkSegmentSize, kTcpAck, 1, ends);
}

[[nodiscard]] inline TapOffload bulk_offload(std::uint16_t segment_size = kBulkSegmentSize) {
  const PacketShape shape;
  return {.needs_checksum = true,
          .checksum_start = static_cast<std::uint16_t>(shape.transport_at()),
          .checksum_offset = static_cast<std::uint16_t>(shape.checksum_at() - shape.transport_at()),
          .segment_size = segment_size};
}

}  // namespace rove
