#include "core/crypto/aead_cipher.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sodium.h>

#include <tuple>

#include "core/base/check.h"
#include "core/crypto/wiped.h"

namespace rove {

static_assert(crypto_aead_chacha20poly1305_ietf_KEYBYTES == AeadKey::kSize);
static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == std::tuple_size_v<AeadNonce>);
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kAeadTagSize);
static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == SealingKey::kSize);
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == std::tuple_size_v<ExtendedNonce>);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kAeadTagSize);

// ---- AES-256-GCM ------------------------------------------------------------------------------

Aes256GcmCipher::Aes256GcmCipher(const AeadKey& key) {
  Wiped<AeadKey::kSize> copy{key.expose()};  // GnuTLS wants a pointer to mutable octets
  const gnutls_datum_t datum{copy.data(), static_cast<unsigned>(AeadKey::kSize)};
  gnutls_aead_cipher_hd_t handle = nullptr;
  ROVE_CHECK(gnutls_aead_cipher_init(&handle, GNUTLS_CIPHER_AES_256_GCM, &datum) == GNUTLS_E_SUCCESS);
  handle_.reset(handle);
}

void Aes256GcmCipher::Deleter::operator()(api_aead_cipher_hd_st* handle) const {
  gnutls_aead_cipher_deinit(handle);
}

void Aes256GcmCipher::seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext, std::uint8_t* out) {
  std::size_t size = plaintext.size() + kAeadTagSize;
  const int result =
      gnutls_aead_cipher_encrypt(handle_.get(), nonce.data(), nonce.size(), associated_data.data(),
                                 associated_data.size(), kAeadTagSize, plaintext.data(), plaintext.size(), out, &size);
  // It can fail only for sizes that it was not made for.
  ROVE_CHECK(result == GNUTLS_E_SUCCESS && size == plaintext.size() + kAeadTagSize);
}

bool Aes256GcmCipher::open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext, std::uint8_t* out) {
  if (ciphertext.size() < kAeadTagSize) return false;
  std::size_t size = ciphertext.size() - kAeadTagSize;
  return gnutls_aead_cipher_decrypt(handle_.get(), nonce.data(), nonce.size(), associated_data.data(),
                                    associated_data.size(), kAeadTagSize, ciphertext.data(), ciphertext.size(), out,
                                    &size) == GNUTLS_E_SUCCESS;
}

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
