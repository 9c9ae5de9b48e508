#include "core/peer/handshake.h"

#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace rove {
namespace {

constexpr std::string_view kPrologueName = "rove";

Bytes make_prologue(const NetworkId& network) {
  Bytes prologue;
  Writer to{prologue};
  to.write_bytes(as_bytes(kPrologueName));
  to.write(kProtocolVersion);
  to.write_bytes(network.bytes());
  return prologue;
}

// A payload whose sender speaks our version.
Result<HandshakePayload> read_payload(BytesView plaintext) {
  Result<HandshakePayload> payload = decode_handshake_payload(plaintext);
  if (payload && (payload->version_min > kProtocolVersion || payload->version_max < kProtocolVersion)) {
    return fail(Error::NoCommonAlgorithm);
  }
  return payload;
}

// The certificate and the node record of a payload, both of the node whose static key Noise has proven.
Result<RemoteParty> verify_party(const TrustAnchor& anchor, const HandshakePayload& payload, const DhPublic& proven,
                                 WallTime now) {
  Result<Certificate> certificate = Certificate::parse(payload.certificate);
  if (!certificate) return tl::make_unexpected(certificate.error());
  const Result<DhPublic> static_key = dh_public_of(certificate->key());
  if (!static_key) return tl::make_unexpected(static_key.error());
  if (*static_key != proven) return fail(Error::NotAllowed);
  if (const Result<void> valid = anchor.verify(*certificate, now); !valid) return tl::make_unexpected(valid.error());

  Result<SignedNodeRecord> record = decode_node_record(payload.node_record, anchor.network_id());
  if (!record) return tl::make_unexpected(record.error());
  if (record->record.node != certificate->key()) return fail(Error::NotAllowed);

  return RemoteParty{std::make_shared<const Certificate>(*std::move(certificate)), *std::move(record), payload.observed,
                     payload.timestamp, payload.mtu};
}

}  // namespace

HandshakeIdentity::HandshakeIdentity(const TrustAnchor& anchor, const Certificate& certificate, const SigningSeed& seed,
                                     std::uint8_t aeads, std::uint16_t inner_mtu)
    : anchor_(anchor),
      certificate_(certificate),
      static_key_(dh_secret_of(seed)),
      prologue_(make_prologue(anchor.network_id())),
      aeads_(aeads != 0 ? aeads : supported_aeads()),
      inner_mtu_(inner_mtu) {}

HandshakePayload HandshakeIdentity::payload(SessionIndex local, const Tai64n& timestamp, std::uint8_t aeads,
                                            const std::optional<Endpoint>& observed) const {
  HandshakePayload payload;
  payload.session = local;
  payload.timestamp = timestamp;
  payload.aeads = aeads;
  payload.mtu = inner_mtu_;
  payload.observed = observed;
  payload.certificate = certificate_.der();
  payload.node_record = record_;
  return payload;
}

InitiatorHandshake::InitiatorHandshake(const HandshakeIdentity& identity, const NodeKey& responder,
                                       const DhPublic& responder_static, const PskKey& psk, SessionIndex local,
                                       const Tai64n& timestamp, const std::optional<Endpoint>& observed, Random& random)
    : identity_(identity),
      responder_(responder),
      payload_(identity.payload(local, timestamp, identity.aeads(), observed)),
      noise_(identity.prologue(), identity.static_key().clone(), responder_static, psk.clone(),
             DhSecret::generate(random)) {}

Result<Bytes> InitiatorHandshake::write_init() {
  return noise_.write_message_1(encode(payload_));
}

Result<InitiatorHandshake::Completed> InitiatorHandshake::read_response(WallTime now, BytesView noise) {
  const Result<Bytes> plaintext = noise_.read_message_2(noise);
  if (!plaintext) return tl::make_unexpected(plaintext.error());
  const Result<HandshakePayload> payload = read_payload(*plaintext);
  if (!payload) return tl::make_unexpected(payload.error());

  // The responder chose exactly one, of those that we offered.
  const std::optional<AeadAlgorithm> chosen = choose_aead(payload_.aeads, payload->aeads);
  if (!chosen || static_cast<std::uint8_t>(*chosen) != payload->aeads) return fail(Error::NoCommonAlgorithm);

  const Result<DhPublic> proven = dh_public_of(responder_);
  if (!proven) return tl::make_unexpected(proven.error());
  Result<RemoteParty> responder = verify_party(identity_.anchor(), *payload, *proven, now);
  if (!responder) return tl::make_unexpected(responder.error());
  // Two Ed25519 keys (P and -P) convert to the same X25519 key: the identity must match as well.
  if (responder->certificate->key() != responder_) return fail(Error::NotAllowed);

  return Completed{{payload_.session, payload->session, *chosen, noise_.split()}, *std::move(responder)};
}

ResponderHandshake::ResponderHandshake(const HandshakeIdentity& identity, const PskKey& psk, Random& random)
    : identity_(identity),
      noise_(identity.prologue(), identity.static_key().clone(), psk.clone(), DhSecret::generate(random)) {}

Result<void> ResponderHandshake::read_init(BytesView noise) {
  const Result<Bytes> plaintext = noise_.read_message_1(noise);
  if (!plaintext) return tl::make_unexpected(plaintext.error());
  Result<HandshakePayload> payload = read_payload(*plaintext);
  if (!payload) return tl::make_unexpected(payload.error());
  const std::optional<AeadAlgorithm> chosen = choose_aead(identity_.aeads(), payload->aeads);
  if (!chosen) return fail(Error::NoCommonAlgorithm);
  algorithm_ = *chosen;
  payload_ = *std::move(payload);
  return {};
}

Result<void> ResponderHandshake::verify(WallTime now, const NodeId& sender) {
  Result<RemoteParty> initiator = verify_party(identity_.anchor(), payload_, noise_.their_static(), now);
  if (!initiator) return tl::make_unexpected(initiator.error());
  if (initiator->certificate->id() != sender) return fail(Error::NotAllowed);
  initiator_ = *std::move(initiator);
  return {};
}

Result<ResponderHandshake::Answer> ResponderHandshake::answer(SessionIndex local, const Tai64n& timestamp,
                                                              const Endpoint& observed) {
  ROVE_CHECK(initiator_.certificate != nullptr);
  const HandshakePayload ours = identity_.payload(local, timestamp, static_cast<std::uint8_t>(algorithm_), observed);
  Result<Bytes> noise = noise_.write_message_2(encode(ours));
  if (!noise) return tl::make_unexpected(noise.error());
  return Answer{{local, payload_.session, algorithm_, noise_.split()}, *std::move(noise)};
}

}  // namespace rove
