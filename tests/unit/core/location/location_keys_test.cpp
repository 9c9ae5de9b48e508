#include "core/location/location_keys.h"

#include <doctest/doctest.h>

#include <set>

#include "core/crypto/hash.h"
#include "tests/support/test_network.h"

using namespace rove;

namespace {

NamingKey naming_key(std::uint8_t fill) {
  std::array<std::uint8_t, 32> raw{};
  raw.fill(fill);
  return NamingKey{raw};
}

}  // namespace

TEST_CASE("LocationKeys: a key is the keyed hash of kind and address") {
  const LocationKeys keys{naming_key(1)};
  const Bytes input = from_hex("0102005e100001");

  LocationKey expected;
  expected.octets = blake2b<20>({input}, naming_key(1).expose());

  CHECK(keys.of(mac_of("02:00:5e:10:00:01")) == expected);
}

// hashlib.blake2b(kind + address, key=bytes([1]) * 32, digest_size=20)
TEST_CASE("LocationKeys: the documented values") {
  const LocationKeys keys{naming_key(1)};
  const NodeId node = NodeId::from_bytes(from_hex("000102030405060708090a0b0c0d0e0f"));

  CHECK(to_string(keys.of(mac_of("02:00:5e:10:00:01"))) == "d88d5cd8f7f857a64b9b7a76d1a8796adcf05a26");
  CHECK(to_string(keys.of(ip_of("10.77.0.5"))) == "bbe7c51b2da4b93a8c2dff65a555595119f67207");
  CHECK(to_string(keys.of(ip_of("fd77::5"))) == "1cbd282bc3af6a195b2dd00d235aee41222a3048");
  CHECK(to_string(keys.of_node_record(node)) == "5af0dde7880949a7a27dce4e905f526d78da5187");
  CHECK(to_string(keys.of_certificate(node)) == "3934aae5b56fb517327fa4cb20f98b69807122f4");
  CHECK(to_string(keys.of_members()) == "e4b6897bc4c7a5ada7293464bd383ca9784bfb94");
  CHECK(to_string(keys.dht_node_id(NodeKey{})) == "b3e0ce5792e42258f6d98eafeeca1f9d293cddce");
}

TEST_CASE("LocationKeys: kinds, addresses and networks never share a key") {
  const LocationKeys ours{naming_key(1)};
  const LocationKeys theirs{naming_key(2)};
  const NodeId node;

  std::set<LocationKey> all;
  for (const LocationKeys* keys : {&ours, &theirs}) {
    all.insert(keys->of(mac_of("02:00:5e:10:00:01")));
    all.insert(keys->of(mac_of("02:00:5e:10:00:02")));
    all.insert(keys->of(ip_of("10.77.0.5")));
    all.insert(keys->of(ip_of("fd77::5")));
    all.insert(keys->of_node_record(node));
    all.insert(keys->of_certificate(node));
    all.insert(keys->of_members());
  }

  CHECK(all.size() == 14);
}
