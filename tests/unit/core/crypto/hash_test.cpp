#include "core/crypto/hash.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

// 00 01 02 … 1f
std::array<std::uint8_t, 32> counting_octets() {
  std::array<std::uint8_t, 32> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(i);
  return out;
}

}  // namespace

TEST_CASE("blake2b: gives the hash of RFC 7693, Appendix A") {
  const auto hash = blake2b<64>({as_bytes("abc")});

  CHECK(to_hex(hash) ==
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

TEST_CASE("blake2b: is keyed and hashes the concatenation of its parts") {
  const auto key = counting_octets();

  CHECK(to_hex(blake2b<20>({as_bytes("abc")}, key)) == "9a44793314a8cd80c4d8dbf3ea3a8ab62c65ea6a");
  CHECK(blake2b<20>({as_bytes("a"), {}, as_bytes("bc")}, key) == blake2b<20>({as_bytes("abc")}, key));
  CHECK(blake2b<20>({as_bytes("abc")}) != blake2b<20>({as_bytes("abc")}, key));
}

// Expected values by another implementation: Python's hashlib.blake2b with salt = number and person = context.
TEST_CASE("derived keys: are those of the protocol's table") {
  const NetworkKey network_key{counting_octets()};
  const RingSecret ring = derive_first_ring_secret(network_key);

  CHECK(to_hex(ring.expose()) == "fdffacb275a66f42077d84b33698ee975e6e6c340a2aaba0d18a7aa347dbf8bb");
  CHECK(to_hex(derive_naming_key(network_key).expose()) ==
        "97af8f73952b21403acfa855fc0e0c60dfde146dbcdbfaff95e60ab07786d0c0");
  CHECK(to_hex(derive_sealing_key(ring).expose()) ==
        "7981bbb1cea3f49565c40d12efbcf09f9d56a87df045e75598a1048229c6842c");
  CHECK(to_hex(derive_psk(ring).expose()) == "fbb66dad3ddced738f13bec49768343529de717c21150ce9d026735d695c86b9");
}

TEST_CASE("derive_key: another number or context is another key") {
  const auto secret = counting_octets();

  const auto key = derive_key(secret, 1, "roveTEST");

  CHECK(key == derive_key(secret, 1, "roveTEST"));
  CHECK(key != derive_key(secret, 2, "roveTEST"));
  CHECK(key != derive_key(secret, 1, "roveTESS"));
}

TEST_CASE("equal_constant_time: compares contents and sizes") {
  CHECK(equal_constant_time({}, {}));
  CHECK(equal_constant_time(as_bytes("cookie"), as_bytes("cookie")));
  CHECK_FALSE(equal_constant_time(as_bytes("cookie"), as_bytes("cookif")));
  CHECK_FALSE(equal_constant_time(as_bytes("cookie"), as_bytes("cooki")));
}

TEST_CASE("record_id_of: is the start of the record's hash") {
  CHECK(to_string(record_id_of(as_bytes("a record"))) == "22744adb745d7426");
}

}  // namespace rove
