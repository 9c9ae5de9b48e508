// One attempt at a handshake, in either role: Noise, payload and certificate, up to a session's keys.
// docs/protocol.md §4. Nothing here knows of time-outs, addresses or envelopes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/aead.h"
#include "core/crypto/keys.h"
#include "core/crypto/noise.h"
#include "core/identity/certificate.h"
#include "core/location/node_record.h"
#include "core/wire/handshake_payload.h"

namespace rove {

// Who we are in a handshake.
class HandshakeIdentity {
 public:
  // `anchor` and `certificate` must outlive it. `aeads`: what we offer; 0 means supported_aeads().
  HandshakeIdentity(const TrustAnchor& anchor, const Certificate& certificate, const SigningSeed& seed,
                    std::uint8_t aeads, std::uint16_t inner_mtu);

  void set_record(Bytes encoded) { record_ = std::move(encoded); }

  [[nodiscard]] const NodeId& id() const { return certificate_.id(); }
  [[nodiscard]] const TrustAnchor& anchor() const { return anchor_; }
  [[nodiscard]] std::uint8_t aeads() const { return aeads_; }
  [[nodiscard]] const DhSecret& static_key() const { return static_key_; }
  [[nodiscard]] BytesView prologue() const { return prologue_; }
  [[nodiscard]] const Bytes& certificate_der() const { return certificate_.der(); }
  [[nodiscard]] const Bytes& record() const { return record_; }
  // What we say of ourselves in either message.
  [[nodiscard]] HandshakePayload payload(SessionIndex local, const Tai64n& timestamp, std::uint8_t aeads,
                                         const std::optional<Endpoint>& observed) const;

 private:
  const TrustAnchor& anchor_;
  const Certificate& certificate_;
  DhSecret static_key_;
  Bytes prologue_;
  Bytes record_;
  std::uint8_t aeads_;
  std::uint16_t inner_mtu_;
};

// The other side, after its payload was verified.
struct RemoteParty {
  std::shared_ptr<const Certificate> certificate;
  SignedNodeRecord record;
  std::optional<Endpoint> observed;  // where it saw us; nullopt when it had not
  Tai64n timestamp{};
  std::uint16_t mtu = 0;  // the largest inner IP packet that it takes
};

// What a completed handshake gives.
struct EstablishedSession {
  SessionIndex local;
  SessionIndex remote;
  AeadAlgorithm algorithm = AeadAlgorithm::ChaCha20Poly1305;
  TransportKeys keys;
};

class InitiatorHandshake {
 public:
  // `identity` must outlive it. `responder` is the peer's identity, `responder_static` its X25519 key; `observed`
  // where we see the peer, when there is a session with it.
  InitiatorHandshake(const HandshakeIdentity& identity, const NodeKey& responder, const DhPublic& responder_static,
                     const PskKey& psk, SessionIndex local, const Tai64n& timestamp,
                     const std::optional<Endpoint>& observed, Random& random);

  // Noise message 1, the same for every copy that is sent. Errors: WeakKey.
  [[nodiscard]] Result<Bytes> write_init();

  struct Completed {
    EstablishedSession session;
    RemoteParty responder;
  };
  // Noise message 2. On an error this handshake is over. Errors: those of Noise and of the payload's parts,
  // NoCommonAlgorithm, and NotAllowed when a certificate or record is not the responder's.
  [[nodiscard]] Result<Completed> read_response(WallTime now, BytesView noise);

 private:
  const HandshakeIdentity& identity_;
  NodeKey responder_;
  HandshakePayload payload_;
  NoiseInitiator noise_;
};

// Steps: read_init(), verify(), answer(); the cheap ones first. On an error it is over.
class ResponderHandshake {
 public:
  // `identity` must outlive it.
  ResponderHandshake(const HandshakeIdentity& identity, const PskKey& psk, Random& random);

  // Noise message 1. Errors: those of Noise and of the payload's layout, NoCommonAlgorithm.
  [[nodiscard]] Result<void> read_init(BytesView noise);
  [[nodiscard]] const HandshakePayload& payload() const { return payload_; }
  // Proves the initiator to be `sender`. Errors: those of the certificate and record, NotAllowed when they are not
  // the sender's.
  [[nodiscard]] Result<void> verify(WallTime now, const NodeId& sender);
  // After verify().
  [[nodiscard]] const RemoteParty& initiator() const { return initiator_; }

  struct Answer {
    EstablishedSession session;
    Bytes noise;  // message 2
  };
  // Errors: WeakKey.
  [[nodiscard]] Result<Answer> answer(SessionIndex local, const Tai64n& timestamp, const Endpoint& observed);

 private:
  const HandshakeIdentity& identity_;
  NoiseResponder noise_;
  HandshakePayload payload_;
  AeadAlgorithm algorithm_ = AeadAlgorithm::ChaCha20Poly1305;
  RemoteParty initiator_;
};

}  // namespace rove
