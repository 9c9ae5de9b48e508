#include "core/wire/ethernet.h"

#include <doctest/doctest.h>

#include <ostream>

#include "core/wire/neighbor.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kTo = mac_of("02:00:5e:10:00:02");
const MacAddress kFrom = mac_of("02:00:5e:10:00:01");
const IpAddress kFrom4 = ip_of("10.77.0.5");
const IpAddress kTo4 = ip_of("10.77.0.9");
const IpAddress kFrom6 = ip_of("fd00::5");
const IpAddress kTo6 = ip_of("fd00::9");

constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kUdp = 17;

// A neighbor advertisement for `kFrom6` with its link-layer option, as it stands behind the IPv6 header.
const Bytes kAdvertisement = from_hex(
    "8800000060000000"
    "fd000000000000000000000000000005"
    "020102005e100001");

Bytes nd_frame(std::uint8_t next_header, const Bytes& payload, std::uint8_t hop_limit = 255) {
  return ipv6_frame(kTo, kFrom, kFrom6, kTo6, next_header, payload, hop_limit);
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// An extension header of eight octets that announces `next`.
Bytes extension(std::uint8_t next) {
  return {next, 0, 0, 0, 0, 0, 0, 0};
}

void check_refused(const Bytes& frame, Error error) {
  const Result<FrameInfo> info = parse_frame(frame);
  REQUIRE_FALSE(info);
  CHECK(info.error() == error);
}

TEST_CASE("parse_frame: IPv4 gives both addresses and where the packet begins") {
  const Result<FrameInfo> info = parse_frame(ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(8)));

  REQUIRE(info);
  CHECK(info->kind == FrameKind::Ipv4);
  CHECK(info->destination == kTo);
  CHECK(info->source == kFrom);
  CHECK(info->ethertype == kEtherTypeIpv4);
  CHECK(info->payload == 14);
  CHECK(info->source_ip == kFrom4);
  CHECK(info->destination_ip == kTo4);
  CHECK_FALSE(info->vlan);
}

TEST_CASE("parse_frame: IPv6 with a transport gives both addresses") {
  const Result<FrameInfo> info = parse_frame(ipv6_frame(kTo, kFrom, kFrom6, kTo6, kUdp, Bytes(8)));

  REQUIRE(info);
  CHECK(info->kind == FrameKind::Ipv6);
  CHECK(info->source_ip == kFrom6);
  CHECK(info->destination_ip == kTo6);
}

TEST_CASE("parse_frame: looks through one 802.1Q tag") {
  const Result<FrameInfo> info = parse_frame(with_vlan_tag(ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(8)), 0x2005));

  REQUIRE(info);
  CHECK(info->vlan == 0x2005);
  CHECK(info->payload == 18);
  CHECK(info->source_ip == kFrom4);
}

TEST_CASE("parse_frame: a second tag, and a provider's, could hide an address and are refused") {
  const Bytes tagged = with_vlan_tag(ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(8)), 5);
  check_refused(with_vlan_tag(tagged, 0), Error::Malformed);
  check_refused(with_vlan_tag(tagged, 0, 0x88a8), Error::Malformed);
  check_refused(with_vlan_tag(ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(8)), 5, 0x88a8), Error::Malformed);
  check_refused({tagged.begin(), tagged.begin() + 17}, Error::Truncated);
}

TEST_CASE("parse_frame: padding behind the packet is no part of it") {
  Bytes frame = ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(4));
  frame.resize(60);
  CHECK(parse_frame(frame));

  Bytes nd = nd_frame(kIcmpv6, kAdvertisement);
  nd.resize(nd.size() + 5, 0xff);
  CHECK(parse_frame(nd));
}

TEST_CASE("parse_frame: sizes outside 14 to 9018 octets are refused") {
  const Bytes smallest = ethernet_frame(kTo, kFrom, 0x88b5, {});
  CHECK(parse_frame(smallest));
  CHECK(parse_frame(ethernet_frame(kTo, kFrom, 0x88b5, Bytes(9004))));

  for (std::size_t size = 0; size < smallest.size(); ++size) {
    check_refused({smallest.begin(), smallest.begin() + static_cast<std::ptrdiff_t>(size)}, Error::Truncated);
  }
  check_refused(ethernet_frame(kTo, kFrom, 0x88b5, Bytes(9005)), Error::TooLarge);
}

TEST_CASE("parse_frame: a group or zero source is refused, a group destination is not") {
  check_refused(ethernet_frame(kTo, mac_of("03:00:5e:10:00:01"), 0x88b5, {}), Error::Malformed);
  check_refused(ethernet_frame(kTo, MacAddress::broadcast(), 0x88b5, {}), Error::Malformed);
  check_refused(ethernet_frame(kTo, MacAddress{}, 0x88b5, {}), Error::Malformed);
  CHECK(parse_frame(ethernet_frame(MacAddress::broadcast(), kFrom, 0x88b5, {})));
}

TEST_CASE("parse_frame: other types carry no IP; SNAP may not carry one secretly") {
  const Result<FrameInfo> other = parse_frame(ethernet_frame(kTo, kFrom, 0x88b5, Bytes(46)));
  REQUIRE(other);
  CHECK(other->kind == FrameKind::Other);
  CHECK_FALSE(other->source_ip);

  CHECK(parse_frame(ethernet_frame(kTo, kFrom, 38, from_hex("424203000000"))));      // spanning tree
  CHECK(parse_frame(ethernet_frame(kTo, kFrom, 38, from_hex("aaaa0300000c2000"))));  // Cisco's own
  check_refused(ethernet_frame(kTo, kFrom, 38, from_hex("aaaa030000000800")), Error::Malformed);
  check_refused(ethernet_frame(kTo, kFrom, 38, from_hex("aaaa030000f80806")), Error::Malformed);
  check_refused(ethernet_frame(kTo, kFrom, 0x05dd, Bytes(46)), Error::Malformed);  // neither length nor type
}

TEST_CASE("parse_frame: an IPv4 header that is cut, short or of another version is refused") {
  const Bytes whole = ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(8));
  for (std::size_t size = 14; size < whole.size(); ++size) {
    check_refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, Error::Truncated);
  }
  Bytes version = whole;
  version[14] = 0x65;
  check_refused(version, Error::Malformed);
  Bytes short_header = whole;
  short_header[14] = 0x44;
  check_refused(short_header, Error::Malformed);
  Bytes short_total = whole;
  short_total[17] = 19;
  check_refused(short_total, Error::Malformed);
  Bytes options_beyond_total = whole;
  options_beyond_total[14] = 0x4f;
  check_refused(options_beyond_total, Error::Malformed);
}

TEST_CASE("parse_frame: an IPv6 header that is cut or of another version is refused") {
  const Bytes whole = ipv6_frame(kTo, kFrom, kFrom6, kTo6, kUdp, Bytes(8));
  for (std::size_t size = 14; size < whole.size(); ++size) {
    check_refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, Error::Truncated);
  }
  Bytes version = whole;
  version[14] = 0x45;
  check_refused(version, Error::Malformed);
}

TEST_CASE("parse_frame: ARP for anything but IPv4 on Ethernet, and unknown operations, are refused") {
  const Bytes request = make_arp_request({kFrom, kFrom4}, kTo4);
  REQUIRE(parse_frame(request));
  struct Case {
    std::size_t at;
    std::uint8_t value;
  };
  for (const Case& one :
       {Case{15, 6}, Case{16, 0x86}, Case{18, 8}, Case{19, 16}, Case{21, 0}, Case{21, 3}, Case{21, 9}}) {
    Bytes bad = request;
    bad[one.at] = one.value;
    check_refused(bad, Error::Malformed);
  }
  for (std::size_t size = 14; size < 14 + 28; ++size) {
    check_refused({request.begin(), request.begin() + static_cast<std::ptrdiff_t>(size)}, Error::Truncated);
  }
  Bytes rarp_that_is_arp = make_rarp_announce(kFrom);
  rarp_that_is_arp[21] = 1;
  check_refused(rarp_that_is_arp, Error::Malformed);
  Bytes rarp_reply = make_rarp_announce(kFrom);
  rarp_reply[21] = 4;
  CHECK(parse_frame(rarp_reply)->kind == FrameKind::RarpReply);
}

TEST_CASE("parse_frame: finds Neighbor Discovery behind extension headers") {
  const Bytes authentication = joined({{kIcmpv6, 1, 0, 0}, Bytes(8)});  // 12 octets, RFC 4302
  struct Case {
    const char* name;
    std::uint8_t first;
    Bytes chain;
  };
  for (const Case& one : {
           Case{"none", kIcmpv6, {}},
           Case{"hop-by-hop", 0, extension(kIcmpv6)},
           Case{"destination options twice", 60, joined({extension(60), extension(kIcmpv6)})},
           Case{"routing", 43, extension(kIcmpv6)},
           Case{"mobility", 135, extension(kIcmpv6)},
           Case{"HIP", 139, extension(kIcmpv6)},
           Case{"shim6", 140, extension(kIcmpv6)},
           Case{"authentication", 51, authentication},
           Case{"eight of them", 0,
                joined({extension(60), extension(60), extension(60), extension(60), extension(60), extension(60),
                        extension(60), extension(kIcmpv6)})},
       }) {
    CAPTURE(one.name);
    const Result<FrameInfo> info = parse_frame(nd_frame(one.first, joined({one.chain, kAdvertisement})));
    REQUIRE(info);
    CHECK(info->kind == FrameKind::NeighborAdvertisement);
    CHECK(info->nd_target == kFrom6);
    CHECK(info->sender_mac == kFrom);
  }
}

TEST_CASE("parse_frame: an extension header chain that does not show its end is refused") {
  Bytes nine;
  for (int i = 0; i < 8; ++i) nine = joined({nine, extension(60)});
  check_refused(nd_frame(60, joined({nine, extension(kUdp), Bytes(8)})), Error::Malformed);

  check_refused(nd_frame(60, {}), Error::Truncated);
  check_refused(nd_frame(60, Bytes(7)), Error::Truncated);
  check_refused(nd_frame(60, {kUdp, 1, 0, 0, 0, 0, 0, 0}), Error::Truncated);  // says 16 octets
  check_refused(nd_frame(51, {kUdp, 1, 0, 0, 0, 0, 0, 0}), Error::Truncated);  // says 12
  check_refused(nd_frame(kIcmpv6, {0x88, 0, 0}), Error::Truncated);
}

TEST_CASE("parse_frame: fragments may not carry Neighbor Discovery nor hide their headers") {
  const auto fragment = [](std::uint8_t next, std::uint16_t offset_and_more) {
    return Bytes{
        next, 0, static_cast<std::uint8_t>(offset_and_more >> 8), static_cast<std::uint8_t>(offset_and_more), 0, 0,
        0,    1};
  };
  // First fragment, atomic fragment, and one with options in between.
  check_refused(nd_frame(44, joined({fragment(kIcmpv6, 1), kAdvertisement})), Error::Malformed);
  check_refused(nd_frame(44, joined({fragment(kIcmpv6, 0), kAdvertisement})), Error::Malformed);
  check_refused(nd_frame(44, joined({fragment(60, 1), extension(kIcmpv6), kAdvertisement})), Error::Malformed);
  // The options say that they go on in the next fragment.
  check_refused(nd_frame(44, joined({fragment(60, 1), Bytes{kIcmpv6, 5, 0, 0, 0, 0, 0, 0}})), Error::Truncated);
  check_refused(nd_frame(44, {kUdp, 0, 0}), Error::Truncated);

  CHECK(parse_frame(nd_frame(44, joined({fragment(kUdp, 1), Bytes(16)})))->kind == FrameKind::Ipv6);
  CHECK(parse_frame(nd_frame(44, joined({fragment(kUdp, 8 << 3), Bytes(16)})))->kind == FrameKind::Ipv6);
  const Bytes echo = from_hex("8000000000010001");
  CHECK(parse_frame(nd_frame(44, joined({fragment(kIcmpv6, 1), echo})))->kind == FrameKind::Ipv6);
}

TEST_CASE("parse_frame: Neighbor Discovery must have hop limit 255 and code 0") {
  check_refused(nd_frame(kIcmpv6, kAdvertisement, 254), Error::Malformed);
  Bytes code = kAdvertisement;
  code[1] = 1;
  check_refused(nd_frame(kIcmpv6, code), Error::Malformed);
  CHECK(parse_frame(nd_frame(kIcmpv6, from_hex("8000000000010001"), 64))->kind == FrameKind::Ipv6);
}

TEST_CASE("parse_frame: reads the option that each Neighbor Discovery message names a MAC in") {
  const Bytes source_option = from_hex("010102005e1000aa");
  const Bytes target_option = from_hex("020102005e1000bb");
  const Bytes both = joined({source_option, target_option});
  const Bytes target = from_hex("fd000000000000000000000000000007");
  const MacAddress source = mac_of("02:00:5e:10:00:aa");
  const MacAddress target_mac = mac_of("02:00:5e:10:00:bb");
  struct Case {
    FrameKind kind;
    Bytes message;
    MacAddress mac;
    bool has_target;
  };
  for (const Case& one : {
           Case{FrameKind::RouterSolicitation, joined({from_hex("8500000000000000"), both}), source, false},
           Case{FrameKind::RouterAdvertisement, joined({from_hex("86000000"), Bytes(12), both}), source, false},
           Case{FrameKind::NeighborSolicitation, joined({from_hex("8700000000000000"), target, both}), source, true},
           Case{FrameKind::NeighborAdvertisement, joined({from_hex("8800000080000000"), target, both}), target_mac,
                true},
           Case{FrameKind::Redirect, joined({from_hex("8900000000000000"), target, target, both}), target_mac, true},
       }) {
    const Result<FrameInfo> info = parse_frame(nd_frame(kIcmpv6, one.message));
    REQUIRE(info);
    CHECK(info->kind == one.kind);
    CHECK(info->is_nd());
    CHECK(info->sender_mac == one.mac);
    CHECK(info->nd_target.has_value() == one.has_target);
    CHECK(info->na_router == (one.kind == FrameKind::NeighborAdvertisement));

    // Nothing but whole messages: each cut is noticed, but at the end of an option.
    for (std::size_t cut = 1; cut < one.message.size(); ++cut) {
      const Bytes shorter{one.message.begin(), one.message.end() - static_cast<std::ptrdiff_t>(cut)};
      if (cut == 8 || cut == 16) {
        CHECK(parse_frame(nd_frame(kIcmpv6, shorter)));
      } else {
        check_refused(nd_frame(kIcmpv6, shorter), Error::Truncated);
      }
    }
  }
}

TEST_CASE("parse_frame: options that systems read differently are refused") {
  const Bytes option = from_hex("020102005e100001");
  check_refused(nd_frame(kIcmpv6, joined({kAdvertisement, option})), Error::Malformed);  // twice
  check_refused(nd_frame(kIcmpv6, joined({kAdvertisement, from_hex("0e00000000000000")})), Error::Malformed);
  Bytes long_option = kAdvertisement;
  long_option[25] = 2;
  check_refused(nd_frame(kIcmpv6, joined({long_option, Bytes(8)})), Error::Malformed);
  Bytes group_target = kAdvertisement;
  group_target[8] = 0xff;
  check_refused(nd_frame(kIcmpv6, group_target), Error::Malformed);
}

TEST_CASE("parse_frame: garbage behind a plausible beginning does not crash") {
  SeededRandom random{5};
  const Bytes starts[] = {
      nd_frame(0, joined({extension(60), extension(kIcmpv6), kAdvertisement})),
      ipv4_frame(kTo, kFrom, kFrom4, kTo4, Bytes(20)),
      make_arp_request({kFrom, kFrom4}, kTo4),
      with_vlan_tag(nd_frame(kIcmpv6, kAdvertisement), 1),
  };
  std::size_t accepted = 0;
  for (int round = 0; round < 40000; ++round) {
    Bytes frame = starts[random.below(std::size(starts))];
    for (int i = 0; i < 3; ++i) frame[12 + random.below(frame.size() - 12)] = static_cast<std::uint8_t>(random.u32());
    frame.resize(frame.size() - random.below(12));
    if (parse_frame(frame)) ++accepted;
  }
  CHECK(accepted > 0);
}

}  // namespace
}  // namespace rove
