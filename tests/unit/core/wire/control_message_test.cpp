#include "core/wire/control_message.h"

#include <doctest/doctest.h>

#include <ostream>

#include "tests/support/seeded_random.h"

namespace rove {
namespace {

struct Golden {
  const char* name;
  ControlMessage message;
  const char* hex;
};

std::vector<Golden> goldens() {
  const NodeId node = NodeId::from_bytes(from_hex("000102030405060708090a0b0c0d0e0f"));
  const RecordId first = RecordId::from_bytes(from_hex("1111111111111111"));
  const RecordId second = RecordId::from_bytes(from_hex("2222222222222222"));
  const VmAddress mac = *parse_vm_address("02:00:5e:10:00:01");
  return {
      {"ping", PingMessage{0x0102030405060708},
       "01"
       "0008"
       "0102030405060708"},
      {"pong", PongMessage{1, parse_endpoint("203.0.113.7:7683", 0)},
       "02"
       "000f"
       "0000000000000001"
       "04cb0071071e03"},
      {"pong that saw nothing", PongMessage{1, std::nullopt},
       "02"
       "0009"
       "0000000000000001"
       "00"},
      {"claims", ClaimsMessage{{{0x92}, {0x93, 0x94}}},
       "03"
       "0008"
       "02"
       "000192"
       "00029394"},
      {"claim-ack", ClaimAckMessage{{first, second}},
       "04"
       "0011"
       "02"
       "1111111111111111"
       "2222222222222222"},
      {"claim-request by MAC", ClaimRequestMessage{mac},
       "05"
       "0007"
       "01"
       "02005e100001"},
      {"claim-request by IPv4", ClaimRequestMessage{*parse_vm_address("10.77.0.5")},
       "05"
       "0005"
       "02"
       "0a4d0005"},
      {"claim-none by IPv6", ClaimNoneMessage{*parse_vm_address("fd00::5")},
       "06"
       "0011"
       "03"
       "fd000000000000000000000000000005"},
      {"node-records", NodeRecordsMessage{{{0x92}}},
       "07"
       "0004"
       "01"
       "000192"},
      {"certificate-request", CertificateRequestMessage{node},
       "08"
       "0010"
       "000102030405060708090a0b0c0d0e0f"},
      {"certificate", CertificateMessage{{0x30, 0x00}},
       "09"
       "0004"
       "00023000"},
      {"close", CloseMessage{CloseReason::Revoked},
       "0a"
       "0001"
       "02"},
      {"search", SearchMessage{mac.mac(), {*parse_ip("10.77.0.5"), *parse_ip("fd00::5")}},
       "0b"
       "001d"
       "02005e100001"
       "02"
       "020a4d0005"
       "03fd000000000000000000000000000005"},
      {"conflict-check", ConflictCheckMessage{mac.mac(), 7, ConflictStage::Verdict, 0x0102030405060708},
       "0c"
       "0013"
       "02005e100001"
       "00000007"
       "01"
       "0102030405060708"},
      {"conflict-evidence", ConflictEvidenceMessage{mac.mac(), 7, ConflictStage::Gone, 0x0102030405060708, true},
       "0d"
       "0014"
       "02005e100001"
       "00000007"
       "02"
       "0102030405060708"
       "01"},
      {"prepare", PrepareMessage{mac.mac()},
       "0e"
       "0006"
       "02005e100001"},
      {"correspondents", CorrespondentsMessage{mac.mac(), {NodeId{{1}}, NodeId{{2}}}},
       "0f"
       "0027"
       "02005e100001"
       "02"
       "01000000000000000000000000000000"
       "02000000000000000000000000000000"},
      {"padding", PaddingMessage{3},
       "10"
       "0005"
       "0003"
       "000000"},
      {"no padding", PaddingMessage{0},
       "10"
       "0002"
       "0000"},
      {"search by MAC alone", SearchMessage{mac.mac(), {}},
       "0b"
       "0007"
       "02005e100001"
       "00"},
  };
}

Bytes encoded(const ControlMessage& message) {
  Bytes out;
  encode(message, out);
  return out;
}

void check_refused(const char* hex, Error error) {
  CAPTURE(hex);
  const Result<DecodedControl> decoded = decode_control(from_hex(hex));
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error() == error);
}

TEST_CASE("Control messages: each has the documented bytes and decodes from them") {
  for (const Golden& golden : goldens()) {
    CAPTURE(golden.name);
    CHECK(to_hex(encoded(golden.message)) == golden.hex);
    CHECK(encoded_size(golden.message) == encoded(golden.message).size());

    const Result<DecodedControl> decoded = decode_control(from_hex(golden.hex));
    REQUIRE(decoded);
    REQUIRE(decoded->messages.size() == 1);
    CHECK(decoded->messages[0] == golden.message);
    CHECK(decoded->unknown == 0);
  }
}

TEST_CASE("Control messages: several share a datagram, in order; unknown types are skipped and counted") {
  Bytes plaintext;
  encode(PingMessage{1}, plaintext);
  const Bytes unknown = from_hex(
      "fe0003112233"
      "ff0000");
  plaintext.insert(plaintext.end(), unknown.begin(), unknown.end());
  encode(PingMessage{2}, plaintext);

  const Result<DecodedControl> decoded = decode_control(plaintext);

  REQUIRE(decoded);
  CHECK(decoded->messages == std::vector<ControlMessage>{PingMessage{1}, PingMessage{2}});
  CHECK(decoded->unknown == 2);
}

TEST_CASE("Control messages: an empty datagram holds none") {
  const Result<DecodedControl> decoded = decode_control({});
  REQUIRE(decoded);
  CHECK(decoded->messages.empty());
}

TEST_CASE("Control messages: every shorter prefix of each is truncated") {
  for (const Golden& golden : goldens()) {
    const Bytes bytes = from_hex(golden.hex);
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      CAPTURE(golden.name);
      const Result<DecodedControl> decoded = decode_control(BytesView{bytes}.first(size));
      REQUIRE_FALSE(decoded);
      CHECK(decoded.error() == Error::Truncated);
    }
  }
}

TEST_CASE("Control messages: a body that is shorter or longer than its message is an error for the whole datagram") {
  for (const Golden& golden : goldens()) {
    CAPTURE(golden.name);
    Bytes longer = from_hex(golden.hex);
    longer.push_back(0);
    longer[2] = static_cast<std::uint8_t>(longer[2] + 1);
    const Result<DecodedControl> too_long = decode_control(longer);
    REQUIRE_FALSE(too_long);
    CHECK(too_long.error() == Error::Malformed);

    Bytes shorter = from_hex(golden.hex);
    shorter.pop_back();
    shorter[2] = static_cast<std::uint8_t>(shorter[2] - 1);
    const Result<DecodedControl> too_short = decode_control(shorter);
    REQUIRE_FALSE(too_short);
    CHECK(too_short.error() == Error::Truncated);
  }
}

TEST_CASE("Control messages: values outside the documented ones are refused") {
  check_refused("000000", Error::Malformed);                    // type 0
  check_refused("0a000103", Error::Malformed);                  // close reason
  check_refused("0500070402005e100001", Error::Malformed);      // address kind
  check_refused("040009010000000000000000", Error::Malformed);  // record id 0
  check_refused("030003010000", Error::Malformed);              // an empty record
  check_refused("030003010259", Error::TooLarge);               // a record of 601 octets
  check_refused(
      "0c001302005e1000010000000702"
      "0102030405060708",
      Error::Malformed);  // stage of a check
  check_refused(
      "0d001402005e1000010000000703"
      "010203040506070801",
      Error::Malformed);  // stage of evidence
  check_refused(
      "0d001402005e1000010000000700"
      "010203040506070802",
      Error::Malformed);                                   // alive
  check_refused("0f000702005e10000140", Error::TooLarge);  // 64 correspondents
  check_refused(
      "0f001702005e10000101"
      "00000000000000000000000000000000",
      Error::Malformed);                                                    // a correspondent without an id
  check_refused("02000f000000000000000104cb0071070000", Error::Malformed);  // endpoint with port 0
}

TEST_CASE("Control messages: more plaintext than kControlPlaintextMax is too large") {
  Bytes plaintext;
  while (plaintext.size() + 11 <= kControlPlaintextMax) encode(PingMessage{1}, plaintext);
  CHECK(decode_control(plaintext)->messages.size() == 109);

  encode(PingMessage{1}, plaintext);
  const Result<DecodedControl> decoded = decode_control(plaintext);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error() == Error::TooLarge);
}

TEST_CASE("Control messages: garbage does not crash, and what decodes encodes to the same bytes") {
  SeededRandom random{3};
  const std::vector<Golden> all = goldens();
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = from_hex(all[random.below(all.size())].hex);
    for (int i = 0; i < 2; ++i) bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.u32());
    const Result<DecodedControl> decoded = decode_control(bytes);
    if (!decoded || decoded->unknown != 0) continue;
    Bytes again;
    for (const ControlMessage& message : decoded->messages) encode(message, again);
    CHECK(again == bytes);
  }
}

}  // namespace
}  // namespace rove
