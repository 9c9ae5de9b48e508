#include "core/crypto/aead_cipher.h"

#include <sodium.h>

#include <tuple>

namespace rove {

static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == AeadKey::kSize);
static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == std::tuple_size_v<AeadNonce>);
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kAeadTagSize);
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == SealingKey::kSize);
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == std::tuple_size_v<ExtendedNonce>);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kAeadTagSize);

// ---- ChaCha20-Poly1305 ------------------------------------------------------------------------

void ChaCha20Poly1305Cipher::seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext,
                                  std::uint8_t* out) const {
  // Cannot fail: always 0.
  (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, nullptr, plaintext.data(), plaintext.size(),
                                                  associated_data.data(), associated_data.size(), nullptr, nonce.data(),
                                                  key_.expose().data());
}

bool ChaCha20Poly1305Cipher::open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext,
                                  std::uint8_t* out) const {
  if (ciphertext.size() < kAeadTagSize) return false;
  return crypto_aead_chacha20poly1305_ietf_decrypt(out, nullptr, nullptr, ciphertext.data(), ciphertext.size(),
                                                   associated_data.data(), associated_data.size(), nonce.data(),
                                                   key_.expose().data()) == 0;
}

// ---- XChaCha20-Poly1305 -----------------------------------------------------------------------

void XChaCha20Poly1305Cipher::seal(const ExtendedNonce& nonce, BytesView associated_data, BytesView plaintext,
                                   std::uint8_t* out) const {
  // Cannot fail: always 0.
  (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, nullptr, plaintext.data(), plaintext.size(),
                                                   associated_data.data(), associated_data.size(), nullptr,
                                                   nonce.data(), key_.expose().data());
}

bool XChaCha20Poly1305Cipher::open(const ExtendedNonce& nonce, BytesView associated_data, BytesView ciphertext,
                                   std::uint8_t* out) const {
  if (ciphertext.size() < kAeadTagSize) return false;
  return crypto_aead_xchacha20poly1305_ietf_decrypt(out, nullptr, nullptr, ciphertext.data(), ciphertext.size(),
                                                    associated_data.data(), associated_data.size(), nonce.data(),
                                                    key_.expose().data()) == 0;
}

}  // namespace rove
