#include "core/wire/transport.h"

#include "core/wire/checksum.h"

namespace rove {
namespace {

constexpr std::size_t kIpv4HeaderMin = 20;
constexpr std::size_t kIpv6HeaderSize = 40;
constexpr std::uint16_t kFragment = 0x3fff;  // IPv4: more fragments, or an offset
constexpr std::size_t kTcpHeaderMin = 20;
constexpr std::size_t kUdpHeaderSize = 8;

// Of the transport header at `start`; 0: it is cut, or none of ours.
std::size_t header_size_at(BytesView frame, std::size_t start, std::uint8_t protocol) {
  const std::size_t rest = frame.size() - start;
  switch (static_cast<TransportProtocol>(protocol)) {
    case TransportProtocol::Udp: return rest < kUdpHeaderSize ? 0 : kUdpHeaderSize;
    case TransportProtocol::Tcp: {
      if (rest < kTcpHeaderMin) return 0;
      const std::size_t size = std::size_t{frame[start + 12]} / 16 * 4;
      return size < kTcpHeaderMin || size > rest ? 0 : size;
    }
  }
  return 0;
}

}  // namespace

std::optional<TransportPlace> find_transport(BytesView frame, const FrameInfo& info) {
  const BytesView ip = frame.subspan(info.payload);
  const bool v4 = info.ethertype == kEtherTypeIpv4;
  std::size_t start = info.payload;
  std::uint8_t protocol = 0;
  if (v4) {
    if (ip.size() < kIpv4HeaderMin || (load_be<std::uint16_t>(&ip[6]) & kFragment) != 0) return std::nullopt;
    start += std::size_t{ip[0] & 0x0fU} * 4;
    protocol = ip[9];
  } else {
    if (info.ethertype != kEtherTypeIpv6 || ip.size() < kIpv6HeaderSize) return std::nullopt;
    start += kIpv6HeaderSize;
    protocol = ip[6];
  }
  if (start > frame.size()) return std::nullopt;
  const std::size_t size = header_size_at(frame, start, protocol);
  if (size == 0) return std::nullopt;
  return TransportPlace{static_cast<TransportProtocol>(protocol), v4, info.payload, start, start + size};
}

std::optional<TransportPlace> find_transport(BytesView frame) {
  const auto info = parse_frame(frame);
  return info ? find_transport(frame, *info) : std::nullopt;
}

bool complete_checksum(MutableBytes frame) {
  const auto place = find_transport(frame);
  if (!place) return false;
  // The sum of the pseudo-header stands there already and is summed with the rest.
  const std::uint16_t sum = internet_checksum({frame.subspan(place->start)});
  constexpr std::uint16_t kNoneOfUdp = 0;  // RFC 768: sent as all ones
  store_be(&frame[place->checksum_at()], sum == kNoneOfUdp ? std::uint16_t{0xffff} : sum);
  return true;
}

}  // namespace rove
