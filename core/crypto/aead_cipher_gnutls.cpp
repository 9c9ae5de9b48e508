#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "core/base/check.h"
#include "core/crypto/aead_cipher.h"
#include "core/crypto/wiped.h"

namespace rove {

GnutlsAes256GcmCipher::GnutlsAes256GcmCipher(const AeadKey& key) {
  Wiped<AeadKey::kSize> copy{key.expose()};  // GnuTLS wants a pointer to mutable octets
  const gnutls_datum_t datum{copy.data(), static_cast<unsigned>(AeadKey::kSize)};
  gnutls_aead_cipher_hd_t handle = nullptr;
  ROVE_CHECK(gnutls_aead_cipher_init(&handle, GNUTLS_CIPHER_AES_256_GCM, &datum) == GNUTLS_E_SUCCESS);
  handle_.reset(handle);
}

void GnutlsAes256GcmCipher::Deleter::operator()(api_aead_cipher_hd_st* handle) const {
  gnutls_aead_cipher_deinit(handle);
}

void GnutlsAes256GcmCipher::seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext,
                                 std::uint8_t* out) {
  std::size_t size = plaintext.size() + kAeadTagSize;
  const int result =
      gnutls_aead_cipher_encrypt(handle_.get(), nonce.data(), nonce.size(), associated_data.data(),
                                 associated_data.size(), kAeadTagSize, plaintext.data(), plaintext.size(), out, &size);
  // It can fail only for sizes that it was not made for.
  ROVE_CHECK(result == GNUTLS_E_SUCCESS && size == plaintext.size() + kAeadTagSize);
}

bool GnutlsAes256GcmCipher::open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext,
                                 std::uint8_t* out) {
  if (ciphertext.size() < kAeadTagSize) return false;
  std::size_t size = ciphertext.size() - kAeadTagSize;
  return gnutls_aead_cipher_decrypt(handle_.get(), nonce.data(), nonce.size(), associated_data.data(),
                                    associated_data.size(), kAeadTagSize, ciphertext.data(), ciphertext.size(), out,
                                    &size) == GNUTLS_E_SUCCESS;
}

}  // namespace rove
