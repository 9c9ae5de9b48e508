#include "core/peer/handshake_message.h"

#include <doctest/doctest.h>

#include "core/crypto/noise.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

const Bytes kNoise1(NoiseInitiator::kOverhead1, 0xa1);
const Bytes kNoise2(NoiseResponder::kOverhead2, 0xa2);
constexpr HandshakeCookie kCookie{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

TEST_CASE("InitMessage: its layout is the documented one, with and without a cookie") {
  const Bytes bare = encode(InitMessage{SessionIndex{0x01020304}, std::nullopt, kNoise1});
  const Bytes with_cookie = encode(InitMessage{SessionIndex{0x01020304}, kCookie, kNoise1});

  CHECK(to_hex(bare) ==
        "01020304"
        "00" +
            to_hex(kNoise1));
  CHECK(to_hex(with_cookie) ==
        "01020304"
        "10"
        "000102030405060708090a0b0c0d0e0f" +
            to_hex(kNoise1));
  const auto decoded = decode_init(with_cookie);
  REQUIRE(decoded);
  CHECK(decoded->initiator == SessionIndex{0x01020304});
  CHECK(decoded->cookie == kCookie);
  CHECK(to_hex(decoded->noise) == to_hex(kNoise1));
  REQUIRE(decode_init(bare));
  CHECK_FALSE(decode_init(bare)->cookie);
}

TEST_CASE("ResponseMessage and CookieMessage: their layout is the documented one") {
  const Bytes response = encode(ResponseMessage{SessionIndex{0x01020304}, kNoise2});
  const Bytes cookie = encode(CookieMessage{SessionIndex{0x01020304}, kCookie});

  CHECK(to_hex(response) == "01020304" + to_hex(kNoise2));
  CHECK(to_hex(cookie) ==
        "01020304"
        "000102030405060708090a0b0c0d0e0f");
  REQUIRE(decode_response(response));
  CHECK(to_hex(decode_response(response)->noise) == to_hex(kNoise2));
  REQUIRE(decode_cookie(cookie));
  CHECK(decode_cookie(cookie)->cookie == kCookie);
}

TEST_CASE("Handshake messages: every shorter prefix of the shortest is refused") {
  const Bytes init = encode(InitMessage{SessionIndex{1}, kCookie, kNoise1});
  const Bytes response = encode(ResponseMessage{SessionIndex{1}, kNoise2});
  const Bytes cookie = encode(CookieMessage{SessionIndex{1}, kCookie});

  for (std::size_t size = 0; size < init.size(); ++size) CHECK_FALSE(decode_init(BytesView{init}.first(size)));
  for (std::size_t size = 0; size < response.size(); ++size) {
    CHECK_FALSE(decode_response(BytesView{response}.first(size)));
  }
  for (std::size_t size = 0; size < cookie.size(); ++size) CHECK_FALSE(decode_cookie(BytesView{cookie}.first(size)));
}

TEST_CASE("Handshake messages: index 0, other cookie sizes, oversize and trailing octets are refused") {
  Bytes init = encode(InitMessage{SessionIndex{1}, kCookie, kNoise1});
  init[4] = 15;
  Bytes trailing = encode(CookieMessage{SessionIndex{1}, kCookie});
  trailing.push_back(0);
  const Bytes huge(NoiseInitiator::kOverhead1 + 2048 + 600 + 49 + 1);

  CHECK(decode_init(init).error() == Error::Malformed);
  CHECK(decode_cookie(trailing).error() == Error::Malformed);
  CHECK(decode_init(encode(InitMessage{SessionIndex{0}, std::nullopt, kNoise1})).error() == Error::Malformed);
  CHECK(decode_response(encode(ResponseMessage{SessionIndex{0}, kNoise2})).error() == Error::Malformed);
  CHECK(decode_cookie(encode(CookieMessage{SessionIndex{0}, kCookie})).error() == Error::Malformed);
  CHECK(decode_init(encode(InitMessage{SessionIndex{1}, std::nullopt, huge})).error() == Error::TooLarge);
  CHECK(decode_response(encode(ResponseMessage{SessionIndex{1}, huge})).error() == Error::TooLarge);
}

TEST_CASE("Handshake messages: random octets are decoded or refused, never more") {
  SeededRandom random{7};
  std::size_t decoded = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes garbage(random.below(300));
    random.fill(garbage);
    if (garbage.size() > 4) garbage[4] = static_cast<std::uint8_t>(random.below(2) * 16);
    if (const auto init = decode_init(garbage)) {
      CHECK(init->noise.size() >= NoiseInitiator::kOverhead1);
      ++decoded;
    }
    if (const auto response = decode_response(garbage)) CHECK(response->noise.size() == garbage.size() - 4);
    static_cast<void>(decode_cookie(garbage));  // only that it returns
  }
  CHECK(decoded > 0);
}

}  // namespace
}  // namespace rove
