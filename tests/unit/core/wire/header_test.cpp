#include "core/wire/header.h"

#include <doctest/doctest.h>

#include <ostream>

namespace rove {
namespace {

Bytes stored(const Header& header) {
  Bytes out(kHeaderSize);
  store_header(out.data(), header);
  return out;
}

constexpr Header kData{
    .type = DatagramType::Data,
    .flags = kFlagForwarded | 0x20,
    .index = 0,
    .receiver = {0x01020304},
    .counter = {.lane = 7, .count = 0x00a0b0c0d0e0f0},
};

TEST_CASE("Header: data has the documented bytes") {
  CHECK(to_hex(stored(kData)) == "01600000010203040700a0b0c0d0e0f0");
}

TEST_CASE("Header: what was stored parses back") {
  const Header control{.type = DatagramType::Control, .receiver = {0xffffffff}, .counter = {0, (1ull << 56) - 1}};
  const Header segment{.flags = kFlagSuperframe | kFlagLast | kFlagNeedsChecksum, .index = 43, .counter = {255, 0}};

  for (const Header& header : {kData, control, segment}) {
    const Result<Header> parsed = parse_header(stored(header));
    REQUIRE(parsed);
    CHECK(*parsed == header);
  }
}

TEST_CASE("Header: octets behind it do not matter, every shorter prefix is truncated") {
  Bytes bytes = stored(kData);
  bytes.resize(100, 0xee);
  CHECK(parse_header(bytes));

  for (std::size_t size = 0; size < kHeaderSize; ++size) {
    const Result<Header> parsed = parse_header(BytesView{bytes}.first(size));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error() == Error::Truncated);
  }
}

TEST_CASE("Header: only data and control have one") {
  Bytes bytes = stored(kData);
  for (unsigned type = 0; type < 256; ++type) {
    bytes[0] = static_cast<std::uint8_t>(type);
    if (type == 1 || type == 2) continue;
    const Result<Header> parsed = parse_header(bytes);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error() == Error::Unknown);
  }
}

TEST_CASE("Header: reserved bits and flags that contradict each other are malformed") {
  struct Case {
    const char* why;
    const char* hex;
  };
  for (const Case& one : {
           Case{"marker with an index", "01800100000000010100000000000000"},
           Case{"marker that was forwarded", "01c00000000000010100000000000000"},
           Case{"reserved octet", "01000001000000010100000000000000"},
           Case{"index without superframe", "01000100000000010100000000000000"},
           Case{"last without superframe", "01040000000000010100000000000000"},
           Case{"packed superframe", "010a0000000000010100000000000000"},
           Case{"packed with the checksum flag of single frames", "01090000000000010100000000000000"},
           Case{"control with flags", "02010000000000010000000000000000"},
           Case{"control with an index", "02000100000000010000000000000000"},
           Case{"data on lane 0", "01000000000000010000000000000000"},
           Case{"control on lane 1", "02000000000000010100000000000000"},
       }) {
    CAPTURE(one.why);
    const Result<Header> parsed = parse_header(from_hex(one.hex));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error() == Error::Malformed);
  }
}

}  // namespace
}  // namespace rove
