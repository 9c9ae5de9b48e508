// Noise's SymmetricState and CipherState (revision 34, §5.1-5.2) for 25519_ChaChaPoly_SHA256.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/crypto/aead_cipher.h"
#include "core/crypto/keys.h"
#include "core/crypto/wiped.h"

namespace rove {

// The chaining key, the handshake hash and the handshake's current cipher. The caller goes through the pattern's
// tokens. Used by NoiseInitiator and NoiseResponder only.
class NoiseSymmetricState {
 public:
  NoiseSymmetricState(std::string_view protocol_name, BytesView prologue);

  // A deliberate copy, to try a message on.
  [[nodiscard]] NoiseSymmetricState clone() const;

  void mix_hash(BytesView data);
  void mix_key(BytesView input_key_material);
  void mix_key_and_hash(BytesView input_key_material);
  // DH, then MixKey of its result. Errors: WeakKey.
  [[nodiscard]] Result<void> mix_dh(const DhSecret& ours, const DhPublic& theirs);

  // Appends the ciphertext to `out`. After the first key only.
  void encrypt_and_hash(BytesView plaintext, Bytes& out);
  // Errors: Undecryptable.
  [[nodiscard]] Result<Bytes> decrypt_and_hash(BytesView ciphertext);

  struct Keys {
    AeadKey initiator;  // encrypts what the initiator sends
    AeadKey responder;
  };
  [[nodiscard]] Keys split() const;
  [[nodiscard]] const std::array<std::uint8_t, 32>& hash() const { return hash_; }

 private:
  using Secret = SecretBytes<struct NoiseSecretTag>;

  NoiseSymmetricState() = default;
  [[nodiscard]] AeadNonce next_nonce();
  void set_key(const AeadKey& key);

  Secret chaining_key_;
  std::array<std::uint8_t, 32> hash_{};
  std::optional<ChaCha20Poly1305Cipher> cipher_;
  std::uint64_t nonce_ = 0;
};

}  // namespace rove
