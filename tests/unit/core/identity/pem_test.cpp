#include "core/identity/pem.h"

#include <doctest/doctest.h>

#include <ostream>

#include "core/identity/name.h"
#include "tests/support/seeded_random.h"

using namespace rove;

namespace {

std::error_code error_of(std::string_view text) {
  const auto blocks = parse_pem(text);
  return blocks ? std::error_code{} : blocks.error();
}

// One block with this base64 in it.
std::error_code error_of_base64(std::string_view base64) {
  return error_of("-----BEGIN X-----\n" + std::string{base64} + "\n-----END X-----\n");
}

SigningSeed seven() {
  std::array<std::uint8_t, 32> raw{};
  raw.fill(7);
  return SigningSeed{raw};
}

}  // namespace

// RFC 4648 §10
TEST_CASE("PEM: base64 as in the RFC's examples") {
  const std::vector<std::pair<std::string, std::string>> examples{{"f", "Zg=="},         {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, base64] : examples) {
    const std::string pem = "-----BEGIN X-----\n" + base64 + "\n-----END X-----\n";

    CHECK(encode_pem("X", as_bytes(text)) == pem);
    const auto blocks = parse_pem(pem);
    REQUIRE(blocks);
    REQUIRE(blocks->size() == 1);
    CHECK(blocks->front().label == "X");
    CHECK(to_hex(blocks->front().bytes) == to_hex(as_bytes(text)));
  }
}

TEST_CASE("PEM: blocks of every size come back, in lines of 64") {
  SeededRandom random{5};
  std::string text;
  std::vector<Bytes> values;
  for (const std::size_t size : {0, 1, 47, 48, 49, 500}) {
    values.emplace_back(size);
    random.fill(values.back());
    text += encode_pem("SOME DATA", values.back()) + "\n";
  }

  const auto blocks = parse_pem(text);

  REQUIRE(blocks);
  REQUIRE(blocks->size() == values.size());
  for (std::size_t i = 0; i < values.size(); ++i) CHECK((*blocks)[i].bytes == values[i]);
  std::size_t line = 0;
  for (const char c : text) {
    line = c == '\n' ? 0 : line + 1;
    CHECK(line <= 64);
  }
}

TEST_CASE("PEM: lines may end as on other systems, and the last one need not end") {
  CHECK(error_of("-----BEGIN X-----\r\nZm9v\r\n-----END X-----\r\n") == std::error_code{});
  CHECK(error_of("-----BEGIN X-----\nZm9v\n-----END X-----") == std::error_code{});
  CHECK(error_of("") == std::error_code{});
}

TEST_CASE("PEM: everything else is refused") {
  CHECK(error_of("hello") == Error::Malformed);
  CHECK(error_of("-----BEGIN X-----\n") == Error::Truncated);
  CHECK(error_of("-----BEGIN X-----\nZm9v\n") == Error::Truncated);
  CHECK(error_of("-----BEGIN X-----\nZm9v\n-----END Y-----\n") == Error::Malformed);
  CHECK(error_of("-----BEGIN -----\nZm9v\n-----END -----\n") == Error::Malformed);
  CHECK(error_of("-----BEGIN X----\nZm9v\n-----END X-----\n") == Error::Malformed);
  CHECK(error_of("-----BEGIN \nZm9v\n-----END X-----\n") == Error::Malformed);
  CHECK(error_of("-----END X-----\n") == Error::Malformed);
  std::string many;
  for (std::size_t i = 0; i <= kPemBlocksMax; ++i) many += encode_pem("X", {});
  CHECK(error_of(many) == Error::TooLarge);
}

TEST_CASE("PEM: base64 that is not the shortest, or not base64, is refused") {
  CHECK(error_of_base64("Zm9v") == std::error_code{});
  for (const std::string_view base64 :
       {"Zm9", "Z", "Zg=", "Zh==", "Zm9=", "=m9v", "Z===", "====", "Zg==Zm9v", "Zm 9v", "Zm-v", "Zm9v\n\n#"}) {
    CAPTURE(base64);
    CHECK(error_of_base64(base64) == Error::Malformed);
  }
}

// RFC 8410 §10.3
TEST_CASE("private key: the RFC's example is read and written") {
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
      "-----END PRIVATE KEY-----\n";
  const auto blocks = parse_pem(pem);
  REQUIRE(blocks);

  const auto seed = decode_private_key(blocks->front().bytes);

  REQUIRE(seed);
  CHECK(to_hex(seed->expose()) == "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
  CHECK(to_hex(node_key_of(*seed).octets) == "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  CHECK(encode_pem(kPemPrivateKey, encode_private_key(*seed)) == pem);
}

TEST_CASE("private key: any other octets are refused") {
  const Bytes der = encode_private_key(seven());
  for (std::size_t size = 0; size < der.size(); ++size) CHECK_FALSE(decode_private_key(BytesView{der}.first(size)));
  for (std::size_t i = 0; i < 16; ++i) {
    Bytes changed = der;
    changed[i] ^= 1;
    CHECK_FALSE(decode_private_key(changed));
  }
  Bytes longer = der;
  longer.push_back(0);
  CHECK_FALSE(decode_private_key(longer));
}

TEST_CASE("names: lower-case letters, digits and hyphens, at most 63") {
  CHECK(is_valid_name("a"));
  CHECK(is_valid_name("host-07"));
  CHECK(is_valid_name(std::string(63, 'x')));
  for (const std::string& name :
       {std::string{}, std::string(64, 'x'), std::string{"Host"}, std::string{"a.b"}, std::string{"a b"},
        std::string{"a/b"}, std::string{"a_b"}, std::string{"ä"}, std::string{"a\0b", 3}, std::string{"a\n"}}) {
    CHECK_FALSE(is_valid_name(name));
  }
}
