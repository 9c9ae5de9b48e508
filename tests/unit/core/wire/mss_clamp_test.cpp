#include "core/wire/mss_clamp.h"

#include <doctest/doctest.h>

#include <array>
#include <ostream>

#include "core/wire/checksum.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kTo = mac_of("02:00:5e:10:00:02");
const MacAddress kFrom = mac_of("02:00:5e:10:00:01");
const IpAddress kFrom4 = ip_of("10.77.0.5");
const IpAddress kTo4 = ip_of("10.77.0.9");
const IpAddress kFrom6 = ip_of("fd00::5");
const IpAddress kTo6 = ip_of("fd00::9");

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kSynAck = 0x12;
constexpr std::uint8_t kAck = 0x10;
constexpr std::size_t kMtu = 1400;

std::uint16_t tcp_checksum(const IpAddress& from, const IpAddress& to, BytesView segment) {
  const auto size = static_cast<std::uint16_t>(segment.size());
  const std::array<std::uint8_t, 4> tail{0, kTcp, static_cast<std::uint8_t>(size >> 8),
                                         static_cast<std::uint8_t>(size)};
  return internet_checksum({from.bytes(), to.bytes(), tail, segment});
}

// A segment with correct checksum; `options` has a multiple of four octets.
Bytes tcp_segment(const IpAddress& from, const IpAddress& to, std::uint8_t flags, const Bytes& options) {
  Bytes segment = from_hex("c001005000000001000000000000ffff00000000");
  segment[12] = static_cast<std::uint8_t>((20 + options.size()) / 4 << 4);
  segment[13] = flags;
  segment.insert(segment.end(), options.begin(), options.end());
  store_be(segment.data() + 16, tcp_checksum(from, to, segment));
  return segment;
}

Bytes tcp4(std::uint8_t flags, const Bytes& options) {
  return ipv4_frame(kTo, kFrom, kFrom4, kTo4, tcp_segment(kFrom4, kTo4, flags, options), kTcp);
}
Bytes tcp6(std::uint8_t flags, const Bytes& options) {
  return ipv6_frame(kTo, kFrom, kFrom6, kTo6, kTcp, tcp_segment(kFrom6, kTo6, flags, options));
}

std::optional<MssClamp> find(const Bytes& frame, std::size_t mtu = kMtu) {
  return find_mss_clamp(frame, *parse_frame(frame), mtu);
}

const Bytes kMss1460 = from_hex("020405b4");
const Bytes kMssBehindScale =
    from_hex("0103030701020405b4010101");            // behind a window scale: the value at an odd offset
const Bytes kMssOdd = from_hex("01020405b4010101");  // behind one NOP: also
const Bytes kMssEven = from_hex("0101020405b40101");

TEST_CASE("MSS clamp: lowers the option to what the inner MTU takes, and the checksum stays right") {
  for (const std::uint8_t flags : {kSyn, kSynAck}) {
    for (const Bytes& options : {kMss1460, kMssBehindScale, kMssOdd, kMssEven}) {
      Bytes v4 = tcp4(flags, options);
      const std::optional<MssClamp> clamp4 = find(v4);
      REQUIRE(clamp4);
      apply_mss_clamp(v4, *clamp4, false);
      CHECK(load_be<std::uint16_t>(v4.data() + clamp4->mss_at) == kMtu - 40);
      CHECK(tcp_checksum(kFrom4, kTo4, BytesView{v4}.subspan(34)) == 0);
      CHECK_FALSE(find(v4));

      Bytes v6 = tcp6(flags, options);
      const std::optional<MssClamp> clamp6 = find(v6);
      REQUIRE(clamp6);
      apply_mss_clamp(v6, *clamp6, false);
      CHECK(load_be<std::uint16_t>(v6.data() + clamp6->mss_at) == kMtu - 60);
      CHECK(tcp_checksum(kFrom6, kTo6, BytesView{v6}.subspan(54)) == 0);
    }
  }
}

TEST_CASE("MSS clamp: sees through a VLAN tag") {
  Bytes frame = with_vlan_tag(tcp4(kSyn, kMss1460), 5);
  const std::optional<MssClamp> clamp = find(frame);
  REQUIRE(clamp);
  apply_mss_clamp(frame, *clamp, false);
  CHECK(tcp_checksum(kFrom4, kTo4, BytesView{frame}.subspan(38)) == 0);
}

TEST_CASE("MSS clamp: looks into first fragments") {
  const Bytes whole = tcp4(kSyn, kMss1460);
  Bytes first = whole;
  first[14 + 6] = 0x20;  // more fragments
  const std::optional<MssClamp> clamp = find(first);
  REQUIRE(clamp);
  CHECK(clamp->mss_at == find(whole).value().mss_at);
}

TEST_CASE("MSS clamp: a partial checksum covers no option and stays") {
  Bytes frame = tcp4(kSyn, kMss1460);
  const MssClamp clamp = find(frame).value();
  const std::uint16_t before = load_be<std::uint16_t>(frame.data() + clamp.checksum_at);

  apply_mss_clamp(frame, clamp, true);

  CHECK(load_be<std::uint16_t>(frame.data() + clamp.mss_at) == kMtu - 40);
  CHECK(load_be<std::uint16_t>(frame.data() + clamp.checksum_at) == before);
}

TEST_CASE("MSS clamp: leaves alone what needs no change or has no readable option") {
  Bytes later_fragment = tcp4(kSyn, kMss1460);
  later_fragment[14 + 7] = 1;
  Bytes udp = tcp4(kSyn, kMss1460);
  udp[14 + 9] = 17;
  struct Case {
    const char* name;
    Bytes frame;
  };
  for (const Case& one : {
           Case{"small enough", tcp4(kSyn, from_hex("02040550"))},
           Case{"no SYN", tcp4(kAck, kMss1460)},
           Case{"no option", tcp4(kSyn, {})},
           Case{"behind the end of options", tcp4(kSyn, from_hex("00000000020405b4"))},
           Case{"MSS of a wrong size", tcp4(kSyn, from_hex("020305b4"))},
           Case{"option of size 0", tcp4(kSyn, from_hex("03000000020405b4"))},
           Case{"option beyond the header", tcp4(kSyn, from_hex("03090000020405b4"))},
           Case{"cut option", tcp4(kSyn, from_hex("01010102"))},
           Case{"a later fragment", later_fragment},
           Case{"another protocol", udp},
           Case{"no IP", ethernet_frame(kTo, kFrom, 0x88b5, tcp_segment(kFrom4, kTo4, kSyn, kMss1460))},
       }) {
    CAPTURE(one.name);
    CHECK_FALSE(find(one.frame));
  }
  CHECK_FALSE(find(tcp4(kSyn, kMss1460), 40));
  CHECK(find(tcp4(kSyn, from_hex("0204ffff")), 1 << 20) == std::nullopt);
}

TEST_CASE("MSS clamp: a segment that is cut anywhere is never read beyond its end") {
  const Bytes segment = tcp_segment(kFrom4, kTo4, kSyn, kMssOdd);
  for (std::size_t size = 0; size < segment.size(); ++size) {
    const Bytes cut{segment.begin(), segment.begin() + static_cast<std::ptrdiff_t>(size)};
    CHECK_FALSE(find(ipv4_frame(kTo, kFrom, kFrom4, kTo4, cut, kTcp)));
    CHECK_FALSE(find(ipv6_frame(kTo, kFrom, kFrom6, kTo6, kTcp, cut)));
  }
  Bytes short_offset = segment;
  short_offset[12] = 0x40;
  CHECK_FALSE(find(ipv4_frame(kTo, kFrom, kFrom4, kTo4, short_offset, kTcp)));
}

}  // namespace
}  // namespace rove
