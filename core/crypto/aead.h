// The AEADs of sessions: AES-256-GCM by ipsec-mb or GnuTLS, ChaCha20-Poly1305 (RFC 8439) by libsodium.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/bytes.h"
#include "core/crypto/aead_cipher.h"
#include "core/crypto/keys.h"

namespace rove {

enum class AeadAlgorithm : std::uint8_t { Aes256Gcm = 1, ChaCha20Poly1305 = 2 };  // bits of the handshake payload

// Bit set of the algorithms that this CPU does fast enough; always holds ChaCha20Poly1305.
[[nodiscard]] std::uint8_t supported_aeads();
// The algorithm both sides should use, AES-256-GCM first; nullopt when they share none.
[[nodiscard]] std::optional<AeadAlgorithm> choose_aead(std::uint8_t ours, std::uint8_t theirs);

// One key and algorithm, used by one thread. No allocation after construction.
// Nonce: 4 zero octets ‖ `counter` big-endian; the caller never passes a counter twice for sealing.
class Aead {
 public:
  Aead(AeadAlgorithm algorithm, const AeadKey& key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // Writes plaintext.size() + kAeadTagSize octets to `out`, which may start where `plaintext` starts
  // but may not overlap it in any other way.
  void seal(std::uint64_t counter, BytesView associated_data, BytesView plaintext, std::uint8_t* out);
  // `ciphertext` includes the tag. Writes ciphertext.size() - kAeadTagSize octets to `out` (may be
  // ciphertext.data()) and returns true, or returns false with `out` unspecified.
  [[nodiscard]] bool open(std::uint64_t counter, BytesView associated_data, BytesView ciphertext, std::uint8_t* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
