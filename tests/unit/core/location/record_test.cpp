#include <doctest/doctest.h>

#include "core/base/endpoint_codec.h"
#include "core/crypto/hash.h"
#include "core/location/claim.h"
#include "core/location/node_record.h"
#include "core/location/record.h"
#include "tests/support/test_network.h"

using namespace rove;

namespace {

// A node of its own, so that the octets below depend on nothing but Ed25519 and the layout.
struct Fixture {
  SigningSeed seed{[] {
    std::array<std::uint8_t, 32> raw{};
    raw.fill(7);
    return raw;
  }()};
  NodeKey key = node_key_of(seed);
  NetworkId network = NetworkId::from_bytes(from_hex("000102030405060708090a0b0c0d0e0f"));

  Claim claim() const {
    Claim claim;
    claim.mac = mac_of("02:00:5e:10:00:01");
    claim.ips = {ip_of("fd77::5"), ip_of("10.77.0.5")};
    claim.owner = key;
    claim.sequence = 0x0102030405060708;
    claim.not_after = kTestNow;
    return claim;
  }

  NodeRecord record() const {
    NodeRecord record;
    record.node = key;
    record.endpoints = {endpoint_of("203.0.113.7:7683"), endpoint_of("[2001:db8::1]:7683")};
    record.sequence = 0x0102030405060708;
    record.not_after = kTestNow;
    return record;
  }

  // A body signed as a claim, whatever it says.
  Bytes sign_body(const Bytes& body) const { return sign_record("rove claim", network, body, seed); }
};

// Where things stand in the body of claim() and in its encoding.
constexpr std::size_t kHeadSize = 3;
constexpr std::size_t kStateAt = 1;
constexpr std::size_t kMacAt = 2;
constexpr std::size_t kCountsAt = 8;
constexpr std::size_t kIpsAt = 9;

Bytes body_of(const SignedClaim& claim) {
  const auto parts = split_record(claim.encoded);
  REQUIRE(parts);
  return {parts->body.begin(), parts->body.end()};
}

std::error_code error_of(const Result<SignedClaim>& result) {
  return result ? std::error_code{} : result.error();
}

}  // namespace

TEST_CASE("claim: one with an IPv4 and an IPv6 address has 146 octets, as documented") {
  const Fixture f;

  const SignedClaim claim = sign_claim(f.claim(), f.network, f.seed);

  CHECK(claim.encoded.size() == 146);
  CHECK(to_hex(body_of(claim)) ==
        "0101"
        "02005e100001"
        "11"
        "0a4d0005"
        "fd770000000000000000000000000005"
        "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
        "0102030405060708"
        "0000019b76daa800");
  CHECK(to_hex(BytesView{claim.encoded}.first(kHeadSize)) == "92c44d");
  // openssl pkeyutl -sign -rawin, over "rove claim" ‖ network id ‖ body
  CHECK(to_hex(BytesView{claim.encoded}.subspan(kHeadSize + 77)) ==
        "c440"
        "cc73fcd82fe9374628a8c1e1c64bc9cf68d4f4bd3e046761e17b9b6b4c39b4bd"
        "94767983c86a9c3fe5e591d207821093036b5683ae8ad2928dd37be579d5ce02");
}

TEST_CASE("claim: decoding gives back what was signed, with its addresses sorted and unique") {
  const Fixture f;
  Claim claim = f.claim();
  claim.ips.push_back(ip_of("10.77.0.5"));
  claim.ips.push_back(ip_of("10.77.0.4"));

  const SignedClaim signed_claim = sign_claim(claim, f.network, f.seed);
  const auto decoded = decode_claim(signed_claim.encoded, f.network);

  REQUIRE(decoded);
  CHECK(decoded->claim == signed_claim.claim);
  CHECK(decoded->claim.ips == std::vector{ip_of("10.77.0.4"), ip_of("10.77.0.5"), ip_of("fd77::5")});
  CHECK(decoded->encoded == signed_claim.encoded);
  CHECK(decoded->id == record_id_of(signed_claim.encoded));
}

TEST_CASE("claim: the largest has 15 addresses of each family and fits a record") {
  const Fixture f;
  Claim claim = f.claim();
  claim.ips.clear();
  for (std::uint8_t i = 1; i <= kClaimAddressesMax; ++i) {
    claim.ips.push_back(ip_of("10.77.0." + std::to_string(i)));
    claim.ips.push_back(ip_of("fd77::" + std::to_string(i)));
  }

  const SignedClaim signed_claim = sign_claim(claim, f.network, f.seed);

  CHECK(signed_claim.encoded.size() <= kRecordSizeMax);
  CHECK(signed_claim.encoded[1] == 0xc5);  // bin 16
  const auto decoded = decode_claim(signed_claim.encoded, f.network);
  REQUIRE(decoded);
  CHECK(decoded->claim == signed_claim.claim);
}

TEST_CASE("claim: no shorter prefix, and nothing longer, decodes") {
  const Fixture f;
  const Bytes encoded = sign_claim(f.claim(), f.network, f.seed).encoded;

  for (std::size_t size = 0; size < encoded.size(); ++size) {
    CHECK(error_of(decode_claim(BytesView{encoded}.first(size), f.network)) == Error::Truncated);
  }
  Bytes longer = encoded;
  longer.push_back(0);
  CHECK(error_of(decode_claim(longer, f.network)) == Error::Malformed);
  longer.resize(kRecordSizeMax + 1);
  CHECK(error_of(decode_claim(longer, f.network)) == Error::TooLarge);
}

TEST_CASE("claim: every changed bit is noticed") {
  const Fixture f;
  const Bytes encoded = sign_claim(f.claim(), f.network, f.seed).encoded;

  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    Bytes changed = encoded;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    CHECK_FALSE(decode_claim(changed, f.network));
  }
}

TEST_CASE("claim: a signature counts for its network, its kind of record and its key only") {
  const Fixture f;
  const SignedClaim claim = sign_claim(f.claim(), f.network, f.seed);

  SUBCASE("another network") {
    const NetworkId other = NetworkId::from_bytes(from_hex("ff0102030405060708090a0b0c0d0e0f"));
    CHECK(error_of(decode_claim(claim.encoded, other)) == Error::BadSignature);
  }
  SUBCASE("another kind of record") {
    const Bytes encoded = sign_record("rove node", f.network, body_of(claim), f.seed);
    CHECK(error_of(decode_claim(encoded, f.network)) == Error::BadSignature);
  }
  SUBCASE("another key") {
    SeededRandom random{1};
    const Bytes encoded = sign_record("rove claim", f.network, body_of(claim), SigningSeed::generate(random));
    CHECK(error_of(decode_claim(encoded, f.network)) == Error::BadSignature);
  }
}

TEST_CASE("claim: a body that breaks a rule is refused although its signature is right") {
  const Fixture f;
  Bytes body = body_of(sign_claim(f.claim(), f.network, f.seed));

  Error expected = Error::Malformed;
  SUBCASE("version") {
    body[0] = 2;
    expected = Error::UnknownVersion;
  }
  SUBCASE("state zero") {
    body[kStateAt] = 0;
  }
  SUBCASE("state three") {
    body[kStateAt] = 3;
  }
  SUBCASE("group MAC") {
    body[kMacAt] = 0x03;
  }
  SUBCASE("zero MAC") {
    std::fill_n(body.begin() + kMacAt, 6, std::uint8_t{0});
  }
  SUBCASE("fewer addresses than counted") {
    body[kCountsAt] = 0x21;
    expected = Error::Truncated;
  }
  SUBCASE("more addresses than counted") {
    body[kCountsAt] = 0x01;
  }
  SUBCASE("unspecified IPv4") {
    std::fill_n(body.begin() + kIpsAt, 4, std::uint8_t{0});
  }
  SUBCASE("loopback IPv4") {
    body[kIpsAt] = 127;
  }
  SUBCASE("multicast IPv4") {
    body[kIpsAt] = 224;
  }
  SUBCASE("multicast IPv6") {
    body[kIpsAt + 4] = 0xff;
  }
  SUBCASE("not_after after the year 9999") {
    body[body.size() - 8] = 1;
  }
  SUBCASE("trailing octet") {
    body.push_back(0);
  }

  CHECK(error_of(decode_claim(f.sign_body(body), f.network)) == expected);
}

TEST_CASE("claim: addresses out of order or doubled are refused") {
  const Fixture f;
  Claim claim = f.claim();
  claim.ips = {ip_of("10.77.0.1"), ip_of("10.77.0.2")};
  Bytes body = body_of(sign_claim(claim, f.network, f.seed));
  REQUIRE(decode_claim(f.sign_body(body), f.network));

  SUBCASE("doubled") {
    body[kIpsAt + 7] = 1;
  }
  SUBCASE("out of order") {
    body[kIpsAt + 3] = 3;
  }

  CHECK(error_of(decode_claim(f.sign_body(body), f.network)) == Error::Malformed);
}

TEST_CASE("record: any other msgpack of the same values is refused") {
  const Fixture f;
  const Bytes encoded = sign_claim(f.claim(), f.network, f.seed).encoded;

  SUBCASE("array 16") {
    Bytes other{0xdc, 0x00, 0x02};
    other.insert(other.end(), encoded.begin() + 1, encoded.end());
    CHECK(error_of(decode_claim(other, f.network)) == Error::Malformed);
  }
  SUBCASE("bin 16 for what fits bin 8") {
    Bytes other{0x92, 0xc5, 0x00, 77};
    other.insert(other.end(), encoded.begin() + kHeadSize, encoded.end());
    CHECK(error_of(decode_claim(other, f.network)) == Error::Malformed);
  }
  SUBCASE("str instead of bin") {
    Bytes other = encoded;
    other[1] = 0xd9;
    CHECK(error_of(decode_claim(other, f.network)) == Error::Malformed);
  }
  SUBCASE("a signature of another length") {
    Bytes other = encoded;
    other[kHeadSize + 78] = 63;
    other.pop_back();
    CHECK(error_of(decode_claim(other, f.network)) == Error::Malformed);
  }
  SUBCASE("the six octets that make msgpack-c allocate 64 GiB") {
    CHECK(error_of(decode_claim(from_hex("dd9190dddddd"), f.network)) == Error::Malformed);
  }
}

TEST_CASE("record: garbage never decodes and never crashes") {
  const Fixture f;
  SeededRandom random{20};

  for (int i = 0; i < 20'000; ++i) {
    Bytes garbage(random.below(200));
    random.fill(garbage);
    if (garbage.size() > 3 && i % 2 == 0) {
      garbage[0] = 0x92;
      garbage[1] = 0xc4;
      garbage[2] = static_cast<std::uint8_t>(garbage.size() > 69 ? garbage.size() - 69 : 0);
    }
    CHECK_FALSE(decode_claim(garbage, f.network));
    CHECK_FALSE(decode_node_record(garbage, f.network));
  }
}

TEST_CASE("claim: the order of precedence is sequence, owner, not_after, then state and addresses") {
  const Fixture f;
  const Claim claim = f.claim();
  const auto changed = [&claim](auto change) {
    Claim other = claim;
    change(other);
    return other;
  };
  const Claim newer = changed([](Claim& c) { c.sequence += 1; });
  const Claim other_owner = changed([](Claim& c) { c.owner.octets[0] = 0xff; });
  const Claim refreshed = changed([](Claim& c) { c.not_after += std::chrono::milliseconds{1}; });
  const Claim gone = changed([](Claim& c) { c.state = ClaimState::Gone; });

  const std::vector<Claim> ascending{claim, gone, refreshed, other_owner, newer};

  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) CHECK(supersedes(ascending[i], ascending[j]) == (i > j));
  }
}

TEST_CASE("node record: the layout is as documented") {
  const Fixture f;

  const SignedNodeRecord record = sign_node_record(f.record(), f.network, f.seed);

  const auto parts = split_record(record.encoded);
  REQUIRE(parts);
  CHECK(to_hex(parts->body) ==
        "0100"
        "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
        "0102030405060708"
        "0000019b76daa800"
        "02"
        "04cb0071071e03"
        "0620010db80000000000000000000000011e03");
  CHECK(to_hex(parts->signature) ==
        "85edec5d995ab0f91d90fd2c8d1cd364613c9bb6d25f57af381c69945331eb22"
        "a74902a9b7283dffc3a50af17977b75f0dd9a4fe5111213c0337aa65dd8e8705");
}

TEST_CASE("node record: decoding gives back what was signed, the best endpoint first") {
  const Fixture f;
  NodeRecord record = f.record();
  std::swap(record.endpoints[0], record.endpoints[1]);

  const auto decoded = decode_node_record(sign_node_record(record, f.network, f.seed).encoded, f.network);

  REQUIRE(decoded);
  CHECK(decoded->record == record);
}

TEST_CASE("node record: no shorter prefix decodes, and every changed bit is noticed") {
  const Fixture f;
  const Bytes encoded = sign_node_record(f.record(), f.network, f.seed).encoded;

  for (std::size_t size = 0; size < encoded.size(); ++size) {
    const auto decoded = decode_node_record(BytesView{encoded}.first(size), f.network);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error() == Error::Truncated);
  }
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    Bytes changed = encoded;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1U << bit % 8);
    CHECK_FALSE(decode_node_record(changed, f.network));
  }
}

TEST_CASE("node record: a body that breaks a rule is refused although its signature is right") {
  constexpr std::size_t kRecordFlagsAt = 1;
  constexpr std::size_t kCountAt = 50;
  const Fixture f;
  const Bytes encoded = sign_node_record(f.record(), f.network, f.seed).encoded;
  const auto parts = split_record(encoded);
  REQUIRE(parts);
  Bytes body{parts->body.begin(), parts->body.end()};

  Error expected = Error::Malformed;
  SUBCASE("version") {
    body[0] = 0;
    expected = Error::UnknownVersion;
  }
  SUBCASE("flags") {
    body[kRecordFlagsAt] = 1;
  }
  SUBCASE("nine endpoints") {
    body[kCountAt] = 9;
    expected = Error::TooLarge;
  }
  SUBCASE("an endpoint that is none") {
    body[kCountAt + 1] = 0;
  }
  SUBCASE("port zero") {
    body[kCountAt + 6] = 0;
    body[kCountAt + 7] = 0;
  }
  SUBCASE("one more endpoint than counted") {
    body[kCountAt] = 1;
  }
  SUBCASE("one less endpoint than counted") {
    body[kCountAt] = 3;
    expected = Error::Truncated;
  }

  const auto decoded = decode_node_record(sign_record("rove node", f.network, body, f.seed), f.network);
  REQUIRE_FALSE(decoded);
  CHECK(decoded.error() == expected);
}

TEST_CASE("node record: the higher sequence supersedes, then the later not_after") {
  const Fixture f;
  const NodeRecord record = f.record();
  NodeRecord newer = record;
  newer.sequence += 1;
  newer.not_after -= std::chrono::hours{1};
  NodeRecord refreshed = record;
  refreshed.not_after += std::chrono::hours{1};

  CHECK(supersedes(newer, refreshed));
  CHECK(supersedes(refreshed, record));
  CHECK_FALSE(supersedes(record, refreshed));
  CHECK_FALSE(supersedes(record, record));
}
