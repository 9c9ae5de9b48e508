// Noise_IKpsk2_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34) on libsodium.
//
//   <- s
//   ...
//   -> e, es, s, ss
//   <- e, ee, se, psk
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/crypto/keys.h"

namespace rove {

// The limit of a Noise message (§3); more is TooLarge.
inline constexpr std::size_t kNoiseMessageMax = 65535;

// The two transport keys of Split(): ours to send with, theirs to receive with.
struct TransportKeys {
  AeadKey send;
  AeadKey receive;
};

// Initiator: write_message_1, read_message_2, split. Each succeeds once, in order (ROVE_CHECKed).
// Control thread, or wherever a handshake runs; borrows nothing.
class NoiseInitiator {
 public:
  // `ephemeral` is passed in for test vectors; production gives DhSecret::generate(random).
  NoiseInitiator(BytesView prologue, DhSecret our_static, const DhPublic& their_static, PskKey psk, DhSecret ephemeral);
  NoiseInitiator(NoiseInitiator&&) noexcept;
  NoiseInitiator& operator=(NoiseInitiator&&) noexcept;
  ~NoiseInitiator();

  static constexpr std::size_t kOverhead1 = 32 + 48 + 16;  // e ‖ encrypted s ‖ payload tag
  // Errors: TooLarge, nothing changed; WeakKey (their static key), failed for good: everything further is WrongState.
  [[nodiscard]] Result<Bytes> write_message_1(BytesView payload);
  // The responder's payload. Errors leave the handshake as it was: whoever forges an answer must not keep the true
  // one out. Truncated, TooLarge, WeakKey, Undecryptable (also: another psk, prologue or static key).
  [[nodiscard]] Result<Bytes> read_message_2(BytesView message);
  [[nodiscard]] TransportKeys split();
  // Handshake hash h, for channel binding; after the last message.
  [[nodiscard]] const std::array<std::uint8_t, 32>& handshake_hash() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Responder: read_message_1, (decide), write_message_2, split. Each once, in order (ROVE_CHECKed).
// On a Result error the handshake has failed for good: everything further is WrongState. Make a new one for each
// message 1.
class NoiseResponder {
 public:
  NoiseResponder(BytesView prologue, DhSecret our_static, PskKey psk, DhSecret ephemeral);
  NoiseResponder(NoiseResponder&&) noexcept;
  NoiseResponder& operator=(NoiseResponder&&) noexcept;
  ~NoiseResponder();

  // The initiator's payload; afterwards their_static() is known. The psk is not part of message 1: what it says is
  // proven to come from the owner of their_static(), but may be a replay.
  // Errors: Truncated, TooLarge, WeakKey, Undecryptable (also: another prologue, or meant for another static key).
  [[nodiscard]] Result<Bytes> read_message_1(BytesView message);
  [[nodiscard]] const DhPublic& their_static() const;
  static constexpr std::size_t kOverhead2 = 32 + 16;  // e ‖ payload tag
  // Errors: TooLarge.
  [[nodiscard]] Result<Bytes> write_message_2(BytesView payload);
  [[nodiscard]] TransportKeys split();
  [[nodiscard]] const std::array<std::uint8_t, 32>& handshake_hash() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rove
