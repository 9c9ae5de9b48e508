// TCP and UDP inside a frame: where their header stands, and its checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/wire/ethernet.h"

namespace rove {

enum class TransportProtocol : std::uint8_t { Tcp = 6, Udp = 17 };

// Offsets into a frame.
struct TransportPlace {
  TransportProtocol protocol = TransportProtocol::Tcp;
  bool is_v4 = true;
  std::size_t ip = 0;       // the IP header
  std::size_t start = 0;    // the transport header, from which on its checksum covers
  std::size_t payload = 0;  // what it carries

  // As in struct virtio_net_hdr: from `start`.
  [[nodiscard]] std::uint16_t checksum_offset() const { return protocol == TransportProtocol::Tcp ? 16 : 6; }
  [[nodiscard]] std::size_t checksum_at() const { return start + checksum_offset(); }
  bool operator==(const TransportPlace&) const = default;
};

// Of an unfragmented TCP or UDP packet (IPv4, IPv6 without extension headers) whose headers are whole; nullopt for
// anything else. `info` is the frame's parse_frame().
[[nodiscard]] std::optional<TransportPlace> find_transport(BytesView frame, const FrameInfo& info);
[[nodiscard]] std::optional<TransportPlace> find_transport(BytesView frame);

// Finishes a checksum that covers the pseudo-header only. False: there is none to be found.
[[nodiscard]] bool complete_checksum(MutableBytes frame);

}  // namespace rove
