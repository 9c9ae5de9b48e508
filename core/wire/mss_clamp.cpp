#include "core/wire/mss_clamp.h"

#include <algorithm>
#include <limits>

#include "core/wire/checksum.h"
#include "core/wire/transport.h"

namespace rove {
namespace {

constexpr std::size_t kIpv4HeaderMin = 20;
constexpr std::size_t kIpv6HeaderSize = 40;
constexpr std::size_t kTcpHeaderMin = 20;
constexpr std::size_t kTcpFlagsAt = 13;
constexpr std::uint8_t kTcpSyn = 0x02;
constexpr std::uint8_t kOptionEnd = 0;
constexpr std::uint8_t kOptionNothing = 1;
constexpr std::uint8_t kOptionMss = 2;

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
  const std::optional<TransportPlace> place = find_transport(frame, info);
  const bool tcp = place && place->protocol == TransportProtocol::Tcp;
  if (!tcp || (frame[place->start + kTcpFlagsAt] & kTcpSyn) == 0) return std::nullopt;

  const auto value_at = find_mss_value(frame.subspan(place->start, place->payload - place->start));
  const std::size_t overhead = (place->is_v4 ? kIpv4HeaderMin : kIpv6HeaderSize) + kTcpHeaderMin;  // without options
  if (!value_at || inner_mtu <= overhead) return std::nullopt;
  const std::size_t mss = std::min<std::size_t>(inner_mtu - overhead, std::numeric_limits<std::uint16_t>::max());
  const std::size_t mss_at = place->start + *value_at;
  if (load_be<std::uint16_t>(&frame[mss_at]) <= mss) return std::nullopt;
  return MssClamp{mss_at, place->checksum_at(), static_cast<std::uint16_t>(mss)};
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
