#include "core/crypto/noise.h"

#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/crypto/aead_cipher.h"
#include "core/crypto/noise_symmetric.h"

namespace rove {
namespace {

constexpr std::string_view kProtocolName = "Noise_IKpsk2_25519_ChaChaPoly_SHA256";
constexpr std::size_t kDhSize = 32;
constexpr std::size_t kEncryptedStaticSize = kDhSize + kAeadTagSize;

static_assert(NoiseInitiator::kOverhead1 == kDhSize + kEncryptedStaticSize + kAeadTagSize);
static_assert(NoiseResponder::kOverhead2 == kDhSize + kAeadTagSize);

enum class Stage { Message1, Message2, Complete, Split, Failed };

tl::unexpected<std::error_code> forward(std::error_code error) {
  return tl::make_unexpected(error);
}

DhPublic read_public(Reader& reader) {
  return DhPublic{reader.read_array<kDhSize>()};
}

// Token `e`. With a psk, the ephemeral key enters the key as well (§9.2), so that the cipher is never the same twice.
void mix_ephemeral(NoiseSymmetricState& symmetric, const DhPublic& ephemeral) {
  symmetric.mix_hash(ephemeral.octets);
  symmetric.mix_key(ephemeral.octets);
}

void append(Bytes& out, const DhPublic& key) {
  out.insert(out.end(), key.octets.begin(), key.octets.end());
}

}  // namespace

// ---- initiator --------------------------------------------------------------------------------

struct NoiseInitiator::State {
  NoiseSymmetricState symmetric;
  DhSecret our_static;
  DhPublic their_static;
  PskKey psk;
  DhSecret ephemeral;
  Stage stage = Stage::Message1;

  Result<Bytes> write_1(BytesView payload);
  // On `attempt`, a copy of `symmetric`.
  Result<Bytes> read_2(NoiseSymmetricState& attempt, BytesView message) const;
};

NoiseInitiator::NoiseInitiator(BytesView prologue, DhSecret our_static, const DhPublic& their_static, PskKey psk,
                               DhSecret ephemeral)
    : state_(new State{NoiseSymmetricState{kProtocolName, prologue}, std::move(our_static), their_static,
                       std::move(psk), std::move(ephemeral)}) {
  state_->symmetric.mix_hash(their_static.octets);
}

NoiseInitiator::NoiseInitiator(NoiseInitiator&&) noexcept = default;
NoiseInitiator& NoiseInitiator::operator=(NoiseInitiator&&) noexcept = default;
NoiseInitiator::~NoiseInitiator() = default;

Result<Bytes> NoiseInitiator::State::write_1(BytesView payload) {
  Bytes out;
  out.reserve(kOverhead1 + payload.size());
  const DhPublic ephemeral_public = dh_public_of(ephemeral);
  append(out, ephemeral_public);                                                                    // e
  mix_ephemeral(symmetric, ephemeral_public);                                                       //
  if (const auto es = symmetric.mix_dh(ephemeral, their_static); !es) return forward(es.error());   // es
  symmetric.encrypt_and_hash(dh_public_of(our_static).octets, out);                                 // s
  if (const auto ss = symmetric.mix_dh(our_static, their_static); !ss) return forward(ss.error());  // ss
  symmetric.encrypt_and_hash(payload, out);
  return out;
}

Result<Bytes> NoiseInitiator::State::read_2(NoiseSymmetricState& attempt, BytesView message) const {
  Reader reader{message};
  const DhPublic their_ephemeral = read_public(reader);
  mix_ephemeral(attempt, their_ephemeral);                                                           // e
  if (const auto ee = attempt.mix_dh(ephemeral, their_ephemeral); !ee) return forward(ee.error());   // ee
  if (const auto se = attempt.mix_dh(our_static, their_ephemeral); !se) return forward(se.error());  // se
  attempt.mix_key_and_hash(psk.expose());                                                            // psk
  return attempt.decrypt_and_hash(reader.rest());
}

Result<Bytes> NoiseInitiator::write_message_1(BytesView payload) {
  if (state_->stage == Stage::Failed) return fail(Error::WrongState);
  ROVE_CHECK(state_->stage == Stage::Message1);
  if (payload.size() > kNoiseMessageMax - kOverhead1) return fail(Error::TooLarge);
  auto message = state_->write_1(payload);
  state_->stage = message ? Stage::Message2 : Stage::Failed;
  return message;
}

Result<Bytes> NoiseInitiator::read_message_2(BytesView message) {
  if (state_->stage == Stage::Failed) return fail(Error::WrongState);
  ROVE_CHECK(state_->stage == Stage::Message2);
  if (message.size() < NoiseResponder::kOverhead2) return fail(Error::Truncated);
  if (message.size() > kNoiseMessageMax) return fail(Error::TooLarge);
  NoiseSymmetricState attempt = state_->symmetric.clone();
  auto payload = state_->read_2(attempt, message);
  if (payload) {
    state_->symmetric = std::move(attempt);
    state_->stage = Stage::Complete;
  }
  return payload;
}

TransportKeys NoiseInitiator::split() {
  ROVE_CHECK(state_->stage == Stage::Complete);
  state_->stage = Stage::Split;
  auto keys = state_->symmetric.split();
  return {std::move(keys.initiator), std::move(keys.responder)};
}

const std::array<std::uint8_t, 32>& NoiseInitiator::handshake_hash() const {
  ROVE_CHECK(state_->stage == Stage::Complete || state_->stage == Stage::Split);
  return state_->symmetric.hash();
}

// ---- responder --------------------------------------------------------------------------------

struct NoiseResponder::State {
  NoiseSymmetricState symmetric;
  DhSecret our_static;
  PskKey psk;
  DhSecret ephemeral;
  DhPublic their_static{};
  DhPublic their_ephemeral{};
  Stage stage = Stage::Message1;

  Result<Bytes> read_1(BytesView message);
  Result<Bytes> write_2(BytesView payload);
};

NoiseResponder::NoiseResponder(BytesView prologue, DhSecret our_static, PskKey psk, DhSecret ephemeral)
    : state_(new State{NoiseSymmetricState{kProtocolName, prologue}, std::move(our_static), std::move(psk),
                       std::move(ephemeral)}) {
  state_->symmetric.mix_hash(dh_public_of(state_->our_static).octets);
}

NoiseResponder::NoiseResponder(NoiseResponder&&) noexcept = default;
NoiseResponder& NoiseResponder::operator=(NoiseResponder&&) noexcept = default;
NoiseResponder::~NoiseResponder() = default;

Result<Bytes> NoiseResponder::State::read_1(BytesView message) {
  Reader reader{message};
  their_ephemeral = read_public(reader);
  mix_ephemeral(symmetric, their_ephemeral);                                                           // e
  if (const auto es = symmetric.mix_dh(our_static, their_ephemeral); !es) return forward(es.error());  // es
  const auto sender = symmetric.decrypt_and_hash(reader.read_bytes(kEncryptedStaticSize));             // s
  if (!sender) return forward(sender.error());
  std::memcpy(their_static.octets.data(), sender->data(), kDhSize);
  if (const auto ss = symmetric.mix_dh(our_static, their_static); !ss) return forward(ss.error());  // ss
  return symmetric.decrypt_and_hash(reader.rest());
}

Result<Bytes> NoiseResponder::State::write_2(BytesView payload) {
  Bytes out;
  out.reserve(kOverhead2 + payload.size());
  const DhPublic ephemeral_public = dh_public_of(ephemeral);
  append(out, ephemeral_public);                                                                      // e
  mix_ephemeral(symmetric, ephemeral_public);                                                         //
  if (const auto ee = symmetric.mix_dh(ephemeral, their_ephemeral); !ee) return forward(ee.error());  // ee
  if (const auto se = symmetric.mix_dh(ephemeral, their_static); !se) return forward(se.error());     // se
  symmetric.mix_key_and_hash(psk.expose());                                                           // psk
  symmetric.encrypt_and_hash(payload, out);
  return out;
}

Result<Bytes> NoiseResponder::read_message_1(BytesView message) {
  if (state_->stage == Stage::Failed) return fail(Error::WrongState);
  ROVE_CHECK(state_->stage == Stage::Message1);
  auto payload = [&]() -> Result<Bytes> {
    if (message.size() < NoiseInitiator::kOverhead1) return fail(Error::Truncated);
    if (message.size() > kNoiseMessageMax) return fail(Error::TooLarge);
    return state_->read_1(message);
  }();
  state_->stage = payload ? Stage::Message2 : Stage::Failed;
  return payload;
}

const DhPublic& NoiseResponder::their_static() const {
  ROVE_CHECK(state_->stage != Stage::Message1 && state_->stage != Stage::Failed);
  return state_->their_static;
}

Result<Bytes> NoiseResponder::write_message_2(BytesView payload) {
  if (state_->stage == Stage::Failed) return fail(Error::WrongState);
  ROVE_CHECK(state_->stage == Stage::Message2);
  auto message = [&]() -> Result<Bytes> {
    if (payload.size() > kNoiseMessageMax - kOverhead2) return fail(Error::TooLarge);
    return state_->write_2(payload);
  }();
  state_->stage = message ? Stage::Complete : Stage::Failed;
  return message;
}

TransportKeys NoiseResponder::split() {
  ROVE_CHECK(state_->stage == Stage::Complete);
  state_->stage = Stage::Split;
  auto keys = state_->symmetric.split();
  return {std::move(keys.responder), std::move(keys.initiator)};
}

const std::array<std::uint8_t, 32>& NoiseResponder::handshake_hash() const {
  ROVE_CHECK(state_->stage == Stage::Complete || state_->stage == Stage::Split);
  return state_->symmetric.hash();
}

}  // namespace rove
