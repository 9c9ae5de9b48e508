// Dispatch to the peers by node id and session index. What one peer does stands in peer.cpp.
//
//   init     → gate (load, cookie) → Noise → timestamp → certificate → Peer::handle_init
//   response → index → Peer::handle_response         control → index → Peer::handle_control
#include "core/peer/peer_set.h"

#include <map>
#include <set>
#include <utility>

#include "core/base/check.h"
#include "core/peer/amplification.h"
#include "core/peer/handshake_gate.h"
#include "core/peer/handshake_message.h"
#include "core/peer/peer.h"
#include "core/peer/peer_context.h"

namespace rove {
namespace {

template <typename T>
std::optional<T> take_front(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  std::optional<T> item{std::move(queue.front())};
  queue.pop_front();
  return item;
}

}  // namespace

struct PeerSet::Impl {
  Impl(const PeerSetConfig& config, const TrustAnchor& anchor, const Certificate& certificate, const SigningSeed& seed,
       SealedChannel& sealed, Random& random)
      : identity(anchor, certificate, seed, config.aeads, config.inner_mtu),
        context{identity, sealed, random},
        gate(random) {}

  struct Entry {
    Entry(PeerContext& context, const NodeKey& key, const DhPublic& static_key) : peer(context, key, static_key) {}
    Peer peer;
    std::optional<TimePoint> deadline;  // as it stands in `deadlines`
  };
  using Peers = std::map<NodeId, Entry>;

  // After anything was done with a peer: forgets it if it is idle, else keeps its deadline in order.
  void settle(Peers::iterator it);
  // nullptr when the table is full.
  Entry* find_or_add(const NodeKey& key, const DhPublic& static_key);
  void handle_init(Now now, const Endpoint& from, std::size_t datagram_size, const OpenedEnvelope& envelope);
  void send_cookie(Now now, const Endpoint& from, const NodeId& sender, SessionIndex initiator);
  // The peer with one of our session indexes; end() when there is none.
  Peers::iterator find_by_index(SessionIndex index);
  // As above, if the envelope comes from that peer.
  Peers::iterator find_initiator(const OpenedEnvelope& envelope, SessionIndex index);
  void flush(Now now);

  HandshakeIdentity identity;
  PeerContext context;
  HandshakeGate gate;
  Peers peers;  // after `context`, which they borrow
  std::set<std::pair<TimePoint, NodeId>> deadlines;
};

void PeerSet::Impl::settle(Peers::iterator it) {
  Entry& entry = it->second;
  const bool idle = entry.peer.is_idle();
  const std::optional<TimePoint> deadline = idle ? std::nullopt : entry.peer.poll_timeout();
  if (deadline != entry.deadline) {
    if (entry.deadline) deadlines.erase({*entry.deadline, it->first});
    if (deadline) deadlines.emplace(*deadline, it->first);
    entry.deadline = deadline;
  }
  if (!idle) return;
  context.unsent.erase(it->first);
  peers.erase(it);
}

PeerSet::Impl::Peers::iterator PeerSet::Impl::find_by_index(SessionIndex index) {
  const std::optional<NodeId> id = context.indexes.find(index);
  return id ? peers.find(*id) : peers.end();
}

PeerSet::Impl::Peers::iterator PeerSet::Impl::find_initiator(const OpenedEnvelope& envelope, SessionIndex index) {
  const auto it = find_by_index(index);
  return it != peers.end() && it->first == envelope.sender ? it : peers.end();
}

void PeerSet::Impl::handle_init(Now now, const Endpoint& from, std::size_t datagram_size,
                                const OpenedEnvelope& envelope) {
  const Result<InitMessage> init = decode_init(envelope.body);
  if (!init) {
    ++context.counters.sealed_malformed;
    return;
  }
  const PskKey* psk = context.sealed.find_psk(envelope.ring);
  if (identity.record().empty() || psk == nullptr) return;

  const std::size_t answer_max =
      kSealedOverhead + response_size_max(identity.certificate_der().size(), identity.record().size());
  const bool must_prove = answer_max > kAmplificationMax * datagram_size;
  const auto verdict = gate.judge(now.steady, from, envelope.sender, init->cookie, must_prove);
  if (verdict != HandshakeGate::Verdict::Admit) {
    ++context.counters.handshakes_limited;
    if (verdict == HandshakeGate::Verdict::Challenge) send_cookie(now, from, envelope.sender, init->initiator);
    return;
  }

  ResponderHandshake handshake(identity, *psk, context.random);
  if (!handshake.read_init(init->noise) || handshake.payload().session != init->initiator) {
    ++context.counters.handshakes_refused;
    return;
  }
  const Tai64n timestamp = handshake.payload().timestamp;
  const auto order = context.timestamps.compare(envelope.sender, timestamp);
  if (order == TimestampTable::Order::Same) {
    ++context.counters.handshakes_repeated;
    return;
  }
  if (order == TimestampTable::Order::Older || !handshake.verify(now.wall, envelope.sender)) {
    ++context.counters.handshakes_refused;
    return;
  }
  context.timestamps.accept(envelope.sender, timestamp);

  const NodeKey key = handshake.initiator().certificate->key();
  const Result<DhPublic> static_key = dh_public_of(key);
  ROVE_CHECK(static_key.has_value());  // verify() has compared it
  Entry* entry = find_or_add(key, *static_key);
  if (entry == nullptr) {
    ++context.counters.handshakes_limited;
    return;
  }
  entry->peer.handle_init(now, from, datagram_size, init->initiator, std::move(handshake));
  settle(peers.find(envelope.sender));
}

void PeerSet::Impl::send_cookie(Now now, const Endpoint& from, const NodeId& sender, SessionIndex initiator) {
  const Bytes body = encode(CookieMessage{initiator, gate.make_cookie(now.steady, from, sender)});
  context.transmits.push_back({from, context.sealed.seal(now, context.random, SealedKind::Cookie, body)});
}

PeerSet::Impl::Entry* PeerSet::Impl::find_or_add(const NodeKey& key, const DhPublic& static_key) {
  const NodeId id = node_id_of(key);
  if (const auto it = peers.find(id); it != peers.end()) return &it->second;
  if (peers.size() >= kPeersMax) return nullptr;
  return &peers.try_emplace(id, context, key, static_key).first->second;
}

void PeerSet::Impl::flush(Now now) {
  while (!context.unsent.empty()) {
    const NodeId id = *context.unsent.begin();
    context.unsent.erase(context.unsent.begin());
    const auto it = peers.find(id);
    if (it == peers.end()) continue;
    it->second.peer.flush(now);
    settle(it);
  }
}

std::vector<Bytes> cut(Bytes bytes, std::size_t segment) {
  if (segment == 0) return {std::move(bytes)};
  std::vector<Bytes> pieces;
  for (BytesView rest = bytes; !rest.empty();) {
    const BytesView piece = rest.first(std::min(segment, rest.size()));
    pieces.emplace_back(piece.begin(), piece.end());
    rest = rest.subspan(piece.size());
  }
  return pieces;
}

PeerSet::PeerSet(const PeerSetConfig& config, const TrustAnchor& anchor, const Certificate& certificate,
                 const SigningSeed& seed, SealedChannel& sealed, Random& random)
    : impl_(std::make_unique<Impl>(config, anchor, certificate, seed, sealed, random)) {}

PeerSet::~PeerSet() = default;

void PeerSet::set_own_record(SignedNodeRecord record) {
  impl_->identity.set_record(std::move(record.encoded));
}

void PeerSet::connect(Now now, const NodeKey& node, const std::vector<Endpoint>& endpoints) {
  ROVE_CHECK(!impl_->identity.record().empty());
  const Result<DhPublic> static_key = dh_public_of(node);
  const NodeId id = node_id_of(node);
  if (!static_key || id == impl_->identity.id()) return;  // nobody can be there; ourselves
  Impl::Entry* entry = impl_->find_or_add(node, *static_key);
  if (entry == nullptr) {
    impl_->context.events.push_back(PeerUnreachable{id});
    return;
  }
  entry->peer.connect(now, endpoints);
  impl_->settle(impl_->peers.find(id));
}

void PeerSet::disconnect(Now now, const NodeId& peer, CloseReason reason) {
  const auto it = impl_->peers.find(peer);
  if (it == impl_->peers.end()) return;
  it->second.peer.close(now, reason);
  impl_->settle(it);
}

void PeerSet::disconnect_all(Now now, CloseReason reason) {
  while (!impl_->peers.empty()) {
    const auto it = impl_->peers.begin();
    it->second.peer.close(now, reason);
    impl_->settle(it);
  }
}

void PeerSet::handle_sealed(Now now, const Endpoint& from, std::size_t datagram_size, const OpenedEnvelope& envelope) {
  ++impl_->context.counters.sealed_opened;
  if (envelope.sender == impl_->identity.id()) return;  // our own, reflected
  if (envelope.kind == SealedKind::HandshakeInit) {
    impl_->handle_init(now, from, datagram_size, envelope);
  } else if (envelope.kind == SealedKind::HandshakeResponse) {
    const Result<ResponseMessage> response = decode_response(envelope.body);
    if (!response) {
      ++impl_->context.counters.sealed_malformed;
      return;
    }
    const auto it = impl_->find_initiator(envelope, response->initiator);
    if (it == impl_->peers.end()) return;  // of an attempt that was given up
    it->second.peer.handle_response(now, from, response->initiator, response->noise);
    impl_->settle(it);
  } else if (envelope.kind == SealedKind::Cookie) {
    const Result<CookieMessage> cookie = decode_cookie(envelope.body);
    if (!cookie) {
      ++impl_->context.counters.sealed_malformed;
      return;
    }
    const auto it = impl_->find_initiator(envelope, cookie->initiator);
    if (it == impl_->peers.end()) return;
    it->second.peer.handle_cookie(now, from, *cookie);
    impl_->settle(it);
  }
}

void PeerSet::handle_control(Now now, const Endpoint& from, BytesView datagram) {
  const Result<Header> header = parse_header(datagram);
  const bool is_control = header && header->type == DatagramType::Control;
  const auto it = is_control ? impl_->find_by_index(header->receiver) : impl_->peers.end();
  if (it == impl_->peers.end()) {
    ++impl_->context.counters.control_dropped;
    return;
  }
  it->second.peer.handle_control(now, from, *header, datagram);
  impl_->settle(it);
}

void PeerSet::handle_session_heard(Now now, SessionIndex local_index, const Endpoint& from) {
  const auto it = impl_->find_by_index(local_index);
  if (it == impl_->peers.end()) return;
  it->second.peer.handle_session_heard(now, local_index, from);
  impl_->settle(it);
}

void PeerSet::handle_session_worn(Now now, SessionIndex local_index) {
  const auto it = impl_->find_by_index(local_index);
  if (it == impl_->peers.end()) return;
  it->second.peer.handle_session_worn(now, local_index);
  impl_->settle(it);
}

void PeerSet::handle_timeout(Now now) {
  while (!impl_->deadlines.empty() && impl_->deadlines.begin()->first <= now.steady) {
    const auto it = impl_->peers.find(impl_->deadlines.begin()->second);
    it->second.peer.handle_timeout(now);
    impl_->settle(it);
  }
}

bool PeerSet::send(Now now, const NodeId& peer, const ControlMessage& message) {
  const auto it = impl_->peers.find(peer);
  return it != impl_->peers.end() && it->second.peer.send(now, message);
}

void PeerSet::ping(Now now, const NodeId& peer) {
  if (const auto it = impl_->peers.find(peer); it != impl_->peers.end()) it->second.peer.ping(now);
}

std::optional<std::uint64_t> PeerSet::probe(Now now, const NodeId& peer) {
  const auto it = impl_->peers.find(peer);
  return it != impl_->peers.end() ? it->second.peer.probe(now) : std::nullopt;
}

std::optional<OutgoingDatagram> PeerSet::poll_transmit(Now now) {
  if (impl_->context.transmits.empty()) impl_->flush(now);
  return take_front(impl_->context.transmits);
}

std::optional<PeerEvent> PeerSet::poll_event() {
  return take_front(impl_->context.events);
}

std::optional<TimePoint> PeerSet::poll_timeout() const {
  if (impl_->deadlines.empty()) return std::nullopt;
  return impl_->deadlines.begin()->first;
}

bool PeerSet::take_sessions_changed() {
  return std::exchange(impl_->context.sessions_changed, false);
}

void PeerSet::fill(Snapshot& snapshot) const {
  for (const auto& [id, entry] : impl_->peers) entry.peer.fill(snapshot);
}

bool PeerSet::is_up(const NodeId& peer) const {
  const auto it = impl_->peers.find(peer);
  return it != impl_->peers.end() && it->second.peer.is_up();
}

std::shared_ptr<const Certificate> PeerSet::find_certificate(const NodeId& peer) const {
  const auto it = impl_->peers.find(peer);
  return it != impl_->peers.end() ? it->second.peer.certificate() : nullptr;
}

std::vector<PeerInfo> PeerSet::peers() const {
  std::vector<PeerInfo> all;
  all.reserve(impl_->peers.size());
  for (const auto& [id, entry] : impl_->peers) all.push_back(entry.peer.info());
  return all;
}

std::optional<PeerInfo> PeerSet::find_peer(const NodeId& peer) const {
  const auto it = impl_->peers.find(peer);
  if (it == impl_->peers.end()) return std::nullopt;
  return it->second.peer.info();
}

const PeerSetCounters& PeerSet::counters() const {
  return impl_->context.counters;
}

}  // namespace rove
