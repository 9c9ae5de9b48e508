// Noise_IKpsk2_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34) on libsodium.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/crypto/keys.h"

namespace rove {

// The two transport keys of Split(): ours to send with, theirs to receive with.
struct TransportKeys {
  AeadKey send;
  AeadKey receive;
};

// Initiator: write_message_1, read_message_2, split. Each call once, in order (ROVE_CHECKed).
// On a Result error the handshake is failed() for good; start a new one.
class NoiseInitiator {
 public:
  // `ephemeral` is passed in for test vectors; production gives DhSecret::generate(random).
  NoiseInitiator(BytesView prologue, DhSecret our_static, const DhPublic& their_static, PskKey psk, DhSecret ephemeral);

  static constexpr std::size_t kOverhead1 = 32 + 48 + 16;  // e ‖ encrypted s ‖ payload tag
  [[nodiscard]] Result<Bytes> write_message_1(BytesView payload);
  // The responder's payload.
  [[nodiscard]] Result<Bytes> read_message_2(BytesView message);
  [[nodiscard]] TransportKeys split();
  // Handshake hash h, for channel binding; after the last message.
  [[nodiscard]] const std::array<std::uint8_t, 32>& handshake_hash() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Responder: read_message_1, (decide), write_message_2, split.
class NoiseResponder {
 public:
  NoiseResponder(BytesView prologue, DhSecret our_static, PskKey psk, DhSecret ephemeral);

  // The initiator's payload; afterwards their_static() is known.
  [[nodiscard]] Result<Bytes> read_message_1(BytesView message);
  [[nodiscard]] const DhPublic& their_static() const;
  static constexpr std::size_t kOverhead2 = 32 + 16;  // e ‖ payload tag
  [[nodiscard]] Result<Bytes> write_message_2(BytesView payload);
  [[nodiscard]] TransportKeys split();
  [[nodiscard]] const std::array<std::uint8_t, 32>& handshake_hash() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rove
