// Whose source addresses a frame may carry (docs/protocol.md §2), in the header and inside ARP and Neighbor Discovery.
#include <doctest/doctest.h>

#include <ostream>

#include "core/wire/neighbor.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

// A third VM on a's side of the tests: it belongs to nobody that a may speak for.
const MacAddress kVictim = mac_of("02:00:5e:10:00:77");
const IpAddress kVictimIp = ip_of("10.77.0.77");
const IpAddress kVictimIp6 = ip_of("fd00::77");

struct Case {
  const char* name;
  Bytes frame;
};

// The frames of a's VM that b must not believe.
std::vector<Case> spoofed_frames(const Pair& pair) {
  const Neighbor self{pair.vm_a, pair.ip_a};
  const Neighbor asker{pair.vm_b, pair.ip_b};
  const Neighbor self6{pair.vm_a, pair.ip6_a};
  const Neighbor asker6{pair.vm_b, pair.ip6_b};

  Bytes arp_other_mac = make_arp_reply(self, asker);
  std::copy(kVictim.octets.begin(), kVictim.octets.end(), arp_other_mac.begin() + 14 + 8);
  Bytes rarp_other_mac = make_rarp_announce(pair.vm_a);
  std::copy(kVictim.octets.begin(), kVictim.octets.end(), rarp_other_mac.begin() + 14 + 8);
  Bytes na_other_mac = make_neighbor_advertisement(self6, asker6);
  std::copy(kVictim.octets.begin(), kVictim.octets.end(), na_other_mac.end() - 6);
  Bytes ns_other_mac = make_neighbor_solicitation(self6, pair.ip6_b);
  std::copy(kVictim.octets.begin(), kVictim.octets.end(), ns_other_mac.end() - 6);
  // An advertisement from our own address, for another's.
  Bytes na_other_target = make_neighbor_advertisement(self6, asker6);
  const BytesView target = kVictimIp6.bytes();
  std::copy(target.begin(), target.end(), na_other_target.begin() + 14 + 40 + 8);
  // The same, behind a destination options header (V4).
  Bytes hidden = from_hex("3a00000000000000");
  hidden.insert(hidden.end(), na_other_target.begin() + 14 + 40, na_other_target.end());
  // A redirect that sends the victim's traffic here.
  Bytes redirect = from_hex("8900000000000000");
  redirect.insert(redirect.end(), target.begin(), target.end());
  redirect.insert(redirect.end(), target.begin(), target.end());
  const Bytes option = from_hex("020102005e100077");
  redirect.insert(redirect.end(), option.begin(), option.end());

  return {
      {"IPv4 of another", ipv4_frame(pair.vm_b, pair.vm_a, kVictimIp, pair.ip_b, Bytes(8))},
      {"IPv4 link-local, as of a metadata service", make_arp_reply({pair.vm_a, ip_of("169.254.169.254")}, asker)},
      {"IPv4 of another in a VLAN", with_vlan_tag(ipv4_frame(pair.vm_b, pair.vm_a, kVictimIp, pair.ip_b, Bytes(8)), 5)},
      {"IPv6 of another", ipv6_frame(pair.vm_b, pair.vm_a, kVictimIp6, pair.ip6_b, 17, Bytes(8))},
      {"IPv4 of the receiver", ipv4_frame(pair.vm_b, pair.vm_a, pair.ip_b, pair.ip_b, Bytes(8))},
      {"ARP reply for another's IP", make_arp_reply({pair.vm_a, kVictimIp}, asker)},
      {"ARP request in another's name", make_arp_request({pair.vm_a, kVictimIp}, pair.ip_b)},
      {"gratuitous ARP for another's IP", make_gratuitous_arp({pair.vm_a, kVictimIp})},
      {"ARP that maps our IP to another MAC", arp_other_mac},
      {"RARP for another MAC", rarp_other_mac},
      {"NA that maps our IP to another MAC", na_other_mac},
      {"NS with another MAC", ns_other_mac},
      {"NA for another's IP", na_other_target},
      {"unsolicited NA for another's IP", make_unsolicited_advertisement({pair.vm_a, kVictimIp6})},
      {"NA behind extension headers", ipv6_frame(pair.vm_b, pair.vm_a, pair.ip6_a, pair.ip6_b, 60, hidden, 255)},
      {"redirect", ipv6_frame(pair.vm_b, pair.vm_a, pair.ip6_a, pair.ip6_b, 58, redirect, 255)},
      {"MAC of another", ipv4_frame(pair.vm_b, kVictim, kVictimIp, pair.ip_b, Bytes(8))},
      {"MAC nobody claims", ipv4_frame(pair.vm_b, mac_of("02:00:5e:10:00:99"), pair.ip_a, pair.ip_b, Bytes(8))},
      {"MAC of the receiver's own VM", ipv4_frame(MacAddress::broadcast(), pair.vm_b, pair.ip_b, pair.ip_a, Bytes(8))},
      {"no IP, but MAC of another", ethernet_frame(pair.vm_b, kVictim, 0x88b5, Bytes(46))},
  };
}

TEST_CASE("Forwarder: what the snapshot does not prove is not delivered, but shown to the control thread (V1, V4)") {
  Pair pair;
  Host victim_host{7};
  pair.b.snapshot.vms[kVictim] = remote_vm(victim_host, {kVictimIp, kVictimIp6});
  pair.b.publish();
  for (const Case& one : spoofed_frames(pair)) {
    CAPTURE(one.name);
    pair.b.take_datagram(pair.a.endpoint, pair.forged(0, one.frame));
    CHECK(pair.b.delivered.empty());
    CHECK(pair.b.relayed.empty());
    const std::vector<UnprovenFrame> shown = pair.b.take_events_of<UnprovenFrame>();
    REQUIRE(shown.size() == 1);
    CHECK(shown[0].peer == pair.a.id);
    CHECK(shown[0].frame == one.frame);
  }
  CHECK(pair.b.all_drops() == 0);
  CHECK(pair.b.forwarder.counters().frames_unproven == spoofed_frames(pair).size());
}

TEST_CASE("Forwarder: what a VM may say is delivered") {
  Pair pair;
  const Neighbor self{pair.vm_a, pair.ip_a};
  const Neighbor self6{pair.vm_a, pair.ip6_a};
  const Neighbor link_local{pair.vm_a, ip_of("fe80::a")};
  for (const Case& one : {
           Case{"IPv4", pair.frame()},
           Case{"IPv4 in a VLAN", with_vlan_tag(pair.frame(), 5)},
           Case{"IPv6", ipv6_frame(pair.vm_b, pair.vm_a, pair.ip6_a, pair.ip6_b, 17, Bytes(8))},
           Case{"link-local IPv6", ipv6_frame(pair.vm_b, pair.vm_a, link_local.ip, pair.ip6_b, 17, Bytes(8))},
           Case{"DHCP without an address",
                ipv4_frame(MacAddress::broadcast(), pair.vm_a, ip_of("0.0.0.0"), ip_of("255.255.255.255"), Bytes(8))},
           Case{"ARP request", make_arp_request(self, pair.ip_b)},
           Case{"ARP probe", make_arp_request({pair.vm_a, ip_of("0.0.0.0")}, pair.ip_a)},
           Case{"ARP reply", make_arp_reply(self, {pair.vm_b, pair.ip_b})},
           Case{"gratuitous ARP", make_gratuitous_arp(self)},
           Case{"RARP", make_rarp_announce(pair.vm_a)},
           Case{"NS", make_neighbor_solicitation(self6, pair.ip6_b)},
           Case{"DAD", make_neighbor_solicitation({pair.vm_a, ip_of("::")}, pair.ip6_a)},
           Case{"NA", make_neighbor_advertisement(self6, {pair.vm_b, pair.ip6_b})},
           Case{"link-local NA", make_unsolicited_advertisement(link_local)},
           Case{"no IP", ethernet_frame(pair.vm_b, pair.vm_a, 0x88b5, Bytes(46))},
       }) {
    CAPTURE(one.name);
    pair.b.take_datagram(pair.a.endpoint, pair.forged(0, one.frame));
    CHECK(pair.b.delivered.frames().size() == 1);
  }
  CHECK(pair.b.take_events_of<UnprovenFrame>().empty());
}

TEST_CASE("Forwarder: a router may use any source IP, but no other MAC") {
  Pair pair;
  pair.b.snapshot.vms[pair.vm_a].sourceless = true;
  pair.b.publish();

  pair.b.take_datagram(pair.a.endpoint,
                       pair.forged(0, ipv4_frame(pair.vm_b, pair.vm_a, ip_of("8.8.8.8"), pair.ip_b, Bytes(8))));
  CHECK(pair.b.delivered.frames().size() == 1);

  Bytes other_mac = make_arp_reply({pair.vm_a, pair.ip_a}, {pair.vm_b, pair.ip_b});
  std::copy(kVictim.octets.begin(), kVictim.octets.end(), other_mac.begin() + 14 + 8);
  pair.b.take_datagram(pair.a.endpoint, pair.forged(0, other_mac));
  CHECK(pair.b.delivered.empty());
}

TEST_CASE("Forwarder: frames that the parser refuses never reach the TAP, whoever sends them (V4)") {
  Pair pair;
  const Bytes double_tagged = with_vlan_tag(with_vlan_tag(pair.frame(), 0), 0);
  const Bytes cut_chain = ipv6_frame(pair.vm_b, pair.vm_a, pair.ip6_a, pair.ip6_b, 60, from_hex("3a05000000000000"));
  for (const Bytes& frame : {double_tagged, cut_chain}) {
    pair.b.take_datagram(pair.a.endpoint, pair.forged(0, frame));
    CHECK(pair.b.delivered.empty());
    CHECK(pair.b.take_events_of<UnprovenFrame>().empty());
  }
  CHECK(pair.b.drops(DropReason::BadFrame) == 2);
}

TEST_CASE("Forwarder: a peer's unproven frames beyond 64 in 100 ms count as spoofed, another peer's do not") {
  Pair pair;
  Host c{3};
  const SessionPair with_c = pair.maker.connect(c, pair.b);
  const Bytes frame = ipv4_frame(pair.vm_b, kVictim, kVictimIp, pair.ip_b, Bytes(8));
  for (int i = 0; i < 100; ++i) pair.b.take_datagram(pair.a.endpoint, pair.forged(0, frame));
  CHECK(pair.b.take_events_of<UnprovenFrame>().size() == 64);
  CHECK(pair.b.drops(DropReason::SpoofedSource) == 36);

  c.snapshot.vms[kVictim] = local_vm({kVictimIp});
  c.snapshot.vms[pair.vm_b] = remote_vm(pair.b, {pair.ip_b});
  c.publish();
  c.take_frame(frame);
  pair.b.take_datagram_of(c);
  CHECK(pair.b.take_events_of<UnprovenFrame>().size() == 1);

  pair.b.now += std::chrono::milliseconds{100};
  pair.b.take_datagram(pair.a.endpoint, pair.forged(0, frame));
  CHECK(pair.b.take_events_of<UnprovenFrame>().size() == 1);
  CHECK(pair.b.drops(DropReason::SpoofedSource) == 36);
}

}  // namespace
}  // namespace rove
