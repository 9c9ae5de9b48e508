#include "core/wire/handshake_payload.h"

#include <doctest/doctest.h>

#include <ostream>

#include "tests/support/seeded_random.h"

namespace rove {
namespace {

HandshakePayload sample() {
  HandshakePayload payload;
  payload.features = 0x11223344;
  payload.session.value = 0xa1a2a3a4;
  payload.timestamp = {0x40, 0, 0, 0, 0x68, 1, 2, 3, 0x0a, 0x0b, 0x0c, 0x0d};
  payload.aeads = 3;
  payload.mtu = 1400;
  payload.observed = parse_endpoint("203.0.113.7:7683", 0);
  payload.certificate = {0x30, 0x01, 0x02};
  payload.node_record = {0x92, 0xc4};
  return payload;
}

const char* const kGolden =
    "0101"
    "11223344"
    "a1a2a3a4"
    "4000000068010203"
    "0a0b0c0d"
    "03"
    "0578"
    "04cb0071071e03"
    "0003300102"
    "000292c4";

// Offsets into the golden bytes.
constexpr std::size_t kSessionAt = 6;
constexpr std::size_t kAeadsAt = 22;
constexpr std::size_t kCertificateSizeAt = 32;
constexpr std::size_t kRecordSizeAt = 37;

void check_refused(const Bytes& bytes, Error error) {
  const Result<HandshakePayload> decoded = decode_handshake_payload(bytes);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error() == error);
}

TEST_CASE("HandshakePayload: has the documented bytes") {
  CHECK(to_hex(encode(sample())) == kGolden);
}

TEST_CASE("HandshakePayload: what was encoded decodes to the same") {
  HandshakePayload bare = sample();
  bare.observed.reset();
  bare.certificate.clear();
  bare.node_record.clear();
  HandshakePayload full = sample();
  full.certificate.assign(kHandshakeCertificateMax, 7);
  full.node_record.assign(kHandshakeRecordMax, 8);

  for (const HandshakePayload& payload : {sample(), bare, full}) {
    const Result<HandshakePayload> decoded = decode_handshake_payload(encode(payload));
    REQUIRE(decoded);
    CHECK(*decoded == payload);
  }
}

TEST_CASE("HandshakePayload: every shorter prefix is truncated, a longer input malformed") {
  Bytes bytes = from_hex(kGolden);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    check_refused({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}, Error::Truncated);
  }
  bytes.push_back(0);
  check_refused(bytes, Error::Malformed);
}

TEST_CASE("HandshakePayload: session 0, versions in the wrong order and sets of AEADs nobody knows are malformed") {
  Bytes zero_session = from_hex(kGolden);
  std::fill_n(zero_session.begin() + kSessionAt, 4, std::uint8_t{0});
  Bytes wrong_order = from_hex(kGolden);
  wrong_order[0] = 2;
  Bytes no_aead = from_hex(kGolden);
  no_aead[kAeadsAt] = 0;
  Bytes unknown_aead = from_hex(kGolden);
  unknown_aead[kAeadsAt] = 5;

  for (const Bytes& bytes : {zero_session, wrong_order, no_aead, unknown_aead}) check_refused(bytes, Error::Malformed);
}

TEST_CASE("HandshakePayload: a certificate or node record over its limit is too large before it is read") {
  Bytes certificate = from_hex(kGolden);
  store_be(certificate.data() + kCertificateSizeAt, static_cast<std::uint16_t>(kHandshakeCertificateMax + 1));
  Bytes record = from_hex(kGolden);
  store_be(record.data() + kRecordSizeAt, static_cast<std::uint16_t>(kHandshakeRecordMax + 1));

  check_refused(certificate, Error::TooLarge);
  check_refused(record, Error::TooLarge);
}

TEST_CASE("HandshakePayload: garbage does not crash, and what decodes encodes to the same bytes") {
  SeededRandom random{11};
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = from_hex(kGolden);
    for (int i = 0; i < 3; ++i) bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u32());
    const Result<HandshakePayload> decoded = decode_handshake_payload(bytes);
    if (decoded) CHECK(encode(*decoded) == bytes);
  }
}

}  // namespace
}  // namespace rove
