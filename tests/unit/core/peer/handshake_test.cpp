#include "core/peer/handshake.h"

#include <doctest/doctest.h>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace rove {
namespace {

constexpr std::uint8_t kBoth = 3;
constexpr std::uint8_t kAes = 1;
constexpr std::uint8_t kChaCha = 2;

HandshakeIdentity identity_of(const TestNetwork& network, const TestNode& node, std::uint8_t aeads = kBoth) {
  HandshakeIdentity identity{network.anchor(), node.certificate, node.seed, aeads, 1400};
  identity.set_record(network.node_record(node, {endpoint_of("192.0.2.1:7683")}, 1).encoded);
  return identity;
}

PskKey psk_of(const TestNetwork& network) {
  return derive_psk(derive_first_ring_secret(network.key()));
}

// Two nodes of one network, and one handshake between them, step by step.
struct Meeting {
  explicit Meeting(std::uint8_t aeads_a = kBoth, std::uint8_t aeads_b = kBoth)
      : us(identity_of(network, a, aeads_a)), them(identity_of(network, b, aeads_b)) {}

  InitiatorHandshake initiator(const std::optional<Endpoint>& observed = {}) {
    const auto static_key = dh_public_of(b.key());
    REQUIRE(static_key);
    return {us, b.key(), *static_key, psk, SessionIndex{11}, Tai64n{1}, observed, random};
  }
  ResponderHandshake responder() { return {them, psk, random}; }

  SeededRandom random{1};
  TestNetwork network;
  const TestNode& a = network.add_node("a");
  const TestNode& b = network.add_node("b");
  PskKey psk = psk_of(network);
  HandshakeIdentity us;
  HandshakeIdentity them;
};

Bytes init_of(InitiatorHandshake& initiator) {
  auto init = initiator.write_init();
  REQUIRE(init);
  return *std::move(init);
}

TEST_CASE("Handshake: both sides get the same keys, crosswise, and know each other") {
  Meeting meeting;
  InitiatorHandshake initiator = meeting.initiator(endpoint_of("192.0.2.2:7683"));
  ResponderHandshake responder = meeting.responder();

  REQUIRE(responder.read_init(init_of(initiator)));
  REQUIRE(responder.verify(kTestNow, meeting.a.id()));
  const auto answer = responder.answer(SessionIndex{22}, Tai64n{2}, endpoint_of("203.0.113.7:1024"));
  REQUIRE(answer);
  const auto completed = initiator.read_response(kTestNow, answer->noise);
  REQUIRE(completed);

  CHECK(completed->session.keys.send.expose() == answer->session.keys.receive.expose());
  CHECK(completed->session.keys.receive.expose() == answer->session.keys.send.expose());
  CHECK(completed->session.keys.send.expose() != completed->session.keys.receive.expose());
  CHECK(completed->session.local == SessionIndex{11});
  CHECK(completed->session.remote == SessionIndex{22});
  CHECK(answer->session.local == SessionIndex{22});
  CHECK(answer->session.remote == SessionIndex{11});
  CHECK(responder.initiator().certificate->name() == "a");
  CHECK(responder.initiator().observed == endpoint_of("192.0.2.2:7683"));
  CHECK(responder.initiator().record.record.node == meeting.a.key());
  CHECK(completed->responder.certificate->name() == "b");
  CHECK(completed->responder.observed == endpoint_of("203.0.113.7:1024"));
}

TEST_CASE("Handshake: AES-256-GCM is taken when both have it, else what both have") {
  struct Row {
    std::uint8_t initiator;
    std::uint8_t responder;
    std::optional<AeadAlgorithm> chosen;
  };
  for (const Row& row : {Row{kBoth, kBoth, AeadAlgorithm::Aes256Gcm}, Row{kBoth, kAes, AeadAlgorithm::Aes256Gcm},
                         Row{kChaCha, kBoth, AeadAlgorithm::ChaCha20Poly1305},
                         Row{kBoth, kChaCha, AeadAlgorithm::ChaCha20Poly1305}, Row{kAes, kChaCha, std::nullopt}}) {
    Meeting meeting{row.initiator, row.responder};
    InitiatorHandshake initiator = meeting.initiator();
    ResponderHandshake responder = meeting.responder();

    const Result<void> read = responder.read_init(init_of(initiator));

    if (!row.chosen) {
      REQUIRE_FALSE(read);
      CHECK(read.error() == Error::NoCommonAlgorithm);
      continue;
    }
    REQUIRE(read);
    REQUIRE(responder.verify(kTestNow, meeting.a.id()));
    const auto answer = responder.answer(SessionIndex{22}, Tai64n{2}, endpoint_of("192.0.2.1:7683"));
    REQUIRE(answer);
    const auto completed = initiator.read_response(kTestNow, answer->noise);
    REQUIRE(completed);
    CHECK(answer->session.algorithm == *row.chosen);
    CHECK(completed->session.algorithm == *row.chosen);
  }
}

TEST_CASE("Handshake: another psk or another network cannot even read the init") {
  Meeting meeting;
  InitiatorHandshake initiator = meeting.initiator();
  const Bytes init = init_of(initiator);
  // The psk enters with the second message (IKpsk2); so it is the response that fails.
  const PskKey other_psk = PskKey::generate(meeting.random);
  ResponderHandshake other_ring{meeting.them, other_psk, meeting.random};
  TestNetwork other_network{2};
  const HandshakeIdentity foreign{other_network.anchor(), meeting.b.certificate, meeting.b.seed, kBoth, 1400};
  ResponderHandshake abroad{foreign, meeting.psk, meeting.random};

  CHECK(abroad.read_init(init).error() == Error::Undecryptable);
  REQUIRE(other_ring.read_init(init));
  REQUIRE(other_ring.verify(kTestNow, meeting.a.id()));
  const auto answer = other_ring.answer(SessionIndex{22}, Tai64n{2}, endpoint_of("192.0.2.1:7683"));
  REQUIRE(answer);
  CHECK(initiator.read_response(kTestNow, answer->noise).error() == Error::Undecryptable);
}

TEST_CASE("Handshake: the responder refuses who is not who the envelope says") {
  Meeting meeting;
  InitiatorHandshake initiator = meeting.initiator();
  ResponderHandshake responder = meeting.responder();

  REQUIRE(responder.read_init(init_of(initiator)));

  CHECK(responder.verify(kTestNow, meeting.b.id()).error() == Error::NotAllowed);
}

TEST_CASE("Handshake: a certificate is believed within its time only, and only with its own key") {
  Meeting meeting;
  const WallTime in_eleven_years = kTestNow + std::chrono::hours{24 * 365 * 11};
  const TestNode& c = meeting.network.add_node("c");
  // a's keys with c's certificate
  HandshakeIdentity borrowed{meeting.network.anchor(), c.certificate, meeting.a.seed, kBoth, 1400};
  borrowed.set_record(meeting.us.record());
  InitiatorHandshake honest = meeting.initiator();
  ResponderHandshake late = meeting.responder();
  REQUIRE(late.read_init(init_of(honest)));
  InitiatorHandshake liar{borrowed,     meeting.b.key(),  *dh_public_of(meeting.b.key()),
                          meeting.psk,  SessionIndex{11}, Tai64n{1},
                          std::nullopt, meeting.random};
  ResponderHandshake responder = meeting.responder();
  REQUIRE(responder.read_init(init_of(liar)));

  CHECK(late.verify(in_eleven_years, meeting.a.id()).error() == Error::Expired);
  CHECK(late.verify(kTestNow - std::chrono::hours{48}, meeting.a.id()).error() == Error::NotYetValid);
  CHECK(responder.verify(kTestNow, c.id()).error() == Error::NotAllowed);
  CHECK(responder.verify(kTestNow, meeting.a.id()).error() == Error::NotAllowed);
}

TEST_CASE("Handshake: a node record must be the sender's own") {
  Meeting meeting;
  meeting.us.set_record(meeting.them.record());
  InitiatorHandshake initiator = meeting.initiator();
  ResponderHandshake responder = meeting.responder();

  REQUIRE(responder.read_init(init_of(initiator)));

  CHECK(responder.verify(kTestNow, meeting.a.id()).error() == Error::NotAllowed);
}

TEST_CASE("Handshake: the initiator refuses a responder that answers in another's name") {
  Meeting meeting;
  const TestNode& c = meeting.network.add_node("c");
  // b's keys, so that Noise succeeds, with c's certificate and record
  HandshakeIdentity masked{meeting.network.anchor(), c.certificate, meeting.b.seed, kBoth, 1400};
  masked.set_record(identity_of(meeting.network, c).record());
  InitiatorHandshake initiator = meeting.initiator();
  ResponderHandshake responder{masked, meeting.psk, meeting.random};
  REQUIRE(responder.read_init(init_of(initiator)));
  REQUIRE(responder.verify(kTestNow, meeting.a.id()));
  const auto answer = responder.answer(SessionIndex{22}, Tai64n{2}, endpoint_of("192.0.2.1:7683"));
  REQUIRE(answer);

  CHECK(initiator.read_response(kTestNow, answer->noise).error() == Error::NotAllowed);
}

TEST_CASE("Handshake: no bit of either message may change") {
  Meeting meeting;
  InitiatorHandshake initiator = meeting.initiator();
  const Bytes init = init_of(initiator);
  for (std::size_t i = 0; i < init.size(); ++i) {
    Bytes changed = init;
    changed[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
    ResponderHandshake responder = meeting.responder();
    // The top bit of an X25519 key does not count (RFC 7748 §5), but the transcript's hash covers it.
    CHECK_FALSE(responder.read_init(changed));
  }
  for (std::size_t i = 0; i < 200; ++i) {
    InitiatorHandshake one = meeting.initiator();
    ResponderHandshake responder = meeting.responder();
    REQUIRE(responder.read_init(init_of(one)));
    REQUIRE(responder.verify(kTestNow, meeting.a.id()));
    auto answer = responder.answer(SessionIndex{22}, Tai64n{2}, endpoint_of("192.0.2.1:7683"));
    REQUIRE(answer);
    answer->noise[meeting.random.below(answer->noise.size())] ^= static_cast<std::uint8_t>(1U << (i % 8));
    CHECK_FALSE(one.read_response(kTestNow, answer->noise));
  }
}

}  // namespace
}  // namespace rove
