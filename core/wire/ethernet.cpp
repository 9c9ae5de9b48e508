#include "core/wire/ethernet.h"

namespace rove {
namespace {

// 802.3: up to here the field is a length; from kEtherTypeMin on it is a type; between them it is neither.
constexpr std::uint16_t kLengthMax = 1500;
constexpr std::uint16_t kEtherTypeMin = 0x0600;
constexpr std::size_t kVlanTagSize = 4;

constexpr std::size_t kArpSize = 28;
constexpr std::uint16_t kArpRequest = 1;
constexpr std::uint16_t kArpReply = 2;
constexpr std::uint16_t kRarpRequest = 3;
constexpr std::uint16_t kRarpReply = 4;

constexpr std::size_t kIpv4HeaderMin = 20;
constexpr std::size_t kIpv6HeaderSize = 40;

// More than any sender uses (RFC 8200 §4.1 names seven in its order); a longer chain is an attempt to hide something.
constexpr unsigned kExtensionHeadersMax = 8;
constexpr std::size_t kExtensionUnit = 8;

enum class NextHeader : std::uint8_t {
  HopByHop = 0,
  Routing = 43,
  Fragment = 44,
  Authentication = 51,
  Icmpv6 = 58,
  DestinationOptions = 60,
  Mobility = 135,
  Hip = 139,
  Shim6 = 140,
};

constexpr std::size_t kIcmpv6HeaderSize = 4;
constexpr std::uint8_t kNdHopLimit = 255;  // proves that no router passed it on (RFC 4861 §11.2)
constexpr std::uint8_t kOptionSourceLinkLayer = 1;
constexpr std::uint8_t kOptionTargetLinkLayer = 2;
constexpr std::size_t kNdTargetAt = 8;

// Where the options of a Neighbor Discovery message begin, and which of them names its subject's MAC.
struct NdLayout {
  FrameKind kind;
  std::size_t options_at;
  std::uint8_t link_layer_option;
  bool has_target;
};

std::optional<NdLayout> find_nd_layout(std::uint8_t icmp_type) {
  switch (icmp_type) {
    case 133: return NdLayout{FrameKind::RouterSolicitation, 8, kOptionSourceLinkLayer, false};
    case 134: return NdLayout{FrameKind::RouterAdvertisement, 16, kOptionSourceLinkLayer, false};
    case 135: return NdLayout{FrameKind::NeighborSolicitation, 24, kOptionSourceLinkLayer, true};
    case 136: return NdLayout{FrameKind::NeighborAdvertisement, 24, kOptionTargetLinkLayer, true};
    case 137: return NdLayout{FrameKind::Redirect, 40, kOptionTargetLinkLayer, true};
    default: return std::nullopt;
  }
}

using Outcome = Result<void>;

// 802.2 LLC. SNAP with one of these organisation codes encapsulates an Ethernet type (RFC 1042, IEEE 802.1H): some
// systems take IP and ARP from it, so it would bypass every check below.
Outcome parse_llc(BytesView payload) {
  if (payload.size() < 6 || payload[0] != 0xaa || payload[1] != 0xaa) return {};
  const bool ethernet = payload[3] == 0 && payload[4] == 0 && (payload[5] == 0 || payload[5] == 0xf8);
  if (ethernet) return fail(Error::Malformed);
  return {};
}

Outcome parse_arp(BytesView payload, FrameInfo& info) {
  if (payload.size() < kArpSize) return fail(Error::Truncated);
  const std::uint8_t* arp = payload.data();
  const bool ipv4_on_ethernet = load_be<std::uint16_t>(arp) == 1 && load_be<std::uint16_t>(arp + 2) == kEtherTypeIpv4 &&
                                arp[4] == 6 && arp[5] == 4;
  if (!ipv4_on_ethernet) return fail(Error::Malformed);

  const bool rarp = info.ethertype == kEtherTypeRarp;
  switch (load_be<std::uint16_t>(arp + 6)) {
    case kArpRequest: info.kind = FrameKind::ArpRequest; break;
    case kArpReply: info.kind = FrameKind::ArpReply; break;
    case kRarpRequest: info.kind = FrameKind::RarpRequest; break;
    case kRarpReply: info.kind = FrameKind::RarpReply; break;
    default: return fail(Error::Malformed);
  }
  if (rarp != info.is_rarp()) return fail(Error::Malformed);

  info.sender_mac = MacAddress::from_bytes(arp + 8);
  info.source_ip = IpAddress::v4(arp + 14);
  info.target_mac = MacAddress::from_bytes(arp + 18);
  info.destination_ip = IpAddress::v4(arp + 24);
  return {};
}

Outcome parse_ipv4(BytesView payload, FrameInfo& info) {
  if (payload.size() < kIpv4HeaderMin) return fail(Error::Truncated);
  const std::size_t header_size = std::size_t{payload[0] & 0x0fu} * 4;
  const std::size_t total_size = load_be<std::uint16_t>(payload.data() + 2);
  if (payload[0] >> 4 != 4 || header_size < kIpv4HeaderMin || total_size < header_size) return fail(Error::Malformed);
  if (total_size > payload.size()) return fail(Error::Truncated);
  info.kind = FrameKind::Ipv4;
  info.source_ip = IpAddress::v4(payload.data() + 12);
  info.destination_ip = IpAddress::v4(payload.data() + 16);
  return {};
}

Outcome parse_nd(BytesView message, const NdLayout& layout, FrameInfo& info) {
  if (message.size() < layout.options_at) return fail(Error::Truncated);
  info.kind = layout.kind;
  if (layout.has_target) {
    info.nd_target = IpAddress::v6(message.data() + kNdTargetAt);
    if (info.nd_target->is_multicast()) return fail(Error::Malformed);  // RFC 4861 §7.1, §8.1
  }
  if (layout.kind == FrameKind::NeighborAdvertisement) {
    info.na_router = (message[4] & 0x80) != 0;
    info.na_solicited = (message[4] & 0x40) != 0;
    info.na_override = (message[4] & 0x20) != 0;
  }

  BytesView options = message.subspan(layout.options_at);
  while (!options.empty()) {
    if (options.size() < kExtensionUnit) return fail(Error::Truncated);
    const std::size_t size = options[1] * kExtensionUnit;
    if (size == 0) return fail(Error::Malformed);
    if (size > options.size()) return fail(Error::Truncated);
    if (options[0] == layout.link_layer_option) {
      // Systems differ in which of two they believe.
      if (info.sender_mac || size != kExtensionUnit) return fail(Error::Malformed);
      info.sender_mac = MacAddress::from_bytes(options.data() + 2);
    }
    options = options.subspan(size);
  }
  return {};
}

Outcome parse_icmpv6(BytesView message, std::uint8_t hop_limit, bool fragmented, FrameInfo& info) {
  if (message.size() < kIcmpv6HeaderSize) return fail(Error::Truncated);
  const std::optional<NdLayout> layout = find_nd_layout(message[0]);
  if (!layout) return {};
  if (fragmented || hop_limit != kNdHopLimit || message[1] != 0) return fail(Error::Malformed);
  return parse_nd(message, *layout, info);
}

// Follows the chain of extension headers (RFC 8200 §4) as far as it takes to know whether ICMPv6 ends it.
Outcome parse_ipv6_payload(std::uint8_t next_header, BytesView rest, std::uint8_t hop_limit, FrameInfo& info) {
  bool fragmented = false;
  for (unsigned headers = 0; headers <= kExtensionHeadersMax; ++headers) {
    std::size_t size = 0;
    switch (static_cast<NextHeader>(next_header)) {
      case NextHeader::Icmpv6: return parse_icmpv6(rest, hop_limit, fragmented, info);
      case NextHeader::HopByHop:
      case NextHeader::Routing:
      case NextHeader::DestinationOptions:
      case NextHeader::Mobility:
      case NextHeader::Hip:
      case NextHeader::Shim6:
        if (rest.size() >= kExtensionUnit) size = (rest[1] + std::size_t{1}) * kExtensionUnit;
        break;
      case NextHeader::Authentication:  // RFC 4302 §2.2: in units of four octets, less two
        if (rest.size() >= kExtensionUnit) size = (rest[1] + std::size_t{2}) * 4;
        break;
      case NextHeader::Fragment:
        if (rest.size() < kExtensionUnit) return fail(Error::Truncated);
        // Only the first fragment shows its headers, and it must show all of them (RFC 7112 §5).
        if ((load_be<std::uint16_t>(rest.data() + 2) & 0xfff8) != 0) return {};
        fragmented = true;
        size = kExtensionUnit;
        break;
      default: return {};  // a transport, ESP, or nothing
    }
    if (size == 0 || size > rest.size()) return fail(Error::Truncated);
    next_header = rest[0];
    rest = rest.subspan(size);
  }
  return fail(Error::Malformed);
}

Outcome parse_ipv6(BytesView payload, FrameInfo& info) {
  if (payload.size() < kIpv6HeaderSize) return fail(Error::Truncated);
  if (payload[0] >> 4 != 6) return fail(Error::Malformed);
  const std::size_t size = load_be<std::uint16_t>(payload.data() + 4);
  if (size > payload.size() - kIpv6HeaderSize) return fail(Error::Truncated);
  info.kind = FrameKind::Ipv6;
  info.source_ip = IpAddress::v6(payload.data() + 8);
  info.destination_ip = IpAddress::v6(payload.data() + 24);
  return parse_ipv6_payload(payload[6], payload.subspan(kIpv6HeaderSize, size), payload[7], info);
}

Outcome parse_payload(BytesView payload, FrameInfo& info) {
  if (info.ethertype < kEtherTypeMin) {
    return info.ethertype <= kLengthMax ? parse_llc(payload) : Outcome{fail(Error::Malformed)};
  }
  switch (info.ethertype) {
    case kEtherTypeIpv4: return parse_ipv4(payload, info);
    case kEtherTypeIpv6: return parse_ipv6(payload, info);
    case kEtherTypeArp:
    case kEtherTypeRarp: return parse_arp(payload, info);
    case kEtherTypeVlan:
    case kEtherTypeServiceVlan: return fail(Error::Malformed);  // behind another tag, or a provider's
    default: return {};
  }
}

}  // namespace

Result<FrameInfo> parse_frame(BytesView frame, std::size_t size_max) {
  if (frame.size() < kFrameSizeMin) return fail(Error::Truncated);
  if (frame.size() > size_max) return fail(Error::TooLarge);

  Result<FrameInfo> result{FrameInfo{}};
  FrameInfo& info = *result;
  info.destination = MacAddress::from_bytes(frame.data());
  info.source = MacAddress::from_bytes(frame.data() + 6);
  if (info.source.is_group() || info.source.is_zero()) return fail(Error::Malformed);

  info.ethertype = load_be<std::uint16_t>(frame.data() + 12);
  info.payload = kEthernetHeaderSize;
  if (info.ethertype == kEtherTypeVlan) {
    if (frame.size() < kEthernetHeaderSize + kVlanTagSize) return fail(Error::Truncated);
    info.vlan = load_be<std::uint16_t>(frame.data() + 14);
    info.ethertype = load_be<std::uint16_t>(frame.data() + 16);
    info.payload += kVlanTagSize;
  }

  const Outcome outcome = parse_payload(frame.subspan(info.payload), info);
  if (!outcome) result = tl::make_unexpected(outcome.error());
  return result;
}

}  // namespace rove
