// The frames that the micro-benchmarks carry: those of bulk TCP, and small ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/forward/forwarder.h"
#include "core/wire/checksum.h"
#include "tests/support/test_packets.h"

namespace rove {

// What Linux makes of 64 KB of a TCP stream with timestamps and an MTU of 1400: as many segments as fit 65,535 octets.
inline constexpr std::uint16_t kBulkSegmentSize = 1400 - 20 - 32;
inline constexpr std::size_t kBulkSegments = 47;

// A frame as the TAP hands it over.
struct TapFrame {
  Bytes octets;
  TapOffload offload;
};

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

inline constexpr std::size_t kSmallFrameSize = 64;

// Datagrams of one flow, with IPv4 identifications that count on, as Linux numbers them: so they are joined when they
// are opened.
[[nodiscard]] inline std::vector<TapFrame> small_frames(const PacketEnds& ends, std::size_t count) {
  const PacketShape shape{.tcp = false};
  const TapOffload offload{.needs_checksum = true,
                           .checksum_start = static_cast<std::uint16_t>(shape.transport_at()),
                           .checksum_offset = 6,
                           .segment_size = 0};
  const Bytes frame = transport_packet(shape, kSmallFrameSize - shape.header_size(), kTcpAck, 1, ends);
  std::vector<TapFrame> frames(count, {frame, offload});
  for (std::size_t i = 0; i < frames.size(); ++i) {
    Bytes& octets = frames[i].octets;
    const auto id = static_cast<std::uint16_t>(kFirstId + i);
    store_be(&octets[24], updated_checksum(load_be<std::uint16_t>(&octets[24]), kFirstId, id));
    store_be(&octets[18], id);
  }
  return frames;
}

}  // namespace rove
