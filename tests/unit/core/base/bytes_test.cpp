#include "core/base/bytes.h"

#include <doctest/doctest.h>

#include <string>

namespace rove {

TEST_CASE("load_be, store_be: the most significant octet comes first") {
  std::array<std::uint8_t, 8> octets{};

  store_be<std::uint64_t>(octets.data(), 0x0102030405060708);

  CHECK(to_hex(octets) == "0102030405060708");
  CHECK(load_be<std::uint64_t>(octets.data()) == 0x0102030405060708);
  CHECK(load_be<std::uint32_t>(&octets[2]) == 0x03040506);
  CHECK(load_be<std::uint16_t>(&octets[6]) == 0x0708);
  CHECK(load_be<std::uint8_t>(&octets[7]) == 0x08);
  store_be<std::uint8_t>(octets.data(), 0xff);
  CHECK(octets[0] == 0xff);
  CHECK(octets[1] == 2);
}

TEST_CASE("Reader: reads numbers, octets and arrays in order, and knows when it is done") {
  const Bytes bytes = from_hex("01020304aabbcc");
  Reader reader{bytes};

  CHECK(reader.read<std::uint8_t>() == 1);
  CHECK(reader.read<std::uint16_t>() == 0x0203);
  CHECK(to_hex(reader.read_bytes(2)) == "04aa");
  CHECK_FALSE(reader.done());
  CHECK(to_hex(reader.rest()) == "bbcc");
  CHECK(reader.read_array<2>() == std::array<std::uint8_t, 2>{0xbb, 0xcc});

  CHECK(reader.ok());
  CHECK(reader.done());
}

TEST_CASE("Reader: after a read past the end everything is zero, and it never recovers") {
  const Bytes bytes = from_hex("ffffff");
  Reader reader{bytes};

  CHECK(reader.read<std::uint32_t>() == 0);
  CHECK_FALSE(reader.ok());
  CHECK_FALSE(reader.done());
  CHECK(reader.rest().empty());
  CHECK(reader.read<std::uint8_t>() == 0);
  CHECK(reader.read_bytes(1).empty());
  CHECK(reader.read_array<3>() == std::array<std::uint8_t, 3>{});
  CHECK_FALSE(reader.ok());
}

TEST_CASE("Reader: reading nothing from nothing is fine") {
  Reader reader{{}};

  CHECK(reader.read_bytes(0).empty());
  CHECK(reader.done());
  CHECK(reader.read_bytes(~std::size_t{0}).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("Writer: appends big-endian to what is there") {
  Bytes out = from_hex("aa");
  Writer writer{out};

  writer.write(std::uint16_t{0x0102});
  writer.write_bytes(from_hex("bbcc"));
  writer.write(std::uint32_t{3});

  CHECK(to_hex(out) == "aa0102bbcc00000003");
}

TEST_CASE("to_hex, from_hex: a round trip, in either case, and nothing from what is no hex") {
  const Bytes bytes = from_hex("00ff7fA5");

  CHECK(bytes == Bytes{0x00, 0xff, 0x7f, 0xa5});
  CHECK(to_hex(bytes) == "00ff7fa5");
  CHECK(to_hex({}).empty());
  for (const char* wrong : {"", "0", "0g", "g0", " 0", "0x", "000"}) CHECK(from_hex(wrong).empty());
}

TEST_CASE("as_bytes: the octets of a text") {
  CHECK(to_hex(as_bytes("rove")) == "726f7665");
}

}  // namespace rove
