// TCP and UDP packets for tests, with true headers and partial checksums, as a guest's kernel hands them over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/wire/checksum.h"
#include "core/wire/superframe.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_frames.h"

namespace rove {

inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpPush = 0x08;
inline constexpr std::uint8_t kTcpAck = 0x10;
inline constexpr std::uint8_t kTcpWindowReduced = 0x80;

// Of every packet; both wrap soon.
inline constexpr std::uint32_t kFirstSequence = 0xfffffa00;
inline constexpr std::uint16_t kFirstId = 0xfffe;

// Who sends to whom.
struct PacketEnds {
  MacAddress from_mac = mac_of("02:00:00:00:00:0a");
  MacAddress to_mac = mac_of("02:00:00:00:00:0b");
  IpAddress from4 = ip_of("10.77.0.1");
  IpAddress to4 = ip_of("10.77.0.2");
  IpAddress from6 = ip_of("fd00::1");
  IpAddress to6 = ip_of("fd00::2");
};

struct PacketShape {
  bool v4 = true;
  bool tcp = true;
  bool tagged = false;
  std::size_t tcp_options = 12;

  [[nodiscard]] std::size_t ip_at() const { return tagged ? 18 : 14; }
  [[nodiscard]] std::size_t transport_at() const { return ip_at() + (v4 ? 20 : 40); }
  [[nodiscard]] std::size_t header_size() const { return transport_at() + (tcp ? 20 + tcp_options : 8); }
  [[nodiscard]] std::size_t checksum_at() const { return transport_at() + (tcp ? 16 : 6); }
  [[nodiscard]] std::size_t flags_at() const { return transport_at() + 13; }
};

// What stands in a checksum field that is partial: the sum of the pseudo-header.
[[nodiscard]] inline std::uint16_t pseudo_sum_of(const PacketShape& shape, BytesView frame) {
  const BytesView ip = frame.subspan(shape.ip_at());
  Bytes pseudo;
  Writer to{pseudo};
  to.write_bytes(shape.v4 ? ip.subspan(12, 8) : ip.subspan(8, 32));
  to.write(static_cast<std::uint16_t>(shape.tcp ? 6 : 17));
  to.write(static_cast<std::uint16_t>(frame.size() - shape.transport_at()));
  return static_cast<std::uint16_t>(~internet_checksum({pseudo}));
}

// With a payload of random octets.
[[nodiscard]] inline Bytes transport_packet(const PacketShape& shape, std::size_t payload,
                                            std::uint8_t tcp_flags = kTcpAck, std::uint64_t seed = 1,
                                            const PacketEnds& ends = {}) {
  SeededRandom random{seed};
  Bytes transport;
  Writer to{transport};
  to.write(std::uint16_t{40000});
  to.write(std::uint16_t{5001});
  if (shape.tcp) {
    to.write(kFirstSequence);
    to.write(std::uint32_t{77});
    to.write(static_cast<std::uint8_t>((20 + shape.tcp_options) / 4 << 4));
    to.write(tcp_flags);
    to.write(std::uint16_t{500});
    to.write(std::uint32_t{0});
    for (std::size_t i = 0; i < shape.tcp_options; ++i) to.write(std::uint8_t{1});
  } else {
    to.write(static_cast<std::uint16_t>(8 + payload));
    to.write(std::uint16_t{0});
  }
  Bytes data(payload);
  random.fill(data);
  to.write_bytes(data);
  const std::uint8_t protocol = shape.tcp ? 6 : 17;
  Bytes frame = shape.v4 ? ipv4_frame(ends.to_mac, ends.from_mac, ends.from4, ends.to4, transport, protocol)
                         : ipv6_frame(ends.to_mac, ends.from_mac, ends.from6, ends.to6, protocol, transport);
  if (shape.v4) {
    store_be(&frame[14 + 4], kFirstId);
    store_be(&frame[14 + 10], internet_checksum({BytesView{frame}.subspan(14, 20)}));
  }
  if (shape.tagged) frame = with_vlan_tag(std::move(frame), 5);
  store_be(&frame[shape.checksum_at()], pseudo_sum_of(shape, frame));
  return frame;
}

// What a sender's Segmenter makes of a packet.
[[nodiscard]] inline std::vector<Bytes> segments_of(Bytes packet, std::size_t segment_size) {
  auto segmenter = Segmenter::make(packet, parse_frame(packet, kSuperframeSizeMax).value(), segment_size).value();
  std::vector<Bytes> segments;
  while (!segmenter.done()) {
    const MutableBytes segment = segmenter.next();
    segments.emplace_back(segment.begin(), segment.end());
  }
  ROVE_CHECK(segments.size() == segmenter.count());
  return segments;
}

}  // namespace rove
