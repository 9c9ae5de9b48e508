#include "core/wire/marker.h"

#include <doctest/doctest.h>

#include <ostream>

#include "core/wire/header.h"

namespace rove {
namespace {

Marker example() {
  Marker marker{MarkerKind::PathSwitch, {{2, 0, 0, 0, 0, 7}}, {}};
  marker.origin.octets.fill(0xab);
  return marker;
}

TEST_CASE("Marker: what was encoded comes back") {
  const Bytes encoded = encode_marker(example());

  CHECK(encoded.size() == kMarkerSize);
  const auto decoded = decode_marker(encoded);
  REQUIRE(decoded);
  CHECK(*decoded == example());
}

TEST_CASE("Marker: one that is cut, too long or of no known kind is refused") {
  Bytes encoded = encode_marker(example());
  CHECK(decode_marker(BytesView{encoded}.first(kMarkerSize - 1)).error() == Error::Truncated);
  encoded[0] = 0;
  CHECK(decode_marker(encoded).error() == Error::Unknown);
  encoded[0] = 7;
  CHECK(decode_marker(encoded).error() == Error::Unknown);
  encoded = encode_marker(example());
  encoded.push_back(0);
  CHECK(decode_marker(encoded).error() == Error::Malformed);
}

TEST_CASE("Header: the marker flag stands alone") {
  Header header{.type = DatagramType::Data, .flags = kFlagMarker, .receiver = {7}, .counter = {1, 5}};
  Bytes datagram(kDataOverhead);
  store_header(datagram.data(), header);
  CHECK(parse_header(datagram) == header);

  for (const std::uint8_t other : {kFlagNeedsChecksum, kFlagPacked, kFlagForwarded}) {
    header.flags = kFlagMarker | other;
    store_header(datagram.data(), header);
    CHECK(parse_header(datagram).error() == Error::Malformed);
  }
}

}  // namespace
}  // namespace rove
