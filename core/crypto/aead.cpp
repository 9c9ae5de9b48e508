#include "core/crypto/aead.h"

#include <cstring>
#include <tuple>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/crypto/aead_cipher.h"

namespace rove {
namespace {

// Written where it will be read, in two stores. (One that is returned goes through registers, and is loaded across both
// of them, which waits until they are done: 12 ns, Xeon of family 6, model 207.)
void store_nonce(AeadNonce& nonce, std::uint64_t counter) {
  constexpr std::size_t kCounterAt = std::tuple_size_v<AeadNonce> - sizeof counter;
  std::memset(nonce.data(), 0, kCounterAt);
  store_be(nonce.data() + kCounterAt, counter);
}

// Without these instructions AES is slower than ChaCha20, and its table look-ups leak the key through the cache.
bool has_aes_instructions() {
#if defined(__x86_64__) || defined(__i386__)
  // What GnuTLS's fastest path needs that every such CPU has.
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("ssse3");
#elif defined(__ARM_FEATURE_CRYPTO) || defined(__ARM_FEATURE_AES)
  return true;
#else
  return false;
#endif
}

constexpr std::uint8_t bit(AeadAlgorithm algorithm) {
  return static_cast<std::uint8_t>(algorithm);
}

using Cipher = std::variant<GnutlsAes256GcmCipher, IpsecMbAes256GcmCipher, ChaCha20Poly1305Cipher>;

// Both give the same octets, so that the peer need not know which one it is. ipsec-mb was the faster one with each of
// its kinds of instructions (docs/adr/0009-aes-gcm-by-ipsec-mb.md).
Cipher fastest_aes256gcm(const AeadKey& key) {
  if (IpsecMbAes256GcmCipher::is_supported()) return Cipher{std::in_place_type<IpsecMbAes256GcmCipher>, key};
  return Cipher{std::in_place_type<GnutlsAes256GcmCipher>, key};
}

Cipher cipher_of(AeadAlgorithm algorithm, const AeadKey& key) {
  if (algorithm == AeadAlgorithm::Aes256Gcm) return fastest_aes256gcm(key);
  ROVE_CHECK(algorithm == AeadAlgorithm::ChaCha20Poly1305);
  return Cipher{std::in_place_type<ChaCha20Poly1305Cipher>, key};
}

}  // namespace

struct Aead::Impl {
  Cipher cipher;
};

std::uint8_t supported_aeads() {
  const std::uint8_t aes = has_aes_instructions() ? bit(AeadAlgorithm::Aes256Gcm) : std::uint8_t{0};
  return static_cast<std::uint8_t>(aes | bit(AeadAlgorithm::ChaCha20Poly1305));
}

std::optional<AeadAlgorithm> choose_aead(std::uint8_t ours, std::uint8_t theirs) {
  for (const AeadAlgorithm algorithm : {AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305}) {
    if ((ours & theirs & bit(algorithm)) != 0) return algorithm;
  }
  return std::nullopt;
}

Aead::Aead(AeadAlgorithm algorithm, const AeadKey& key) : impl_(new Impl{cipher_of(algorithm, key)}) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(std::uint64_t counter, BytesView associated_data, BytesView plaintext, std::uint8_t* out) {
  AeadNonce nonce;
  store_nonce(nonce, counter);
  std::visit([&](auto& cipher) { cipher.seal(nonce, associated_data, plaintext, out); }, impl_->cipher);
}

bool Aead::open(std::uint64_t counter, BytesView associated_data, BytesView ciphertext, std::uint8_t* out) {
  AeadNonce nonce;
  store_nonce(nonce, counter);
  return std::visit([&](auto& cipher) { return cipher.open(nonce, associated_data, ciphertext, out); }, impl_->cipher);
}

}  // namespace rove
