#include "core/crypto/keys.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <concepts>
#include <type_traits>

#include "core/crypto/wiped.h"
#include "tests/support/seeded_random.h"
#include "tests/support/vector_file.h"

namespace rove {
namespace {

template <typename T>
T key_from_hex(std::string_view hex) {
  std::array<std::uint8_t, 32> octets{};
  const Bytes bytes = from_hex(hex);
  REQUIRE(bytes.size() == octets.size());
  std::copy(bytes.begin(), bytes.end(), octets.begin());
  return T{octets};
}

// The points of order 1, 2, 4 and 8 in their canonical and other encodings, as listed by libsodium and by "Taming the
// many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020), table 1.
constexpr const char* kSmallOrderPoints[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

}  // namespace

// ---- secrets ----------------------------------------------------------------------------------

static_assert(!std::is_copy_constructible_v<PskKey> && !std::is_copy_assignable_v<PskKey>);
static_assert(std::is_nothrow_move_constructible_v<PskKey> && std::is_nothrow_move_assignable_v<PskKey>);
static_assert(!std::equality_comparable<PskKey>);
static_assert(!std::is_convertible_v<PskKey, AeadKey> && !std::is_constructible_v<AeadKey, PskKey>);

TEST_CASE("SecretBytes: a secret that was moved from is zero") {
  SeededRandom random{1};
  PskKey key = PskKey::generate(random);
  const auto octets = key.expose();
  const std::array<std::uint8_t, 32> zero{};

  const PskKey constructed = std::move(key);
  CHECK(constructed.expose() == octets);
  CHECK(key.expose() == zero);  // NOLINT(bugprone-use-after-move): the point of the test

  PskKey source = constructed.clone();
  PskKey assigned;
  assigned = std::move(source);
  CHECK(assigned.expose() == octets);
  CHECK(source.expose() == zero);  // NOLINT(bugprone-use-after-move): the point of the test
}

TEST_CASE("SecretBytes: generate draws from the given randomness") {
  SeededRandom one{1};
  SeededRandom same{1};
  SeededRandom other{2};

  const DhSecret key = DhSecret::generate(one);

  CHECK(key.expose() == DhSecret::generate(same).expose());
  CHECK(key.expose() != DhSecret::generate(other).expose());
  CHECK(key.expose() != DhSecret::generate(one).expose());
}

TEST_CASE("wipe: zeroes every octet") {
  Bytes bytes(100, 0xa5);

  wipe(bytes);

  CHECK(bytes == Bytes(100, 0));
}

// ---- Ed25519 ----------------------------------------------------------------------------------

TEST_CASE("sign: gives the signatures of RFC 8032, §7.1") {
  const auto seed = key_from_hex<SigningSeed>("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const Bytes message{0x72};

  const NodeKey key = node_key_of(seed);
  const Signature signature = sign(seed, message);

  CHECK(to_hex(key.octets) == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  CHECK(to_hex(signature) ==
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  CHECK(verify(key, message, signature));
}

TEST_CASE("verify: refuses another message, key or signature") {
  SeededRandom random{3};
  const SigningSeed seed = SigningSeed::generate(random);
  const NodeKey key = node_key_of(seed);
  const Bytes message{1, 2, 3};
  const Signature signature = sign(seed, message);
  REQUIRE(verify(key, message, signature));

  CHECK_FALSE(verify(key, Bytes{1, 2, 4}, signature));
  CHECK_FALSE(verify(key, Bytes{1, 2}, signature));
  CHECK_FALSE(verify(node_key_of(SigningSeed::generate(random)), message, signature));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    CAPTURE(i);
    Signature forged = signature;
    forged[i] = static_cast<std::uint8_t>(forged[i] ^ (1 << i % 8));
    CHECK_FALSE(verify(key, message, forged));
  }
}

TEST_CASE("verify: agrees with Wycheproof's Ed25519 vectors") {
  std::size_t accepted = 0;
  std::size_t refused = 0;
  const auto document = load_vectors("wycheproof_ed25519.json");
  for (const auto& group : document.at("testGroups")) {
    const NodeKey key{hex_array<32>(group.at("publicKey").at("pk"))};
    for (const auto& test : group.at("tests")) {
      CAPTURE(test.at("tcId").get<int>());
      CAPTURE(test.at("comment").get<std::string>());
      const Bytes encoded = hex_bytes(test.at("sig"));
      const bool valid = test.at("result") == "valid";
      Signature signature{};
      if (encoded.size() != signature.size()) {  // does not even have the type
        CHECK_FALSE(valid);
        continue;
      }
      std::copy(encoded.begin(), encoded.end(), signature.begin());

      CHECK(verify(key, hex_bytes(test.at("msg")), signature) == valid);

      ++(valid ? accepted : refused);
    }
  }
  CHECK(accepted > 50);
  CHECK(refused > 30);
}

// With such a key, R = S·B and any S verifies for every message that hashes to a multiple of the order.
TEST_CASE("verify: refuses small-order keys and small-order R") {
  SeededRandom random{4};
  const NodeKey honest = node_key_of(SigningSeed::generate(random));
  for (const char* point : kSmallOrderPoints) {
    CAPTURE(point);
    const auto weak = key_from_hex<NodeKey>(point);
    Signature signature{};  // S = 0, R the point
    std::copy(weak.octets.begin(), weak.octets.end(), signature.begin());
    for (std::uint8_t i = 0; i < 16; ++i) {  // the hash is a multiple of 8 for one message in 8
      CHECK_FALSE(verify(weak, Bytes{i}, signature));
      CHECK_FALSE(verify(honest, Bytes{i}, signature));
    }
  }
}

TEST_CASE("ids: are the first 16 octets of a hash with its domain") {
  const auto key = key_from_hex<NodeKey>("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

  CHECK(to_string(node_id_of(key)) == "dd6d248cf643c2a794d05e475c1eea5f");
  CHECK(to_string(network_id_of(key)) == "db2f5926d2ad3cf7addb1be8db3aaf20");
}

// ---- X25519 -----------------------------------------------------------------------------------

TEST_CASE("dh: agrees with Wycheproof's X25519 vectors and refuses an all-zero result") {
  const std::string all_zero(64, '0');
  std::size_t computed = 0;
  std::size_t refused = 0;
  const auto document = load_vectors("wycheproof_x25519.json");
  for (const auto& group : document.at("testGroups")) {
    for (const auto& test : group.at("tests")) {
      CAPTURE(test.at("tcId").get<int>());
      CAPTURE(test.at("comment").get<std::string>());
      const DhSecret ours{hex_array<32>(test.at("private"))};

      const auto shared = dh(ours, DhPublic{hex_array<32>(test.at("public"))});

      if (test.at("shared") == all_zero) {
        ++refused;
        REQUIRE_FALSE(shared);
        CHECK(shared.error() == Error::WeakKey);
      } else {
        ++computed;
        REQUIRE(shared);
        CHECK(to_hex(*shared) == test.at("shared").get<std::string>());
      }
    }
  }
  CHECK(computed > 400);
  CHECK(refused > 20);
}

TEST_CASE("dh: both sides get the same") {
  SeededRandom random{5};
  const DhSecret ours = DhSecret::generate(random);
  const DhSecret theirs = DhSecret::generate(random);

  const auto a = dh(ours, dh_public_of(theirs));
  const auto b = dh(theirs, dh_public_of(ours));

  REQUIRE(a);
  REQUIRE(b);
  CHECK(*a == *b);
}

// libsodium's test/default/ed25519_convert.c
TEST_CASE("dh keys of an identity: are those of libsodium's published conversion") {
  const auto seed = key_from_hex<SigningSeed>("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee");

  const DhSecret secret = dh_secret_of(seed);
  const auto from_node_key = dh_public_of(node_key_of(seed));

  CHECK(to_hex(secret.expose()) == "8052030376d47112be7f73ed7a019293dd12ad910b654455798b4667d73de166");
  REQUIRE(from_node_key);
  CHECK(to_hex(from_node_key->octets) == "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50");
  CHECK(dh_public_of(secret) == *from_node_key);
}

TEST_CASE("dh_public_of: refuses keys that are no point of the prime-order group in canonical form") {
  std::vector<std::string> refused(std::begin(kSmallOrderPoints), std::end(kSmallOrderPoints));
  refused.push_back("0200000000000000000000000000000000000000000000000000000000000000");  // not on the curve
  refused.push_back("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");  // y = 3 as p + 3
  refused.push_back("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff");
  // A valid point plus one of order 8: table 1 of "Taming the many EdDSAs", test 3's key.
  refused.push_back("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d");

  for (const std::string& hex : refused) {
    CAPTURE(hex);
    const auto converted = dh_public_of(key_from_hex<NodeKey>(hex));
    REQUIRE_FALSE(converted);
    CHECK(converted.error() == Error::WeakKey);
  }
}

}  // namespace rove
