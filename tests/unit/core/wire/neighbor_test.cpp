#include "core/wire/neighbor.h"

#include <doctest/doctest.h>

#include <ostream>

#include "tests/support/test_frames.h"

namespace rove {
namespace {

const Neighbor kVm{mac_of("02:00:5e:10:00:01"), ip_of("10.77.0.5")};
const Neighbor kAsker{mac_of("02:00:5e:10:00:02"), ip_of("10.77.0.9")};
const Neighbor kVm6{kVm.mac, ip_of("fd00::5")};
const Neighbor kAsker6{kAsker.mac, ip_of("fd00::9")};

// Made by hand from RFC 826 and RFC 903; the ICMPv6 ones with checksums from another implementation.
const std::string kPadding(36, '0');
const std::string kArpRequest =
    "ffffffffffff"
    "02005e100002"
    "0806"
    "0001080006040001"
    "02005e100002"
    "0a4d0009"
    "000000000000"
    "0a4d0005" +
    kPadding;
const std::string kArpReply =
    "02005e100002"
    "02005e100001"
    "0806"
    "0001080006040002"
    "02005e100001"
    "0a4d0005"
    "02005e100002"
    "0a4d0009" +
    kPadding;
const std::string kGratuitous =
    "ffffffffffff"
    "02005e100001"
    "0806"
    "0001080006040001"
    "02005e100001"
    "0a4d0005"
    "000000000000"
    "0a4d0005" +
    kPadding;
const std::string kProbe =
    "ffffffffffff"
    "02005e100002"
    "0806"
    "0001080006040001"
    "02005e100002"
    "00000000"
    "000000000000"
    "0a4d0005" +
    kPadding;
const std::string kRarp =
    "ffffffffffff"
    "02005e100001"
    "8035"
    "0001080006040003"
    "02005e100001"
    "00000000"
    "02005e100001"
    "00000000" +
    kPadding;
const std::string kSolicitation =
    "3333ff000005"
    "02005e100002"
    "86dd"
    "6000000000203aff"
    "fd000000000000000000000000000009"
    "ff0200000000000000000001ff000005"
    "87001f7800000000"
    "fd000000000000000000000000000005"
    "010102005e100002";
const std::string kDadProbe =
    "3333ff000005"
    "02005e100002"
    "86dd"
    "6000000000183aff"
    "00000000000000000000000000000000"
    "ff0200000000000000000001ff000005"
    "87007d9d00000000"
    "fd000000000000000000000000000005";
const std::string kAdvertisement =
    "02005e100002"
    "02005e100001"
    "86dd"
    "6000000000203aff"
    "fd000000000000000000000000000005"
    "fd000000000000000000000000000009"
    "8800be7c60000000"
    "fd000000000000000000000000000005"
    "020102005e100001";
const std::string kUnsolicited =
    "333300000001"
    "02005e100001"
    "86dd"
    "6000000000203aff"
    "fd000000000000000000000000000005"
    "ff020000000000000000000000000001"
    "8800fc8220000000"
    "fd000000000000000000000000000005"
    "020102005e100001";

FrameInfo parsed(const std::string& hex) {
  const Result<FrameInfo> info = parse_frame(from_hex(hex));
  REQUIRE(info);
  return *info;
}

TEST_CASE("Neighbor builders: every frame has the expected bytes") {
  const Neighbor nobody{kAsker.mac, ip_of("0.0.0.0")};
  const Neighbor nobody6{kAsker.mac, ip_of("::")};

  CHECK(to_hex(make_arp_request(kAsker, kVm.ip)) == kArpRequest);
  CHECK(to_hex(make_arp_reply(kVm, kAsker)) == kArpReply);
  CHECK(to_hex(make_gratuitous_arp(kVm)) == kGratuitous);
  CHECK(to_hex(make_arp_request(nobody, kVm.ip)) == kProbe);
  CHECK(to_hex(make_rarp_announce(kVm.mac)) == kRarp);
  CHECK(to_hex(make_neighbor_solicitation(kAsker6, kVm6.ip)) == kSolicitation);
  CHECK(to_hex(make_neighbor_solicitation(nobody6, kVm6.ip)) == kDadProbe);
  CHECK(to_hex(make_neighbor_advertisement(kVm6, kAsker6)) == kAdvertisement);
  CHECK(to_hex(make_unsolicited_advertisement(kVm6)) == kUnsolicited);
}

TEST_CASE("Neighbor builders: a unicast question goes to the MAC given, with the same question inside") {
  const Bytes arp = make_arp_request(kAsker, kVm.ip, kVm.mac);
  CHECK(parse_frame(arp)->destination == kVm.mac);
  CHECK(find_asked(*parse_frame(arp)) == kVm.ip);

  const Result<FrameInfo> solicitation = parse_frame(make_neighbor_solicitation(kAsker6, kVm6.ip, kVm6.mac));
  REQUIRE(solicitation);
  CHECK(solicitation->destination == kVm.mac);
  CHECK(solicitation->destination_ip == kVm6.ip);
  CHECK(find_asked(*solicitation) == kVm6.ip);

  // RFC 4862 §5.4.2: a probe's IP destination is the group, whatever the MAC.
  const Result<FrameInfo> probe = parse_frame(make_neighbor_solicitation({kAsker.mac, ip_of("::")}, kVm6.ip, kVm.mac));
  REQUIRE(probe);
  CHECK(probe->destination_ip == solicited_node_group(kVm6.ip));
}

TEST_CASE("Neighbor builders: what they build parses back") {
  const FrameInfo reply = parsed(kArpReply);
  CHECK(reply.kind == FrameKind::ArpReply);
  CHECK(reply.source == kVm.mac);
  CHECK(reply.destination == kAsker.mac);
  CHECK(reply.sender_mac == kVm.mac);
  CHECK(reply.source_ip == kVm.ip);
  CHECK(reply.target_mac == kAsker.mac);
  CHECK(reply.destination_ip == kAsker.ip);

  const FrameInfo advertisement = parsed(kAdvertisement);
  CHECK(advertisement.kind == FrameKind::NeighborAdvertisement);
  CHECK(advertisement.nd_target == kVm6.ip);
  CHECK(advertisement.sender_mac == kVm.mac);
  CHECK(advertisement.na_solicited);
  CHECK(advertisement.na_override);
  CHECK_FALSE(advertisement.na_router);

  const FrameInfo solicitation = parsed(kSolicitation);
  CHECK(solicitation.kind == FrameKind::NeighborSolicitation);
  CHECK(solicitation.sender_mac == kAsker.mac);
  CHECK(solicitation.nd_target == kVm6.ip);
  CHECK_FALSE(parsed(kDadProbe).sender_mac);
}

TEST_CASE("Neighbor questions: each frame is recognised as exactly what it is") {
  struct Case {
    const char* name;
    const std::string& hex;
    bool rarp_announce;
    bool gratuitous;
    bool unsolicited;
    bool probe;
    std::optional<IpAddress> announced;
    std::optional<IpAddress> asked;
  };
  // A gratuitous reply, as some systems send it instead of a request.
  std::string gratuitous_reply = kGratuitous;
  gratuitous_reply.replace(14 * 2 + 12, 4, "0002");
  const std::optional<IpAddress> none;
  for (const Case& one : {
           Case{"ARP request", kArpRequest, false, false, false, false, none, kVm.ip},
           Case{"ARP reply", kArpReply, false, false, false, false, none, none},
           Case{"gratuitous request", kGratuitous, false, true, false, false, kVm.ip, none},
           Case{"gratuitous reply", gratuitous_reply, false, true, false, false, kVm.ip, none},
           Case{"ARP probe", kProbe, false, false, false, true, none, kVm.ip},
           Case{"RARP", kRarp, true, false, false, false, none, none},
           Case{"NS", kSolicitation, false, false, false, false, none, kVm6.ip},
           Case{"DAD NS", kDadProbe, false, false, false, true, none, kVm6.ip},
           Case{"NA", kAdvertisement, false, false, false, false, none, none},
           Case{"unsolicited NA", kUnsolicited, false, false, true, false, kVm6.ip, none},
       }) {
    CAPTURE(one.name);
    const FrameInfo info = parsed(one.hex);
    CHECK(is_rarp_announce(info) == one.rarp_announce);
    CHECK(is_gratuitous_arp(info) == one.gratuitous);
    CHECK(is_unsolicited_advertisement(info) == one.unsolicited);
    CHECK(is_address_probe(info) == one.probe);
    CHECK(find_announced(info) == one.announced);
    CHECK(find_asked(info) == one.asked);
  }
}

TEST_CASE("Neighbor questions: a RARP that speaks for another MAC announces nothing") {
  std::string other = kRarp;
  other.replace((14 + 18) * 2, 12, "02005e100009");
  CHECK_FALSE(is_rarp_announce(parsed(other)));
}

TEST_CASE("make_neighbor_answer: answers ARP and ND with the owner's MAC") {
  CHECK(to_hex(make_neighbor_answer(parsed(kArpRequest), kVm.mac).value()) == kArpReply);
  CHECK(to_hex(make_neighbor_answer(parsed(kSolicitation), kVm.mac).value()) == kAdvertisement);
}

TEST_CASE("make_neighbor_answer: stays in the VLAN of the question") {
  const Bytes question = with_vlan_tag(from_hex(kArpRequest), 0x6005);

  const std::optional<Bytes> answer = make_neighbor_answer(*parse_frame(question), kVm.mac);

  REQUIRE(answer);
  CHECK(*answer == with_vlan_tag(from_hex(kArpReply), 0x6005));
}

TEST_CASE("make_neighbor_answer: probes and everything that asks nothing stay unanswered") {
  for (const std::string& hex : {kProbe, kDadProbe, kArpReply, kGratuitous, kRarp, kAdvertisement, kUnsolicited}) {
    CHECK_FALSE(make_neighbor_answer(parsed(hex), kVm.mac));
  }
}

TEST_CASE("Groups: solicited-node and its Ethernet address") {
  CHECK(solicited_node_group(ip_of("2001:db8::12:3456")) == ip_of("ff02::1:ff12:3456"));
  CHECK(ethernet_group(ip_of("ff02::1:ff12:3456")) == mac_of("33:33:ff:12:34:56"));
}

}  // namespace
}  // namespace rove
