// The ciphers under Aead and SealedChannel, with whole nonces: what published test vectors speak of.
//
// All of them: `out` may start where the input starts but may not overlap it in any other way. seal() writes
// plaintext.size() + kAeadTagSize octets. open() takes the tag behind the ciphertext, writes
// ciphertext.size() - kAeadTagSize octets, and returns false, with `out` unspecified, when the tag does not verify
// or the input is shorter than a tag. No allocation after construction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/base/bytes.h"
#include "core/crypto/keys.h"
#include "core/crypto/wiped.h"

struct api_aead_cipher_hd_st;  // GnuTLS's; only aead_cipher_gnutls.cpp includes its headers

namespace rove {

inline constexpr std::size_t kAeadTagSize = 16;

using AeadNonce = std::array<std::uint8_t, 12>;
using ExtendedNonce = std::array<std::uint8_t, 24>;

// AES-256-GCM (NIST SP 800-38D) by GnuTLS. Holds expanded keys; used by one thread.
class GnutlsAes256GcmCipher {
 public:
  explicit GnutlsAes256GcmCipher(const AeadKey& key);

  void seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext, std::uint8_t* out);
  [[nodiscard]] bool open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext, std::uint8_t* out);

 private:
  struct Deleter {
    void operator()(api_aead_cipher_hd_st* handle) const;
  };
  std::unique_ptr<api_aead_cipher_hd_st, Deleter> handle_;
};

// The same by Intel's ipsec-mb, which takes less than half the time where the CPU has AVX-512 and VAES
// (docs/adr/0009-aes-gcm-by-ipsec-mb.md). Holds expanded keys, wiped with the object; used by one thread.
class IpsecMbAes256GcmCipher {
 public:
  // False when the build did not find the library, when the CPU or the kernel lacks AES, PCLMULQDQ or AVX, and when
  // the library failed its own test. Then none may be made.
  [[nodiscard]] static bool is_supported();

  explicit IpsecMbAes256GcmCipher(const AeadKey& key);
  // Neither copied nor moved: the keys stay in the one place that is wiped.
  IpsecMbAes256GcmCipher(const IpsecMbAes256GcmCipher&) = delete;
  IpsecMbAes256GcmCipher& operator=(const IpsecMbAes256GcmCipher&) = delete;

  void seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext, std::uint8_t* out);
  [[nodiscard]] bool open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext, std::uint8_t* out);

 private:
  struct State;
  // Octets instead of the library's types: only aead_cipher_ipsec_mb.cpp includes its header, and checks both numbers.
  static constexpr std::size_t kStateSize = 1152;
  static constexpr std::size_t kStateAlignment = 64;

  [[nodiscard]] State& state();

  alignas(kStateAlignment) Wiped<kStateSize> state_;
};

// ChaCha20-Poly1305 (RFC 8439) by libsodium.
class ChaCha20Poly1305Cipher {
 public:
  explicit ChaCha20Poly1305Cipher(const AeadKey& key) : key_(key.clone()) {}

  void seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext, std::uint8_t* out) const;
  [[nodiscard]] bool open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext,
                          std::uint8_t* out) const;
  // Borrowed from this object.
  [[nodiscard]] const AeadKey& key() const { return key_; }

 private:
  AeadKey key_;
};

// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) by libsodium: its nonces are long enough to be drawn at random.
class XChaCha20Poly1305Cipher {
 public:
  explicit XChaCha20Poly1305Cipher(SealingKey key) : key_(std::move(key)) {}

  void seal(const ExtendedNonce& nonce, BytesView associated_data, BytesView plaintext, std::uint8_t* out) const;
  [[nodiscard]] bool open(const ExtendedNonce& nonce, BytesView associated_data, BytesView ciphertext,
                          std::uint8_t* out) const;

 private:
  SealingKey key_;
};

}  // namespace rove
