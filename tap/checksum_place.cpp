#include "tap/checksum_place.h"

#include "core/wire/checksum.h"
#include "core/wire/ethernet.h"

namespace rove {
namespace {

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

struct Transport {
  std::size_t start = 0;
  std::uint8_t protocol = 0;
};

std::optional<Transport> find_transport(BytesView frame) {
  const auto info = parse_frame(frame);
  if (!info) return std::nullopt;
  const BytesView ip = frame.subspan(info->payload);
  if (info->ethertype == kEtherTypeIpv4) {
    constexpr std::uint16_t kFragment = 0x3fff;  // more fragments, or an offset
    if (ip.size() < 20 || (load_be<std::uint16_t>(&ip[6]) & kFragment) != 0) return std::nullopt;
    return Transport{info->payload + std::size_t{ip[0] & 0x0fU} * 4, ip[9]};
  }
  if (info->ethertype == kEtherTypeIpv6 && ip.size() >= 40) return Transport{info->payload + 40, ip[6]};
  return std::nullopt;
}

}  // namespace

std::optional<ChecksumPlace> find_checksum_place(BytesView frame) {
  const auto transport = find_transport(frame);
  if (!transport || (transport->protocol != kTcp && transport->protocol != kUdp)) return std::nullopt;
  const std::uint16_t offset = transport->protocol == kTcp ? 16 : 6;
  if (transport->start + offset + 2 > frame.size()) return std::nullopt;
  return ChecksumPlace{static_cast<std::uint16_t>(transport->start), offset};
}

bool complete_checksum(MutableBytes frame) {
  const auto place = find_checksum_place(frame);
  if (!place) return false;
  // The sum of the pseudo-header stands there already and is summed with the rest.
  const std::uint16_t sum = internet_checksum({frame.subspan(place->start)});
  constexpr std::uint16_t kNoneOfUdp = 0;  // RFC 768: sent as all ones
  store_be(&frame[place->start + place->offset], sum == kNoneOfUdp ? std::uint16_t{0xffff} : sum);
  return true;
}

}  // namespace rove
