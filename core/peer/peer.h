// One peer: its sessions, handshakes with it and their repetition, keepalive, where it is.
//
//   handshake → next (responder, unconfirmed) ─ first valid datagram ─→ current ─ a newer one ─→ previous
//               (initiator) ────────────────────────────────────────→ current
//
// Only `current` is sealed with; all three are opened, so that a renewal loses nothing that is under way.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"
#include "core/peer/handshake.h"
#include "core/peer/handshake_message.h"
#include "core/peer/peer_context.h"
#include "core/peer/peer_set.h"
#include "core/peer/segment_probe.h"
#include "core/peer/session.h"

namespace rove {

// docs/protocol.md §4. The jitter is added, so that peers that started together do not renew together.
inline constexpr std::chrono::seconds kRenewAfter{120};
inline constexpr std::chrono::seconds kRenewJitter{5};
// Renewal is the initiator's; should it not come, the responder tries while there is time.
inline constexpr std::chrono::seconds kRenewAsResponderAfter{150};
// Waits after an unanswered handshake: the last one repeats. ± 20 %.
inline constexpr std::array<std::chrono::seconds, 3> kRetryIntervals{std::chrono::seconds{1}, std::chrono::seconds{2},
                                                                     std::chrono::seconds{5}};
// So many rounds go to every known endpoint of a peer, later ones to one at a time: endpoints are a member's word,
// and must not make this node flood whoever is named there.
inline constexpr unsigned kFullRounds = 3;
inline constexpr std::chrono::seconds kKeepaliveAfter{10};  // without anything heard
// The initiator's ping serves both: the responder leaves it the time to arrive.
inline constexpr std::chrono::seconds kKeepaliveAsResponderAfter{11};
inline constexpr std::chrono::seconds kPingInterval{1};  // while a ping is unanswered
// Silence after which the peer may have lost the session (a restart): a handshake starts.
inline constexpr std::chrono::seconds kPeerSilence{15};
// An answered init whose session is not confirmed by then is forgotten.
inline constexpr std::chrono::seconds kConfirmTimeout{25};
inline constexpr std::chrono::seconds kCookieTime{120};
// Unanswered pings remembered: keepalives for the round-trip time, and those of a few operators at a time.
inline constexpr std::size_t kPingsMax = 16;

// Decides when to shake hands with one peer, which session counts, and when the peer is gone. Control thread;
// borrows the context, into which it puts what is to be sent and told.
class Peer {
 public:
  Peer(PeerContext& context, const NodeKey& key, const DhPublic& static_key);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void connect(Now now, const std::vector<Endpoint>& endpoints);
  // Says goodbye and ends all; is_idle() afterwards.
  void close(Now now, CloseReason reason);

  // The peer's init, `from` there, verified and newer than any before.
  void handle_init(Now now, const Endpoint& from, std::size_t datagram_size, SessionIndex initiator_index,
                   ResponderHandshake handshake);
  void handle_response(Now now, const Endpoint& from, SessionIndex index, BytesView noise);
  void handle_cookie(Now now, const Endpoint& from, const CookieMessage& message);
  // A control datagram for one of our indexes of this peer.
  void handle_control(Now now, const Endpoint& from, const Header& header, BytesView datagram);
  void handle_session_heard(Now now, SessionIndex index, const Endpoint& from);
  void handle_session_worn(Now now, SessionIndex index);
  void handle_timeout(Now now);

  [[nodiscard]] bool send(Now now, const ControlMessage& message);
  // Asks for a sign of life, if there is a session.
  void ping(Now now);
  // The same, and tells of the answer. Its id; nullopt without a session.
  [[nodiscard]] std::optional<std::uint64_t> probe(Now now);
  // Seals what send() and ping() queued.
  void flush(Now now);

  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;
  // Nothing is left that it would have to be kept for.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] bool is_up() const { return current_.has_value(); }
  [[nodiscard]] const std::shared_ptr<const Certificate>& certificate() const { return certificate_; }
  [[nodiscard]] PeerInfo info() const;
  void fill(Snapshot& snapshot) const;

 private:
  enum class Timer : std::uint8_t {
    Handshake,    // (re)send an init
    Renew,        // the current session is due
    Ping,         // nothing heard, or the last ping is unanswered
    Silence,      // the peer may have lost the session
    Down,         // the peer is gone
    Unreachable,  // tell that connect() does not get through
    Expire,       // a session is over
    Segments,     // the next round of the segment probe
  };
  static constexpr std::size_t kTimers = 8;

  // Our init under way.
  struct Attempt {
    SessionIndexLease lease;
    InitiatorHandshake handshake;
    Bytes noise;
    std::vector<Endpoint> sent_to;
    bool cookie_taken = false;
  };
  struct Unconfirmed {
    Session session;
    RemoteParty initiator;
  };
  struct SentPing {
    std::uint64_t id = 0;
    TimePoint at{};
    bool probe = false;  // somebody waits for the answer
  };
  struct KeptCookie {
    HandshakeCookie cookie{};
    TimePoint until{};
  };

  void arm(Timer timer, TimePoint at) { timers_[static_cast<std::size_t>(timer)] = at; }
  void disarm(Timer timer) { timers_[static_cast<std::size_t>(timer)] = TimePoint::max(); }
  [[nodiscard]] bool is_armed(Timer timer) const {
    return timers_[static_cast<std::size_t>(timer)] != TimePoint::max();
  }
  // Whether it was due; then it is disarmed.
  [[nodiscard]] bool take(Timer timer, TimePoint now);

  // Handshakes of ours.
  void begin_handshake(Now now);
  void start_round(Now now);
  void stop_handshake();
  void send_init(Now now, const std::vector<Endpoint>& endpoints);
  [[nodiscard]] std::vector<Endpoint> round_endpoints();
  [[nodiscard]] Duration retry_interval(std::size_t round);

  // Sessions.
  [[nodiscard]] Session* find_session(SessionIndex index);
  void establish(Now now, const Endpoint& from, Session session, RemoteParty remote);
  void note_heard(Now now, Session& session, const Endpoint& from, bool newest);
  void restart_silence(Now now);
  void go_down(Now now, bool closed);
  void expire_sessions(Now now);
  void arm_expiry();
  void handle_message(Now now, const Endpoint& from, ControlMessage message);
  void handle_close(Now now, SessionIndex index);
  void handle_pong(Now now, const Endpoint& from, const PongMessage& pong);
  void send_ping(Now now);
  void start_segment_probe(Now now);
  void probe_segments(Now now);
  void tell_segments(SegmentProbe::State before);

  PeerContext& context_;
  NodeKey key_;
  NodeId id_;
  DhPublic static_key_;
  std::array<TimePoint, kTimers> timers_;

  bool wanted_ = false;                // connect() asked for it
  std::vector<Endpoint> candidates_;   // of connect()
  std::optional<Endpoint> endpoint_;   // where it was heard last
  std::optional<Endpoint> suggested_;  // where an init came from that we did not answer
  bool forgotten_ = false;             // that init was of a peer without a session with us
  std::size_t turn_ = 0;               // endpoint of the next round that goes to one

  std::optional<Attempt> attempt_;
  std::size_t round_ = 0;      // rounds of the present series of attempts
  unsigned full_rounds_ = 0;   // rounds that still go to every endpoint
  bool from_silence_ = false;  // the series started because the peer was silent
  TimePoint last_init_{};
  std::optional<KeptCookie> cookie_;

  std::optional<Unconfirmed> next_;
  std::optional<Session> current_;
  std::optional<Session> previous_;
  std::shared_ptr<const Certificate> certificate_;

  std::vector<Bytes> outbox_;  // plaintexts of control datagrams; emptied in the turn that filled it
  std::array<SentPing, kPingsMax> pings_{};
  std::size_t pings_sent_ = 0;
  std::size_t pongs_ = 0;
  SentPing* queued_ping_ = nullptr;  // in the outbox: one for a turn, as a datagram gets one answer
  std::optional<Duration> rtt_;
  SegmentProbe segments_;
  std::optional<Endpoint> observed_;  // where it sees us
  std::optional<Duration> clock_lead_;
  TimePoint last_heard_{};
  TimePoint up_since_{};
  std::uint64_t handshakes_ = 0;
  std::uint16_t mtu_ = 0;  // as it said in the last one
  std::shared_ptr<PeerTraffic> traffic_ = std::make_shared<PeerTraffic>();
};

}  // namespace rove
