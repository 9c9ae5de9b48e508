#include "core/wire/transport.h"

#include <doctest/doctest.h>

#include "core/wire/checksum.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kA = mac_of("02:00:00:00:00:0a");
const MacAddress kB = mac_of("02:00:00:00:00:0b");

constexpr auto kTcp = TransportProtocol::Tcp;
constexpr auto kUdp = TransportProtocol::Udp;

// A TCP header without options says so in its 13th octet.
Bytes payload_of(std::uint8_t protocol, std::size_t size) {
  Bytes payload(size);
  if (protocol == 6 && size > 12) payload[12] = 0x50;
  return payload;
}

Bytes v4(std::uint8_t protocol, std::size_t size) {
  return ipv4_frame(kB, kA, ip_of("10.77.0.1"), ip_of("10.77.0.2"), payload_of(protocol, size), protocol);
}

Bytes v6(std::uint8_t protocol, std::size_t size) {
  return ipv6_frame(kB, kA, ip_of("fd00::1"), ip_of("fd00::2"), protocol, payload_of(protocol, size));
}

}  // namespace

TEST_CASE("find_transport: TCP and UDP, IPv4 and IPv6, with and without a VLAN tag") {
  CHECK(find_transport(v4(6, 20)) == TransportPlace{kTcp, true, 14, 34, 54});
  CHECK(find_transport(v4(17, 8)) == TransportPlace{kUdp, true, 14, 34, 42});
  CHECK(find_transport(v6(6, 20)) == TransportPlace{kTcp, false, 14, 54, 74});
  CHECK(find_transport(v6(17, 8)) == TransportPlace{kUdp, false, 14, 54, 62});
  CHECK(find_transport(with_vlan_tag(v4(6, 20), 5)) == TransportPlace{kTcp, true, 18, 38, 58});
  CHECK(TransportPlace{kTcp, true, 14, 34, 54}.checksum_at() == 50);
  CHECK(TransportPlace{kUdp, true, 14, 34, 42}.checksum_at() == 40);
}

TEST_CASE("find_transport: options of IPv4 and TCP move what comes behind them") {
  Bytes frame = v4(17, 12);
  frame[14] = 0x46;  // one word of options
  Bytes segment = v4(6, 32);
  segment[46] = 0x80;  // three words of options

  CHECK(find_transport(frame) == TransportPlace{kUdp, true, 14, 38, 46});
  CHECK(find_transport(segment) == TransportPlace{kTcp, true, 14, 34, 66});
}

TEST_CASE("find_transport: other protocols, fragments and cut headers have none") {
  Bytes fragment = v4(17, 8);
  fragment[20] = 0x20;  // more fragments
  Bytes long_header = v4(6, 20);
  long_header[46] = 0x60;
  Bytes short_header = v4(6, 20);
  short_header[46] = 0x40;

  CHECK_FALSE(find_transport(fragment));
  CHECK_FALSE(find_transport(long_header));
  CHECK_FALSE(find_transport(short_header));
  CHECK_FALSE(find_transport(v4(1, 20)));
  CHECK_FALSE(find_transport(v4(6, 17)));
  CHECK_FALSE(find_transport(v4(17, 7)));
  CHECK_FALSE(find_transport(ethernet_frame(kB, kA, 0x0806, Bytes(46))));
  CHECK_FALSE(find_transport({}));
}

TEST_CASE("complete_checksum: a receiver's sum over pseudo-header and packet comes out right") {
  Bytes frame = v4(17, 12);  // ports and data are zero
  frame[45] = 0x21;
  // What stands there beforehand is the sum of the pseudo-header (Linux, CHECKSUM_PARTIAL).
  const Bytes pseudo{10, 77, 0, 1, 10, 77, 0, 2, 0, 17, 0, 12};
  const auto partial = static_cast<std::uint16_t>(~internet_checksum({pseudo}));
  store_be(&frame[40], partial);

  REQUIRE(complete_checksum(frame));
  CHECK(internet_checksum({pseudo, BytesView{frame}.subspan(34)}) == 0);
  CHECK(frame[40] + frame[41] != 0);

  Bytes other = v4(1, 20);
  CHECK_FALSE(complete_checksum(other));
}

}  // namespace rove
