#include "core/wire/mss_clamp.h"

#include <algorithm>
#include <limits>

#include "core/wire/checksum.h"

namespace rove {
namespace {

constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::size_t kIpv6HeaderSize = 40;
constexpr std::size_t kTcpHeaderMin = 20;
constexpr std::size_t kTcpChecksumAt = 16;
constexpr std::uint8_t kTcpSyn = 0x02;
constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNothing = 1;
constexpr std::uint8_t kOptionMss = 2;

struct Segment {
  std::size_t at = 0;  // offset in the frame
  BytesView bytes;
  std::size_t overhead = 0;  // IP and TCP headers without options
};

std::optional<Segment> find_tcp(BytesView frame, const FrameInfo& info) {
  const BytesView packet = frame.subspan(info.payload);
  if (info.kind == FrameKind::Ipv4) {
    const std::size_t header_size = std::size_t{packet[0] & 0x0fu} * 4;
    const std::size_t total_size = load_be<std::uint16_t>(packet.data() + 2);
    const bool first = (load_be<std::uint16_t>(packet.data() + 6) & 0x1fff) == 0;
    if (packet[9] != kProtocolTcp || !first) return std::nullopt;
    return Segment{info.payload + header_size, packet.subspan(header_size, total_size - header_size), 20 + 20};
  }
  if (info.kind == FrameKind::Ipv6) {
    const std::size_t size = load_be<std::uint16_t>(packet.data() + 4);
    if (packet[6] != kProtocolTcp) return std::nullopt;
    return Segment{info.payload + kIpv6HeaderSize, packet.subspan(kIpv6HeaderSize, size), 40 + 20};
  }
  return std::nullopt;
}

// Offset of the MSS option's value within a TCP header.
std::optional<std::size_t> find_mss_value(BytesView header) {
  std::size_t at = kTcpHeaderMin;
  while (at < header.size() && header[at] != kOptionEnd) {
    if (header[at] == kOptionNothing) {
      ++at;
      continue;
    }
    if (header.size() - at < 2) return std::nullopt;
    const std::size_t size = header[at + 1];
    if (size < 2 || size > header.size() - at) return std::nullopt;
    if (header[at] == kOptionMss) return size == 4 ? std::optional{at + 2} : std::nullopt;
    at += size;
  }
  return std::nullopt;
}

std::uint16_t swapped(std::uint16_t word) {
  return static_cast<std::uint16_t>(word << 8 | word >> 8);
}

}  // namespace

std::optional<MssClamp> find_mss_clamp(BytesView frame, const FrameInfo& info, std::size_t inner_mtu) {
  const std::optional<Segment> tcp = find_tcp(frame, info);
  if (!tcp || tcp->bytes.size() < kTcpHeaderMin || (tcp->bytes[13] & kTcpSyn) == 0) return std::nullopt;
  const std::size_t header_size = std::size_t{tcp->bytes[12]} / 16 * 4;
  if (header_size < kTcpHeaderMin || header_size > tcp->bytes.size()) return std::nullopt;

  const std::optional<std::size_t> value_at = find_mss_value(tcp->bytes.first(header_size));
  if (!value_at || inner_mtu <= tcp->overhead) return std::nullopt;
  const std::size_t mss = std::min<std::size_t>(inner_mtu - tcp->overhead, std::numeric_limits<std::uint16_t>::max());
  if (load_be<std::uint16_t>(tcp->bytes.data() + *value_at) <= mss) return std::nullopt;
  return MssClamp{tcp->at + *value_at, tcp->at + kTcpChecksumAt, static_cast<std::uint16_t>(mss)};
}

void apply_mss_clamp(MutableBytes frame, const MssClamp& clamp, bool partial_checksum) {
  const std::uint16_t old_mss = load_be<std::uint16_t>(frame.data() + clamp.mss_at);
  store_be(frame.data() + clamp.mss_at, clamp.mss);
  if (partial_checksum) return;
  // At an odd offset the value's octets fall into two words, each in the other half: the sum is that of the swapped
  // value, as one's complement addition does not care for byte order (RFC 1071 §2 B).
  const bool odd = (clamp.mss_at - clamp.checksum_at) % 2 != 0;
  const std::uint16_t checksum = load_be<std::uint16_t>(frame.data() + clamp.checksum_at);
  store_be(frame.data() + clamp.checksum_at,
           updated_checksum(checksum, odd ? swapped(old_mss) : old_mss, odd ? swapped(clamp.mss) : clamp.mss));
}

}  // namespace rove
