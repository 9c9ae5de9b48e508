#include "core/peer/peer.h"

#include <algorithm>
#include <utility>

#include "core/base/endpoint_codec.h"
#include "core/peer/amplification.h"

namespace rove {
namespace {

std::string_view algorithm_name(AeadAlgorithm algorithm) {
  return algorithm == AeadAlgorithm::Aes256Gcm ? "aes-256-gcm" : "chacha20-poly1305";
}

void add_unique(std::vector<Endpoint>& to, const std::optional<Endpoint>& endpoint) {
  if (endpoint && std::find(to.begin(), to.end(), *endpoint) == to.end()) to.push_back(*endpoint);
}

}  // namespace

Peer::Peer(PeerContext& context, const NodeKey& key, const DhPublic& static_key)
    : context_(context), key_(key), id_(node_id_of(key)), static_key_(static_key) {
  timers_.fill(TimePoint::max());
}

bool Peer::take(Timer timer, TimePoint now) {
  if (timers_[static_cast<std::size_t>(timer)] > now) return false;
  disarm(timer);
  return true;
}

// ---- handshakes of ours -------------------------------------------------------------------------

void Peer::connect(Now now, const std::vector<Endpoint>& endpoints) {
  std::vector<Endpoint> known = candidates_;
  add_unique(known, endpoint_);
  add_unique(known, suggested_);
  std::vector<Endpoint> candidates;
  std::vector<Endpoint> fresh;
  for (const Endpoint& endpoint : endpoints) {
    if (!is_sendable(endpoint) || candidates.size() == kEndpointsMax) continue;
    add_unique(candidates, endpoint);
    if (std::find(known.begin(), known.end(), endpoint) == known.end()) add_unique(fresh, endpoint);
  }
  candidates_ = std::move(candidates);
  wanted_ = true;
  if (current_) return;

  if (!is_armed(Timer::Unreachable)) arm(Timer::Unreachable, now.steady + kConnectTimeout);
  if (!fresh.empty()) full_rounds_ = std::max(full_rounds_, 1U);
  if (next_) {
    // The peer's own handshake is about to be confirmed; ours would only cross it.
    if (!is_armed(Timer::Handshake)) arm(Timer::Handshake, now.steady + retry_interval(0));
  } else if (!is_armed(Timer::Handshake)) {
    begin_handshake(now);
  } else if (!fresh.empty() && now.steady - last_init_ >= kRetryIntervals[0]) {
    start_round(now);
  }
}

void Peer::begin_handshake(Now now) {
  if (is_armed(Timer::Handshake)) return;
  round_ = 0;
  full_rounds_ = kFullRounds;
  start_round(now);
}

void Peer::start_round(Now now) {
  arm(Timer::Handshake, now.steady + retry_interval(round_));
  const std::vector<Endpoint> endpoints = round_endpoints();
  ++round_;
  attempt_.reset();
  const PskKey* psk = context_.sealed.find_psk(context_.sealed.current_ring());
  if (endpoints.empty() || psk == nullptr) return;

  SessionIndexLease lease = context_.indexes.lease(context_.random, id_);
  const Tai64n timestamp = context_.clock.next(now.wall, context_.sealed.last_stamp());
  InitiatorHandshake handshake(context_.identity, key_, static_key_, *psk, lease.index(), timestamp,
                               current_ ? endpoint_ : std::nullopt, context_.random);
  Result<Bytes> noise = handshake.write_init();
  if (!noise) {
    ++context_.counters.handshakes_refused;
    return;
  }
  attempt_.emplace(Attempt{std::move(lease), std::move(handshake), *std::move(noise), {}, false});
  last_init_ = now.steady;
  ++context_.counters.handshakes_started;
  send_init(now, endpoints);
}

void Peer::stop_handshake() {
  attempt_.reset();
  from_silence_ = false;
  disarm(Timer::Handshake);
}

// One Noise message in as many envelopes as there are endpoints: the responder answers the first to arrive.
void Peer::send_init(Now now, const std::vector<Endpoint>& endpoints) {
  InitMessage message{attempt_->lease.index(), std::nullopt, attempt_->noise};
  if (cookie_ && now.steady < cookie_->until) message.cookie = cookie_->cookie;
  const Bytes body = encode(message);
  for (const Endpoint& endpoint : endpoints) {
    context_.transmits.push_back(
        {endpoint, context_.sealed.seal(now, context_.random, SealedKind::HandshakeInit, body)});
    add_unique(attempt_->sent_to, endpoint);
  }
}

std::vector<Endpoint> Peer::round_endpoints() {
  // A renewal begins where the peer is.
  if (current_ && endpoint_ && !from_silence_ && round_ == 0) return {*endpoint_};
  std::vector<Endpoint> all;
  add_unique(all, endpoint_);
  add_unique(all, suggested_);
  for (const Endpoint& candidate : candidates_) add_unique(all, candidate);
  if (all.empty()) return all;
  if (full_rounds_ > 0) {
    --full_rounds_;
    return all;
  }
  return {all[turn_++ % all.size()]};
}

Duration Peer::retry_interval(std::size_t round) {
  const Duration interval = kRetryIntervals[std::min(round, kRetryIntervals.size() - 1)];
  const Duration jitter = interval / 5;
  return interval - jitter + Duration{context_.random.below(2 * jitter.count())};
}

void Peer::handle_response(Now now, const Endpoint& from, SessionIndex index, BytesView noise) {
  if (!attempt_ || attempt_->lease.index() != index) return;
  Result<InitiatorHandshake::Completed> completed = attempt_->handshake.read_response(now.wall, noise);
  if (!completed) {
    // Noise cannot go back: this attempt is lost, the next round makes another.
    ++context_.counters.handshakes_refused;
    attempt_.reset();
    return;
  }
  context_.timestamps.accept(id_, completed->responder.timestamp);
  clock_lead_ = lead_of(completed->responder.timestamp, now.wall);
  Session session(now.steady, Session::Role::Initiator, ++context_.last_serial, std::move(attempt_->lease),
                  std::move(completed->session));
  establish(now, from, std::move(session), std::move(completed->responder));
  send_ping(now);
}

void Peer::handle_cookie(Now now, const Endpoint& from, const CookieMessage& message) {
  if (!attempt_ || attempt_->lease.index() != message.initiator || attempt_->cookie_taken) return;
  attempt_->cookie_taken = true;
  cookie_ = KeptCookie{message.cookie, now.steady + kCookieTime};
  const std::vector<Endpoint>& asked = attempt_->sent_to;
  if (std::find(asked.begin(), asked.end(), from) != asked.end()) send_init(now, {from});
}

// ---- handshakes of the peer's -------------------------------------------------------------------

void Peer::handle_init(Now now, const Endpoint& from, std::size_t datagram_size, SessionIndex initiator_index,
                       ResponderHandshake handshake) {
  if (attempt_ && context_.identity.id() < id_) {
    // Both opened at once, and ours counts. It may not have reached the peer: now we know from where it sends.
    suggested_ = from;
    if (!handshake.initiator().observed) forgotten_ = true;
    const std::size_t size =
        kSealedOverhead + encode(InitMessage{initiator_index, HandshakeCookie{}, attempt_->noise}).size();
    if (size <= kAmplificationMax * datagram_size) send_init(now, {from});
    return;
  }

  clock_lead_ = lead_of(handshake.initiator().timestamp, now.wall);
  SessionIndexLease lease = context_.indexes.lease(context_.random, id_);
  const Tai64n timestamp = context_.clock.next(now.wall, context_.sealed.last_stamp());
  Result<ResponderHandshake::Answer> answer = handshake.answer(lease.index(), timestamp, from);
  if (!answer) {
    ++context_.counters.handshakes_refused;
    return;
  }
  Session session(now.steady, Session::Role::Responder, ++context_.last_serial, std::move(lease),
                  std::move(answer->session));
  next_.emplace(Unconfirmed{std::move(session), handshake.initiator()});
  if (!endpoint_) endpoint_ = from;
  if (is_armed(Timer::Handshake)) {
    // Ours is given up; should the peer's not come to an end, another follows.
    attempt_.reset();
    arm(Timer::Handshake, now.steady + retry_interval(kRetryIntervals.size()));
  }
  arm_expiry();
  context_.sessions_changed = true;
  const Bytes body = encode(ResponseMessage{initiator_index, answer->noise});
  context_.transmits.push_back({from, context_.sealed.seal(now, context_.random, SealedKind::HandshakeResponse, body)});
}

// ---- sessions -----------------------------------------------------------------------------------

Session* Peer::find_session(SessionIndex index) {
  if (current_ && current_->local_index() == index) return &*current_;
  if (next_ && next_->session.local_index() == index) return &next_->session;
  if (previous_ && previous_->local_index() == index) return &*previous_;
  return nullptr;
}

void Peer::establish(Now now, const Endpoint& from, Session session, RemoteParty remote) {
  // A peer that did not see us before, or that we did not hear for long, may have lost what we told it.
  const bool is_news = !current_ || !remote.observed || forgotten_ || now.steady - last_heard_ >= kPeerSilence;
  forgotten_ = false;
  if (!current_) up_since_ = now.steady;
  previous_ = std::exchange(current_, std::move(session));
  certificate_ = remote.certificate;
  mtu_ = remote.mtu;
  ++handshakes_;
  ++context_.counters.handshakes_completed;
  stop_handshake();
  disarm(Timer::Unreachable);
  const bool is_ours = current_->role() == Session::Role::Initiator;
  const Duration jitter{context_.random.below(Duration{kRenewJitter}.count())};
  arm(Timer::Renew, current_->created() + (is_ours ? kRenewAfter : kRenewAsResponderAfter) + jitter);
  if (endpoint_ != from) segments_.forget();
  endpoint_ = from;
  if (remote.observed) observed_ = remote.observed;
  suggested_.reset();
  restart_silence(now);
  start_segment_probe(now);
  arm_expiry();
  context_.sessions_changed = true;
  if (is_news) {
    context_.events.push_back(PeerUp{id_, certificate_, std::move(remote.record), remote.observed});
  }
}

void Peer::note_heard(Now now, Session& session, const Endpoint& from, bool newest) {
  session.set_heard();
  // A session older than the current one is not taken up: the peer moves on to the newer.
  if (next_ && &session == &next_->session && (!current_ || session.created() >= current_->created())) {
    Unconfirmed confirmed = *std::exchange(next_, std::nullopt);
    establish(now, from, std::move(confirmed.session), std::move(confirmed.initiator));
    return;
  }
  restart_silence(now);
  if (newest && endpoint_ != from) {
    endpoint_ = from;
    segments_.forget();
    start_segment_probe(now);
    context_.sessions_changed = true;
  }
  if (from_silence_) stop_handshake();
}

void Peer::restart_silence(Now now) {
  last_heard_ = now.steady;
  const bool is_ours = current_ && current_->role() == Session::Role::Initiator;
  arm(Timer::Ping, now.steady + (is_ours ? kKeepaliveAfter : kKeepaliveAsResponderAfter));
  arm(Timer::Silence, now.steady + kPeerSilence);
  arm(Timer::Down, now.steady + kPeerTimeout);
}

void Peer::handle_control(Now now, const Endpoint& from, const Header& header, BytesView datagram) {
  Session* session = find_session(header.receiver);
  Result<Session::Opened> opened =
      session != nullptr ? session->open(now.steady, header, datagram) : Result<Session::Opened>{fail(Error::Unknown)};
  if (!opened) {
    ++context_.counters.control_dropped;
    return;
  }
  note_heard(now, *session, from, opened->newest);

  Result<DecodedControl> decoded = decode_control(opened->plaintext);
  if (!decoded) {
    ++context_.counters.control_dropped;
    return;
  }
  context_.counters.unknown_messages += decoded->unknown;
  std::optional<PingMessage> ping;
  bool closed = false;
  for (ControlMessage& message : decoded->messages) {
    if (const auto* asked = std::get_if<PingMessage>(&message)) {
      ping = *asked;
    } else if (const auto* pong = std::get_if<PongMessage>(&message)) {
      handle_pong(now, from, *pong);
    } else if (std::holds_alternative<CloseMessage>(message)) {
      closed = true;
    } else {
      context_.events.push_back(PeerMessage{id_, std::move(message)});
    }
  }
  if (closed) {
    handle_close(now, header.receiver);
  } else if (ping) {
    // One answer for a datagram: a sender has no use for more, and it would get back more than it sent.
    static_cast<void>(send(now, PongMessage{ping->id, from}));  // without a session there is nobody to answer
  }
}

void Peer::handle_session_heard(Now now, SessionIndex index, const Endpoint& from) {
  Session* session = find_session(index);
  if (session == nullptr || session->is_expired(now.steady)) return;
  note_heard(now, *session, from, true);
}

void Peer::handle_session_worn(Now now, SessionIndex index) {
  if (current_ && current_->local_index() == index) begin_handshake(now);
}

void Peer::handle_close(Now now, SessionIndex index) {
  // On the previous session it tells of that one alone, unless the peer has not begun to use the current one.
  if (previous_ && previous_->local_index() == index && current_ && current_->is_heard()) {
    previous_.reset();
    arm_expiry();
    context_.sessions_changed = true;
    return;
  }
  if (current_) go_down(now, true);
}

void Peer::handle_pong(Now now, const Endpoint& from, const PongMessage& pong) {
  for (SentPing& ping : pings_) {
    if (ping.at == TimePoint{} || ping.id != pong.id) continue;
    const Duration sample = now.steady - ping.at;
    // RFC 6298's smoothing: an eighth of what is new.
    rtt_ = rtt_ ? *rtt_ + (sample - *rtt_) / 8 : sample;
    if (ping.probe) context_.events.push_back(PeerPong{id_, ping.id, sample, from, pong.observed});
    ping = {};
    ++pongs_;
    if (pong.observed) observed_ = pong.observed;
  }
  const SegmentProbe::State before = segments_.state();
  segments_.handle_pong(pong.id);
  tell_segments(before);
}

void Peer::ping(Now now) {
  if (current_) send_ping(now);
}

std::optional<std::uint64_t> Peer::probe(Now now) {
  if (current_) send_ping(now);
  if (queued_ping_ == nullptr) return std::nullopt;
  queued_ping_->probe = true;
  return queued_ping_->id;
}

void Peer::send_ping(Now now) {
  if (queued_ping_ != nullptr) return;
  SentPing& ping = pings_[pings_sent_ % pings_.size()];
  const std::uint64_t id = context_.random.u64();
  if (!send(now, PingMessage{id})) return;
  ++pings_sent_;
  ping = {.id = id, .at = now.steady, .probe = false};
  queued_ping_ = &ping;
  arm(Timer::Ping, now.steady + kPingInterval);
}

// ---- whether segments arrive --------------------------------------------------------------------

void Peer::start_segment_probe(Now now) {
  segments_.start(now.steady);
  arm(Timer::Segments, now.steady);
}

void Peer::probe_segments(Now now) {
  const SegmentProbe::State before = segments_.state();
  if (current_ && segments_.handle_timeout(now.steady)) {
    SegmentProbe::Round round;
    Bytes pieces;
    for (std::uint64_t& id : round.cut) {
      id = context_.random.u64();
      Bytes plaintext;
      encode(PingMessage{id}, plaintext);
      const std::size_t left = kControlPlaintextMax - plaintext.size() - encoded_size(PaddingMessage{});
      encode(PaddingMessage{left}, plaintext);
      const std::optional<Bytes> datagram = current_->seal(now.steady, plaintext);
      if (datagram) pieces.insert(pieces.end(), datagram->begin(), datagram->end());
    }
    send_ping(now);  // one for both, if there is one in this turn already
    if (queued_ping_ != nullptr && !pieces.empty()) {
      round.plain = queued_ping_->id;
      const std::size_t segment = pieces.size() / round.cut.size();
      context_.transmits.push_back({*endpoint_, std::move(pieces), segment});
    }
    segments_.begin_round(round);
  }
  tell_segments(before);
  if (const auto next = segments_.poll_timeout()) arm(Timer::Segments, *next);
}

void Peer::tell_segments(SegmentProbe::State before) {
  const SegmentProbe::State state = segments_.state();
  if (state == before) return;
  context_.sessions_changed = true;
  const bool broken = state == SegmentProbe::State::Broken;
  if (broken) ++context_.counters.segments_refused;
  if (broken || before == SegmentProbe::State::Broken) context_.events.push_back(PeerSegments{id_, !broken});
}

void Peer::go_down(Now now, bool closed) {
  current_.reset();
  previous_.reset();
  outbox_.clear();
  queued_ping_ = nullptr;
  context_.unsent.erase(id_);
  rtt_.reset();
  observed_.reset();
  pings_.fill({});
  for (const Timer timer : {Timer::Renew, Timer::Ping, Timer::Silence, Timer::Down, Timer::Segments}) disarm(timer);
  arm_expiry();
  context_.sessions_changed = true;
  context_.events.push_back(PeerDown{id_, closed});
  if (!wanted_) {
    stop_handshake();
    return;
  }
  from_silence_ = false;
  arm(Timer::Unreachable, now.steady + kConnectTimeout);
  if (closed) {
    // It is going down; it will call when it is back.
    attempt_.reset();
    round_ = kRetryIntervals.size();
    arm(Timer::Handshake, now.steady + retry_interval(round_));
  } else {
    begin_handshake(now);
  }
}

void Peer::expire_sessions(Now now) {
  if (previous_ && previous_->is_expired(now.steady)) {
    previous_.reset();
    context_.sessions_changed = true;
  }
  if (next_ && now.steady - next_->session.created() >= kConfirmTimeout) {
    next_.reset();
    context_.sessions_changed = true;
  }
  if (current_ && current_->is_expired(now.steady)) go_down(now, false);
  arm_expiry();
}

void Peer::arm_expiry() {
  disarm(Timer::Expire);
  TimePoint at = TimePoint::max();
  if (previous_) at = std::min(at, previous_->expires());
  if (current_) at = std::min(at, current_->expires());
  if (next_) at = std::min(at, next_->session.created() + kConfirmTimeout);
  arm(Timer::Expire, at);
}

void Peer::handle_timeout(Now now) {
  if (take(Timer::Expire, now.steady)) expire_sessions(now);
  if (take(Timer::Down, now.steady)) go_down(now, false);
  if (take(Timer::Silence, now.steady)) {
    full_rounds_ = kFullRounds;
    if (!is_armed(Timer::Handshake)) {
      from_silence_ = true;
      begin_handshake(now);
    }
  }
  if (take(Timer::Renew, now.steady)) {
    from_silence_ = false;  // whatever is heard now, the session must be renewed
    begin_handshake(now);
  }
  if (take(Timer::Handshake, now.steady)) start_round(now);
  if (take(Timer::Ping, now.steady)) send_ping(now);
  if (take(Timer::Segments, now.steady)) probe_segments(now);
  if (take(Timer::Unreachable, now.steady)) {
    arm(Timer::Unreachable, now.steady + kUnreachableInterval);
    context_.events.push_back(PeerUnreachable{id_});
  }
}

// ---- outputs ------------------------------------------------------------------------------------

bool Peer::send(Now now, const ControlMessage& message) {
  const std::size_t size = encoded_size(message);
  if (!current_ || current_->is_expired(now.steady) || size > kControlPlaintextMax) return false;
  if (outbox_.empty() || outbox_.back().size() + size > kControlPlaintextMax) outbox_.emplace_back();
  encode(message, outbox_.back());
  context_.unsent.insert(id_);
  return true;
}

void Peer::flush(Now now) {
  queued_ping_ = nullptr;
  for (const Bytes& plaintext : std::exchange(outbox_, {})) {
    std::optional<Bytes> datagram = current_ ? current_->seal(now.steady, plaintext) : std::nullopt;
    if (datagram) context_.transmits.push_back({*endpoint_, *std::move(datagram)});
  }
  if (current_ && current_->is_worn()) begin_handshake(now);
}

void Peer::close(Now now, CloseReason reason) {
  flush(now);
  context_.unsent.erase(id_);
  Bytes goodbye;
  encode(CloseMessage{reason}, goodbye);
  for (std::optional<Session>* session : {&previous_, &current_}) {
    std::optional<Bytes> datagram = *session ? (*session)->seal(now.steady, goodbye) : std::nullopt;
    if (datagram) context_.transmits.push_back({*endpoint_, *std::move(datagram)});
    session->reset();
  }
  next_.reset();
  wanted_ = false;
  stop_handshake();
  timers_.fill(TimePoint::max());
  context_.sessions_changed = true;
}

std::optional<TimePoint> Peer::poll_timeout() const {
  const TimePoint next = *std::min_element(timers_.begin(), timers_.end());
  if (next == TimePoint::max()) return std::nullopt;
  return next;
}

bool Peer::is_idle() const {
  return !wanted_ && !current_ && !next_ && !previous_;
}

PeerInfo Peer::info() const {
  PeerInfo info;
  info.id = id_;
  if (certificate_ != nullptr) info.name = certificate_->name();
  if (endpoint_) {
    info.endpoint = *endpoint_;
  } else if (!candidates_.empty()) {
    info.endpoint = candidates_.front();
  }
  info.up = is_up();
  info.rtt = rtt_;
  info.segments = segments_.state();
  info.last_heard = last_heard_;
  info.up_since = up_since_;
  if (current_) info.algorithm = algorithm_name(current_->algorithm());
  info.handshakes = handshakes_;
  info.observed = observed_;
  info.clock_lead = clock_lead_;
  info.pings = pings_sent_;
  info.pongs = pongs_;
  info.heard = endpoint_.has_value();
  if (current_) info.session_since = current_->created();
  if (handshakes_ > 0) info.mtu = mtu_;
  info.traffic = traffic_->counts();
  return info;
}

void Peer::fill(Snapshot& snapshot) const {
  const auto add = [&](const Session& session) {
    SessionView view = session.view(id_, *endpoint_);
    view.segments = segments_.state() == SegmentProbe::State::Works;
    view.traffic = traffic_;
    snapshot.sessions.insert_or_assign(session.local_index(), std::move(view));
  };
  if (next_) add(next_->session);
  if (previous_) add(*previous_);
  if (!current_) return;
  add(*current_);
  snapshot.current.insert_or_assign(id_, current_->local_index());
}

}  // namespace rove
