#include "core/crypto/noise_symmetric.h"

#include <sodium.h>

#include <cstring>

#include "core/base/check.h"

namespace rove {
namespace {

using Hash = std::array<std::uint8_t, 32>;
static_assert(crypto_hash_sha256_BYTES == 32);
static_assert(crypto_auth_hmacsha256_BYTES == 32);

Hash sha256(BytesView a, BytesView b) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  crypto_hash_sha256_update(&state, a.data(), a.size());
  crypto_hash_sha256_update(&state, b.data(), b.size());
  Hash out{};
  crypto_hash_sha256_final(&state, out.data());
  return out;
}

void hmac(Wiped<32>& out, BytesView key, BytesView a, BytesView b = {}) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key.data(), key.size());
  crypto_auth_hmacsha256_update(&state, a.data(), a.size());
  crypto_auth_hmacsha256_update(&state, b.data(), b.size());
  crypto_auth_hmacsha256_final(&state, out.data());
  sodium_memzero(&state, sizeof state);
}

// HKDF of the Noise specification, §4.3: RFC 5869 with the chaining key as salt and no info. Always makes all three
// outputs; MixKey and Split ignore the third.
struct Hkdf {
  Hkdf(BytesView chaining_key, BytesView input_key_material) {
    constexpr std::array<std::uint8_t, 3> kCounters{1, 2, 3};
    const BytesView counters{kCounters};
    Wiped<32> temporary;
    hmac(temporary, chaining_key, input_key_material);
    hmac(first, temporary.octets, counters.subspan(0, 1));
    hmac(second, temporary.octets, first.octets, counters.subspan(1, 1));
    hmac(third, temporary.octets, second.octets, counters.subspan(2, 1));
  }

  Wiped<32> first;
  Wiped<32> second;
  Wiped<32> third;
};

}  // namespace

NoiseSymmetricState::NoiseSymmetricState(std::string_view protocol_name, BytesView prologue) {
  // §5.2: a name of up to HASHLEN octets stands for itself, padded with zeros.
  const BytesView name = as_bytes(protocol_name);
  if (name.size() <= hash_.size()) {
    std::memcpy(hash_.data(), name.data(), name.size());
  } else {
    hash_ = sha256(name, {});
  }
  chaining_key_ = Secret{hash_};
  mix_hash(prologue);
}

NoiseSymmetricState NoiseSymmetricState::clone() const {
  NoiseSymmetricState copy;
  copy.chaining_key_ = chaining_key_.clone();
  copy.hash_ = hash_;
  if (cipher_) copy.cipher_.emplace(cipher_->key());
  copy.nonce_ = nonce_;
  return copy;
}

void NoiseSymmetricState::mix_hash(BytesView data) {
  hash_ = sha256(hash_, data);
}

void NoiseSymmetricState::mix_key(BytesView input_key_material) {
  const Hkdf derived{chaining_key_.expose(), input_key_material};
  chaining_key_ = Secret{derived.first.octets};
  set_key(AeadKey{derived.second.octets});
}

void NoiseSymmetricState::mix_key_and_hash(BytesView input_key_material) {
  const Hkdf derived{chaining_key_.expose(), input_key_material};
  chaining_key_ = Secret{derived.first.octets};
  mix_hash(derived.second.octets);
  set_key(AeadKey{derived.third.octets});
}

Result<void> NoiseSymmetricState::mix_dh(const DhSecret& ours, const DhPublic& theirs) {
  auto shared = dh(ours, theirs);
  if (!shared) return tl::make_unexpected(shared.error());
  mix_key(*shared);
  wipe(*shared);
  return {};
}

void NoiseSymmetricState::encrypt_and_hash(BytesView plaintext, Bytes& out) {
  ROVE_CHECK(cipher_.has_value());
  const std::size_t start = out.size();
  out.resize(start + plaintext.size() + kAeadTagSize);
  cipher_->seal(next_nonce(), hash_, plaintext, out.data() + start);
  mix_hash(BytesView{out}.subspan(start));
}

Result<Bytes> NoiseSymmetricState::decrypt_and_hash(BytesView ciphertext) {
  ROVE_CHECK(cipher_.has_value() && ciphertext.size() >= kAeadTagSize);
  Bytes plaintext(ciphertext.size() - kAeadTagSize);
  if (!cipher_->open(next_nonce(), hash_, ciphertext, plaintext.data())) return fail(Error::Undecryptable);
  mix_hash(ciphertext);
  return plaintext;
}

NoiseSymmetricState::Keys NoiseSymmetricState::split() const {
  const Hkdf derived{chaining_key_.expose(), {}};
  return {AeadKey{derived.first.octets}, AeadKey{derived.second.octets}};
}

void NoiseSymmetricState::set_key(const AeadKey& key) {
  cipher_.emplace(key);
  nonce_ = 0;
}

// 32 zero bits ‖ the counter in little-endian order (§12.3), unlike the nonces of our data channel.
AeadNonce NoiseSymmetricState::next_nonce() {
  AeadNonce nonce{};
  for (std::size_t i = 0; i < sizeof nonce_; ++i) nonce[4 + i] = static_cast<std::uint8_t>(nonce_ >> 8 * i);
  ++nonce_;
  return nonce;
}

}  // namespace rove
