#include "core/wire/neighbor.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"
#include "core/wire/checksum.h"

namespace rove {
namespace {

constexpr std::size_t kPaddedSize = 60;  // IEEE 802.3's minimum without FCS
constexpr std::size_t kVlanAt = 12;

constexpr std::uint8_t kNeighborSolicitation = 135;
constexpr std::uint8_t kNeighborAdvertisement = 136;
constexpr std::uint32_t kFlagSolicited = 0x40000000;
constexpr std::uint32_t kFlagOverride = 0x20000000;
constexpr std::uint8_t kOptionSourceLinkLayer = 1;
constexpr std::uint8_t kOptionTargetLinkLayer = 2;
constexpr std::uint8_t kNextHeaderIcmpv6 = 58;
constexpr std::uint8_t kNdHopLimit = 255;
constexpr std::size_t kIcmpv6ChecksumAt = 2;

constexpr std::array<std::uint8_t, 16> kAllNodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

bool is_unspecified(const std::optional<IpAddress>& ip) {
  return ip && ip->is_unspecified();
}

void write_ethernet(Writer& to, const MacAddress& destination, const MacAddress& source, std::uint16_t ethertype) {
  to.write_bytes(destination.octets);
  to.write_bytes(source.octets);
  to.write(ethertype);
}

struct ArpBody {
  std::uint16_t ethertype = kEtherTypeArp;
  std::uint16_t operation = 1;
  Neighbor sender;
  Neighbor target;
};

Bytes make_arp(const MacAddress& destination, const ArpBody& body) {
  ROVE_CHECK(body.sender.ip.is_v4() && body.target.ip.is_v4());
  Bytes frame;
  frame.reserve(kPaddedSize);
  Writer to{frame};
  write_ethernet(to, destination, body.sender.mac, body.ethertype);
  to.write(std::uint16_t{1});  // Ethernet
  to.write(kEtherTypeIpv4);
  to.write(std::uint8_t{6});
  to.write(std::uint8_t{4});
  to.write(body.operation);
  to.write_bytes(body.sender.mac.octets);
  to.write_bytes(body.sender.ip.bytes());
  to.write_bytes(body.target.mac.octets);
  to.write_bytes(body.target.ip.bytes());
  frame.resize(kPaddedSize);
  return frame;
}

struct NdBody {
  std::uint8_t type = 0;
  std::uint32_t flags = 0;
  IpAddress target;
  std::uint8_t option = 0;  // 0: none
  MacAddress option_mac{};
};

Bytes make_nd(const Neighbor& from, const Neighbor& destination, const NdBody& body) {
  ROVE_CHECK(!from.ip.is_v4() && !destination.ip.is_v4() && !body.target.is_v4());
  Bytes message;
  Writer to_message{message};
  to_message.write(body.type);
  to_message.write(std::uint8_t{0});
  to_message.write(std::uint16_t{0});  // checksum, below
  to_message.write(body.flags);
  to_message.write_bytes(body.target.bytes());
  if (body.option != 0) {
    to_message.write(body.option);
    to_message.write(std::uint8_t{1});
    to_message.write_bytes(body.option_mac.octets);
  }
  const auto size = static_cast<std::uint16_t>(message.size());

  // RFC 8200 §8.1: addresses, upper-layer length u32, zeros, next header.
  const std::array<std::uint8_t, 8> pseudo_tail{
      0, 0, static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size), 0, 0, 0, kNextHeaderIcmpv6};
  store_be(message.data() + kIcmpv6ChecksumAt,
           internet_checksum({from.ip.bytes(), destination.ip.bytes(), pseudo_tail, message}));

  Bytes frame;
  Writer to{frame};
  write_ethernet(to, destination.mac, from.mac, kEtherTypeIpv6);
  to.write(std::uint32_t{0x60000000});
  to.write(size);
  to.write(kNextHeaderIcmpv6);
  to.write(kNdHopLimit);
  to.write_bytes(from.ip.bytes());
  to.write_bytes(destination.ip.bytes());
  to.write_bytes(message);
  return frame;
}

void add_vlan_tag(Bytes& frame, std::uint16_t control) {
  std::array<std::uint8_t, 4> tag{};
  store_be(tag.data(), kEtherTypeVlan);
  store_be(tag.data() + 2, control);
  frame.insert(frame.begin() + kVlanAt, tag.begin(), tag.end());
}

}  // namespace

bool is_rarp_announce(const FrameInfo& info) {
  return info.kind == FrameKind::RarpRequest && info.sender_mac == info.source && info.target_mac == info.source;
}

bool is_gratuitous_arp(const FrameInfo& info) {
  return info.is_arp() && info.source_ip == info.destination_ip && !is_unspecified(info.source_ip);
}

bool is_unsolicited_advertisement(const FrameInfo& info) {
  return info.kind == FrameKind::NeighborAdvertisement && !info.na_solicited;
}

bool is_address_probe(const FrameInfo& info) {
  return find_asked(info).has_value() && is_unspecified(info.source_ip);
}

std::optional<IpAddress> find_announced(const FrameInfo& info) {
  if (is_gratuitous_arp(info)) return info.source_ip;
  if (is_unsolicited_advertisement(info)) return info.nd_target;
  return std::nullopt;
}

std::optional<IpAddress> find_asked(const FrameInfo& info) {
  if (info.kind == FrameKind::NeighborSolicitation) return info.nd_target;
  const bool asks =
      info.kind == FrameKind::ArpRequest && !is_gratuitous_arp(info) && !is_unspecified(info.destination_ip);
  return asks ? info.destination_ip : std::nullopt;
}

Bytes make_arp_request(const Neighbor& sender, const IpAddress& target, const MacAddress& to) {
  return make_arp(to, {.sender = sender, .target = {MacAddress{}, target}});
}

Bytes make_arp_reply(const Neighbor& sender, const Neighbor& to) {
  return make_arp(to.mac, {.operation = 2, .sender = sender, .target = to});
}

Bytes make_gratuitous_arp(const Neighbor& sender) {
  return make_arp_request(sender, sender.ip);
}

Bytes make_rarp_announce(const MacAddress& mac) {
  const Neighbor self{mac, IpAddress{}};
  return make_arp(MacAddress::broadcast(),
                  {.ethertype = kEtherTypeRarp, .operation = 3, .sender = self, .target = self});
}

Bytes make_neighbor_solicitation(const Neighbor& sender, const IpAddress& target, const std::optional<MacAddress>& to) {
  NdBody body{.type = kNeighborSolicitation, .target = target};
  // RFC 4861 §4.3: no source link-layer option from the unspecified address.
  if (!sender.ip.is_unspecified()) {
    body.option = kOptionSourceLinkLayer;
    body.option_mac = sender.mac;
  }
  const IpAddress group = solicited_node_group(target);
  // A DAD probe goes to the group's IP even when it is sent to one MAC (RFC 4862 §5.4.2).
  const bool to_group_ip = !to || sender.ip.is_unspecified();
  return make_nd(sender, {to.value_or(ethernet_group(group)), to_group_ip ? group : target}, body);
}

Bytes make_neighbor_advertisement(const Neighbor& sender, const Neighbor& to) {
  return make_nd(sender, to,
                 {.type = kNeighborAdvertisement,
                  .flags = kFlagSolicited | kFlagOverride,
                  .target = sender.ip,
                  .option = kOptionTargetLinkLayer,
                  .option_mac = sender.mac});
}

Bytes make_unsolicited_advertisement(const Neighbor& sender) {
  const IpAddress all_nodes = IpAddress::v6(kAllNodes.data());
  return make_nd(sender, {ethernet_group(all_nodes), all_nodes},
                 {.type = kNeighborAdvertisement,
                  .flags = kFlagOverride,
                  .target = sender.ip,
                  .option = kOptionTargetLinkLayer,
                  .option_mac = sender.mac});
}

std::optional<Bytes> make_neighbor_answer(const FrameInfo& question, const MacAddress& answer) {
  const std::optional<IpAddress> asked = find_asked(question);
  if (!asked || is_address_probe(question)) return std::nullopt;
  const Neighbor owner{answer, *asked};
  const Neighbor asker{question.source, *question.source_ip};
  Bytes frame = asked->is_v4() ? make_arp_reply(owner, asker) : make_neighbor_advertisement(owner, asker);
  if (question.vlan) add_vlan_tag(frame, *question.vlan);
  return frame;
}

IpAddress solicited_node_group(const IpAddress& ip) {
  std::array<std::uint8_t, 16> group{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  const BytesView octets = ip.bytes();
  std::copy(octets.end() - 3, octets.end(), group.end() - 3);
  return IpAddress::v6(group.data());
}

MacAddress ethernet_group(const IpAddress& group) {
  const BytesView tail = group.bytes().last(4);
  return {{0x33, 0x33, tail[0], tail[1], tail[2], tail[3]}};
}

}  // namespace rove
