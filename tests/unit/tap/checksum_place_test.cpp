#include "tap/checksum_place.h"

#include <doctest/doctest.h>

#include "core/wire/checksum.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kA = mac_of("02:00:00:00:00:0a");
const MacAddress kB = mac_of("02:00:00:00:00:0b");

Bytes v4(std::uint8_t protocol, std::size_t payload) {
  return ipv4_frame(kB, kA, ip_of("10.77.0.1"), ip_of("10.77.0.2"), Bytes(payload), protocol);
}

Bytes v6(std::uint8_t protocol, std::size_t payload) {
  return ipv6_frame(kB, kA, ip_of("fd00::1"), ip_of("fd00::2"), protocol, Bytes(payload));
}

}  // namespace

TEST_CASE("find_checksum_place: TCP and UDP, IPv4 and IPv6, with and without a VLAN tag") {
  CHECK(find_checksum_place(v4(6, 20)) == ChecksumPlace{34, 16});
  CHECK(find_checksum_place(v4(17, 8)) == ChecksumPlace{34, 6});
  CHECK(find_checksum_place(v6(6, 20)) == ChecksumPlace{54, 16});
  CHECK(find_checksum_place(v6(17, 8)) == ChecksumPlace{54, 6});
  CHECK(find_checksum_place(with_vlan_tag(v4(6, 20), 5)) == ChecksumPlace{38, 16});
}

TEST_CASE("find_checksum_place: IPv4 options move it") {
  Bytes frame = v4(17, 12);
  frame[14] = 0x46;  // one word of options

  CHECK(find_checksum_place(frame) == ChecksumPlace{38, 6});
}

TEST_CASE("find_checksum_place: other protocols, fragments and cut headers have none") {
  Bytes fragment = v4(17, 8);
  fragment[20] = 0x20;  // more fragments

  CHECK_FALSE(find_checksum_place(fragment));
  CHECK_FALSE(find_checksum_place(v4(1, 20)));
  CHECK_FALSE(find_checksum_place(v4(6, 17)));
  CHECK_FALSE(find_checksum_place(v4(17, 7)));
  CHECK_FALSE(find_checksum_place(ethernet_frame(kB, kA, 0x0806, Bytes(46))));
  CHECK_FALSE(find_checksum_place({}));
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
