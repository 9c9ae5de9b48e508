#include "core/crypto/noise.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/crypto/aead_cipher.h"
#include "tests/support/seeded_random.h"
#include "tests/support/vector_file.h"

namespace rove {
namespace {

const Bytes kPrologue{'r', 'o', 'v', 'e', 1};
const Bytes kHello{'h', 'e', 'l', 'l', 'o'};
const Bytes kWelcome{'w', 'e', 'l', 'c', 'o', 'm', 'e'};

// Two nodes about to shake hands. Every handshake made from it is the same, so that a message can be tried on many.
struct Pair {
  explicit Pair(std::uint64_t seed) : random(seed) {}

  NoiseInitiator initiator() const {
    return NoiseInitiator{prologue, initiator_static.clone(), dh_public_of(responder_static), psk.clone(),
                          initiator_ephemeral.clone()};
  }
  NoiseResponder responder() const {
    return NoiseResponder{prologue, responder_static.clone(), psk.clone(), responder_ephemeral.clone()};
  }
  Bytes message_1() const {
    auto from = initiator();
    return from.write_message_1(kHello).value();
  }
  Bytes message_2() const {
    auto from = responder();
    REQUIRE(from.read_message_1(message_1()));
    return from.write_message_2(kWelcome).value();
  }
  // One that waits for message 2.
  NoiseInitiator waiting_initiator() const {
    auto waiting = initiator();
    REQUIRE(waiting.write_message_1(kHello));
    return waiting;
  }

  SeededRandom random;
  Bytes prologue = kPrologue;
  DhSecret initiator_static = DhSecret::generate(random);
  DhSecret initiator_ephemeral = DhSecret::generate(random);
  DhSecret responder_static = DhSecret::generate(random);
  DhSecret responder_ephemeral = DhSecret::generate(random);
  PskKey psk = PskKey::generate(random);
};

std::error_code error_of_message_1(const Pair& pair, BytesView message) {
  auto responder = pair.responder();
  const auto payload = responder.read_message_1(message);
  return payload ? std::error_code{} : payload.error();
}

std::error_code error_of_message_2(const Pair& pair, BytesView message) {
  auto initiator = pair.waiting_initiator();
  const auto payload = initiator.read_message_2(message);
  return payload ? std::error_code{} : payload.error();
}

// X25519 points of small order (RFC 7748 §6.1, curve25519's order-1, -2, -4 and -8 u coordinates).
constexpr const char* kSmallOrderKeys[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
};

Bytes with_key(Bytes message, std::size_t offset, std::string_view key) {
  const Bytes octets = from_hex(key);
  std::copy(octets.begin(), octets.end(), message.begin() + static_cast<std::ptrdiff_t>(offset));
  return message;
}

// Noise's nonce of a transport message: little-endian, unlike those of our data channel.
AeadNonce transport_nonce(std::uint8_t number) {
  return AeadNonce{0, 0, 0, 0, number};
}

DhSecret secret_field(const nlohmann::json& vector, const char* field) {
  return DhSecret{hex_array<32>(vector.at(field))};
}

}  // namespace

TEST_CASE("Noise: agrees with cacophony's IKpsk2 vectors, transport messages included") {
  std::size_t count = 0;
  const auto document = load_vectors("noise_cacophony.json");
  for (const auto& vector : document.at("vectors")) {
    if (vector.at("protocol_name") != "Noise_IKpsk2_25519_ChaChaPoly_SHA256") continue;
    ++count;
    const auto& messages = vector.at("messages");
    const PskKey psk{hex_array<32>(vector.at("init_psks").at(0))};
    CHECK(vector.at("resp_psks") == vector.at("init_psks"));
    NoiseInitiator initiator{hex_bytes(vector.at("init_prologue")), secret_field(vector, "init_static"),
                             DhPublic{hex_array<32>(vector.at("init_remote_static"))}, psk.clone(),
                             secret_field(vector, "init_ephemeral")};
    NoiseResponder responder{hex_bytes(vector.at("resp_prologue")), secret_field(vector, "resp_static"), psk.clone(),
                             secret_field(vector, "resp_ephemeral")};

    const auto message_1 = initiator.write_message_1(hex_bytes(messages.at(0).at("payload")));
    REQUIRE(message_1);
    CHECK(*message_1 == hex_bytes(messages.at(0).at("ciphertext")));
    const auto payload_1 = responder.read_message_1(*message_1);
    REQUIRE(payload_1);
    CHECK(*payload_1 == hex_bytes(messages.at(0).at("payload")));
    CHECK(responder.their_static() == dh_public_of(secret_field(vector, "init_static")));

    const auto message_2 = responder.write_message_2(hex_bytes(messages.at(1).at("payload")));
    REQUIRE(message_2);
    CHECK(*message_2 == hex_bytes(messages.at(1).at("ciphertext")));
    const auto payload_2 = initiator.read_message_2(*message_2);
    REQUIRE(payload_2);
    CHECK(*payload_2 == hex_bytes(messages.at(1).at("payload")));

    CHECK(to_hex(initiator.handshake_hash()) == vector.at("handshake_hash").get<std::string>());
    CHECK(responder.handshake_hash() == initiator.handshake_hash());
    const TransportKeys ours = initiator.split();
    const TransportKeys theirs = responder.split();
    for (std::size_t i = 2; i < messages.size(); ++i) {  // in turn: initiator, responder, initiator, …
      CAPTURE(i);
      const Bytes payload = hex_bytes(messages.at(i).at("payload"));
      const Bytes expected = hex_bytes(messages.at(i).at("ciphertext"));
      const AeadNonce nonce = transport_nonce(static_cast<std::uint8_t>((i - 2) / 2));
      const ChaCha20Poly1305Cipher sender{i % 2 == 0 ? ours.send : theirs.send};
      const ChaCha20Poly1305Cipher receiver{i % 2 == 0 ? theirs.receive : ours.receive};
      Bytes sealed(payload.size() + kAeadTagSize);
      sender.seal(nonce, {}, payload, sealed.data());
      CHECK(sealed == expected);
      Bytes opened(payload.size());
      CHECK(receiver.open(nonce, {}, expected, opened.data()));
      CHECK(opened == payload);
    }
  }
  CHECK(count == 1);
}

TEST_CASE("Noise: both sides learn the payloads, the keys and who the other is") {
  const Pair pair{1};
  auto initiator = pair.initiator();
  auto responder = pair.responder();

  const auto message_1 = initiator.write_message_1(kHello);
  REQUIRE(message_1);
  CHECK(message_1->size() == kHello.size() + NoiseInitiator::kOverhead1);
  CHECK(responder.read_message_1(*message_1).value() == kHello);
  CHECK(responder.their_static() == dh_public_of(pair.initiator_static));
  const auto message_2 = responder.write_message_2(kWelcome);
  REQUIRE(message_2);
  CHECK(message_2->size() == kWelcome.size() + NoiseResponder::kOverhead2);
  CHECK(initiator.read_message_2(*message_2).value() == kWelcome);

  const TransportKeys ours = initiator.split();
  const TransportKeys theirs = responder.split();
  CHECK(ours.send.expose() == theirs.receive.expose());
  CHECK(ours.receive.expose() == theirs.send.expose());
  CHECK(ours.send.expose() != ours.receive.expose());
  CHECK(initiator.handshake_hash() == responder.handshake_hash());
}

TEST_CASE("Noise: empty payloads are fine") {
  const Pair pair{2};
  auto initiator = pair.initiator();
  auto responder = pair.responder();

  CHECK(responder.read_message_1(initiator.write_message_1({}).value()).value().empty());
  CHECK(initiator.read_message_2(responder.write_message_2({}).value()).value().empty());
}

TEST_CASE("Noise: a handshake can be moved between its messages") {
  const Pair pair{3};
  NoiseInitiator first = pair.waiting_initiator();
  NoiseInitiator initiator = std::move(first);
  NoiseResponder other = pair.responder();
  NoiseResponder responder = pair.responder();
  REQUIRE(other.read_message_1(pair.message_1()));
  responder = std::move(other);

  CHECK(initiator.read_message_2(responder.write_message_2(kWelcome).value()).value() == kWelcome);
}

TEST_CASE("Noise: message 1 with any octet changed is refused") {
  const Pair pair{4};
  const Bytes message = pair.message_1();
  REQUIRE_FALSE(error_of_message_1(pair, message));

  for (std::size_t i = 0; i < message.size(); ++i) {
    CAPTURE(i);
    Bytes forged = message;
    forged[i] = static_cast<std::uint8_t>(forged[i] ^ (1 << i % 8));
    CHECK(error_of_message_1(pair, forged) == Error::Undecryptable);
  }
}

TEST_CASE("Noise: message 2 with any octet changed is refused") {
  const Pair pair{5};
  const Bytes message = pair.message_2();
  REQUIRE_FALSE(error_of_message_2(pair, message));

  for (std::size_t i = 0; i < message.size(); ++i) {
    CAPTURE(i);
    Bytes forged = message;
    forged[i] = static_cast<std::uint8_t>(forged[i] ^ (1 << i % 8));
    CHECK(error_of_message_2(pair, forged) == Error::Undecryptable);
  }
}

TEST_CASE("Noise: shorter messages are refused") {
  const Pair pair{6};
  const Bytes message_1 = pair.message_1();
  const Bytes message_2 = pair.message_2();

  for (std::size_t size = 0; size < message_1.size(); ++size) {
    CAPTURE(size);
    const Error expected = size < NoiseInitiator::kOverhead1 ? Error::Truncated : Error::Undecryptable;
    CHECK(error_of_message_1(pair, BytesView{message_1}.first(size)) == expected);
  }
  for (std::size_t size = 0; size < message_2.size(); ++size) {
    CAPTURE(size);
    const Error expected = size < NoiseResponder::kOverhead2 ? Error::Truncated : Error::Undecryptable;
    CHECK(error_of_message_2(pair, BytesView{message_2}.first(size)) == expected);
  }
}

TEST_CASE("Noise: messages longer than a Noise message are neither written nor read") {
  const Pair pair{7};
  const Bytes longest(kNoiseMessageMax - NoiseInitiator::kOverhead1, 1);
  const Bytes too_long(kNoiseMessageMax - NoiseInitiator::kOverhead1 + 1, 1);
  auto initiator = pair.initiator();

  CHECK(initiator.write_message_1(too_long).error() == Error::TooLarge);
  const auto message = initiator.write_message_1(longest);  // the refusal changed nothing
  REQUIRE(message);
  CHECK(message->size() == kNoiseMessageMax);
  CHECK_FALSE(error_of_message_1(pair, *message));

  CHECK(error_of_message_1(pair, Bytes(kNoiseMessageMax + 1)) == Error::TooLarge);
  CHECK(error_of_message_2(pair, Bytes(kNoiseMessageMax + 1)) == Error::TooLarge);
  auto responder = pair.responder();
  REQUIRE(responder.read_message_1(pair.message_1()));
  CHECK(responder.write_message_2(Bytes(kNoiseMessageMax - NoiseResponder::kOverhead2 + 1)).error() == Error::TooLarge);
}

TEST_CASE("Noise: another psk does not pass message 2") {
  const Pair pair{8};
  Pair other{8};
  other.psk = PskKey::generate(other.random);

  CHECK(error_of_message_2(other, pair.message_2()) == Error::Undecryptable);
}

TEST_CASE("Noise: another prologue does not pass message 1") {
  const Pair pair{9};
  Pair other{9};
  other.prologue.back() = 2;

  CHECK(error_of_message_1(other, pair.message_1()) == Error::Undecryptable);
}

TEST_CASE("Noise: only the responder that was meant reads message 1") {
  const Pair pair{10};
  Pair other{10};
  other.responder_static = DhSecret::generate(other.random);

  CHECK(error_of_message_1(other, pair.message_1()) == Error::Undecryptable);
}

TEST_CASE("Noise: only the initiator that asked reads message 2") {
  const Pair pair{11};
  Pair other_static{11};
  other_static.initiator_static = DhSecret::generate(other_static.random);
  Pair other_ephemeral{11};
  other_ephemeral.initiator_ephemeral = DhSecret::generate(other_ephemeral.random);

  CHECK(error_of_message_2(other_static, pair.message_2()) == Error::Undecryptable);
  CHECK(error_of_message_2(other_ephemeral, pair.message_2()) == Error::Undecryptable);
}

TEST_CASE("Noise: small-order ephemeral keys are weak") {
  const Pair pair{12};
  for (const char* key : kSmallOrderKeys) {
    CAPTURE(key);
    CHECK(error_of_message_1(pair, with_key(pair.message_1(), 0, key)) == Error::WeakKey);
    CHECK(error_of_message_2(pair, with_key(pair.message_2(), 0, key)) == Error::WeakKey);
  }
}

TEST_CASE("Noise: a small-order static key of the responder is weak, and the handshake is over") {
  const Pair pair{13};
  for (const char* key : kSmallOrderKeys) {
    CAPTURE(key);
    DhPublic weak;
    const Bytes octets = from_hex(key);
    std::copy(octets.begin(), octets.end(), weak.octets.begin());
    NoiseInitiator initiator{kPrologue, pair.initiator_static.clone(), weak, pair.psk.clone(),
                             pair.initiator_ephemeral.clone()};

    CHECK(initiator.write_message_1(kHello).error() == Error::WeakKey);
    CHECK(initiator.write_message_1(kHello).error() == Error::WrongState);
    CHECK(initiator.read_message_2(pair.message_2()).error() == Error::WrongState);
  }
}

TEST_CASE("NoiseResponder: a refused message 1 ends the handshake") {
  const Pair pair{14};
  auto responder = pair.responder();
  Bytes forged = pair.message_1();
  forged.back() = static_cast<std::uint8_t>(forged.back() ^ 1);

  REQUIRE_FALSE(responder.read_message_1(forged));

  CHECK(responder.read_message_1(pair.message_1()).error() == Error::WrongState);
  CHECK(responder.write_message_2(kWelcome).error() == Error::WrongState);
}

TEST_CASE("NoiseInitiator: a forged answer does not keep the true one out") {
  const Pair pair{15};
  auto initiator = pair.waiting_initiator();
  Bytes forged = pair.message_2();
  forged.back() = static_cast<std::uint8_t>(forged.back() ^ 1);

  CHECK(initiator.read_message_2(forged).error() == Error::Undecryptable);
  CHECK(initiator.read_message_2(Bytes{}).error() == Error::Truncated);
  CHECK(initiator.read_message_2(with_key(pair.message_2(), 0, kSmallOrderKeys[0])).error() == Error::WeakKey);

  CHECK(initiator.read_message_2(pair.message_2()).value() == kWelcome);
}

}  // namespace rove
