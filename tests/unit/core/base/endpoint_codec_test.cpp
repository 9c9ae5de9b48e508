#include "core/base/endpoint_codec.h"

#include <doctest/doctest.h>

#include <ostream>

namespace rove {
namespace {

Bytes written(const std::optional<Endpoint>& endpoint) {
  Bytes out;
  Writer writer{out};
  write_endpoint(writer, endpoint);
  return out;
}

Result<std::optional<Endpoint>> read_all(BytesView bytes) {
  Reader reader{bytes};
  return read_endpoint(reader);
}

const char* const kV4 = "04cb0071071e03";                          // 203.0.113.7:7683
const char* const kV6 = "0620010db80000000000000000000000011e03";  // [2001:db8::1]:7683

TEST_CASE("Endpoint codec: IPv4, IPv6 and none have the documented bytes") {
  CHECK(to_hex(written(parse_endpoint("203.0.113.7:7683", 0))) == kV4);
  CHECK(to_hex(written(parse_endpoint("[2001:db8::1]:7683", 0))) == kV6);
  CHECK(to_hex(written(std::nullopt)) == "00");
}

TEST_CASE("Endpoint codec: what was written reads back, and the reader stands behind it") {
  for (const char* text : {"203.0.113.7:7683", "[2001:db8::1]:1"}) {
    const std::optional<Endpoint> endpoint = parse_endpoint(text, 0);
    Bytes bytes = written(endpoint);
    CHECK(bytes.size() == encoded_size(endpoint));
    bytes.push_back(0xaa);

    Reader reader{bytes};
    const auto read = read_endpoint(reader);

    REQUIRE(read);
    CHECK(*read == endpoint);
    CHECK(reader.rest().size() == 1);
  }
  CHECK(encoded_size(std::optional<Endpoint>{}) == 1);
  CHECK_FALSE(read_all(from_hex("00"))->has_value());
}

TEST_CASE("Endpoint codec: every shorter prefix is truncated") {
  for (const char* hex : {kV4, kV6}) {
    const Bytes bytes = from_hex(hex);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto read = read_all(BytesView{bytes}.first(size));
      REQUIRE_FALSE(read);
      CHECK(read.error() == Error::Truncated);
    }
  }
}

TEST_CASE("Endpoint codec: unknown families and addresses that nobody can be reached at are malformed") {
  for (const char* hex : {
           "01cb0071071e03",                          // family
           "04cb0071070000",                          // port 0
           "04000000001e03",                          // unspecified
           "04e00000011e03",                          // multicast
           "04ffffffff1e03",                          // broadcast
           "06000000000000000000000000000000001e03",  // unspecified
           "06ff0200000000000000000000000000011e03",  // multicast
       }) {
    CAPTURE(hex);
    const auto read = read_all(from_hex(hex));
    REQUIRE_FALSE(read);
    CHECK(read.error() == Error::Malformed);
  }
}

TEST_CASE("Endpoint codec: an endpoint that a receiver would refuse is written as none") {
  const Endpoint no_port{*parse_ip("203.0.113.7"), 0};

  CHECK(to_hex(written(no_port)) == "00");
  CHECK(encoded_size(std::optional<Endpoint>{no_port}) == 1);
}

}  // namespace
}  // namespace rove
