#include "core/crypto/keys.h"

#include <sodium.h>

#include <string_view>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/crypto/wiped.h"

namespace rove {
namespace {

// libsodium's form of a private key: seed ‖ public key.
struct SigningKey {
  explicit SigningKey(const SigningSeed& seed) {
    static_assert(crypto_sign_SEEDBYTES == SigningSeed::kSize);
    ROVE_CHECK(crypto_sign_seed_keypair(public_key.octets.data(), secret.data(), seed.expose().data()) == 0);
  }

  NodeKey public_key;
  Wiped<crypto_sign_SECRETKEYBYTES> secret;
};

template <typename Id>
Id id_of(std::string_view domain, const NodeKey& key) {
  const auto hash = blake2b<32>({as_bytes(domain), key.octets});
  return Id::from_bytes(BytesView{hash}.first(Id::kSize));
}

}  // namespace

void wipe(MutableBytes bytes) noexcept {
  sodium_memzero(bytes.data(), bytes.size());
}

NodeKey node_key_of(const SigningSeed& seed) {
  return SigningKey{seed}.public_key;
}

NodeId node_id_of(const NodeKey& key) {
  return id_of<NodeId>("rove node id", key);
}

NetworkId network_id_of(const NodeKey& ca_key) {
  return id_of<NetworkId>("rove network id", ca_key);
}

Signature sign(const SigningSeed& seed, BytesView message) {
  const SigningKey key{seed};
  Signature signature{};
  ROVE_CHECK(crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), key.secret.data()) == 0);
  return signature;
}

// libsodium refuses small-order and non-canonical keys, small-order R and S ≥ L by itself, unless it was built with
// ED25519_COMPAT; the test against Wycheproof's vectors would notice.
bool verify(const NodeKey& key, BytesView message, const Signature& signature) {
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.octets.data()) == 0;
}

DhSecret dh_secret_of(const SigningSeed& seed) {
  static_assert(crypto_scalarmult_SCALARBYTES == DhSecret::kSize);
  const SigningKey key{seed};
  Wiped<DhSecret::kSize> scalar;
  ROVE_CHECK(crypto_sign_ed25519_sk_to_curve25519(scalar.data(), key.secret.data()) == 0);
  return DhSecret{scalar.octets};
}

Result<DhPublic> dh_public_of(const NodeKey& key) {
  DhPublic out;
  // Refuses all but points of the prime-order group, and so non-canonical encodings too: no y below 19, which are the
  // ones that have a second encoding, belongs to such a point.
  if (crypto_sign_ed25519_pk_to_curve25519(out.octets.data(), key.octets.data()) != 0) return fail(Error::WeakKey);
  return out;
}

DhPublic dh_public_of(const DhSecret& secret) {
  DhPublic out;
  ROVE_CHECK(crypto_scalarmult_base(out.octets.data(), secret.expose().data()) == 0);
  return out;
}

Result<std::array<std::uint8_t, 32>> dh(const DhSecret& ours, const DhPublic& theirs) {
  static_assert(crypto_scalarmult_BYTES == 32);
  std::array<std::uint8_t, 32> shared{};
  // Fails when the result is all zero: RFC 7748 §6.1.
  if (crypto_scalarmult(shared.data(), ours.expose().data(), theirs.octets.data()) != 0) return fail(Error::WeakKey);
  return shared;
}

}  // namespace rove
