// All peers of this node: handshakes, sessions and their renewal, keepalive, control messages.
//
//   connect()/sealed datagrams → handshakes → sessions → events (up, message, down) → Node
//
// Control thread. Knows nothing of VMs or claims: it carries control messages. At most kPeersMax peers.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"
#include "core/forward/snapshot.h"
#include "core/identity/certificate.h"
#include "core/location/node_record.h"
#include "core/peer/segment_probe.h"
#include "core/wire/control_message.h"
#include "core/wire/sealed.h"

namespace rove {

// Each costs some 5 KB with its sessions. Further ones are refused: connect() tells PeerUnreachable, and their inits
// stay unanswered (handshakes_limited).
inline constexpr std::size_t kPeersMax = 4096;
// Without anything heard for this long, and no handshake meanwhile, a peer is down: two lost pings and a second
// handshake fit in.
inline constexpr std::chrono::seconds kPeerTimeout{25};
// Four inits go out in this time.
inline constexpr std::chrono::seconds kConnectTimeout{10};
inline constexpr std::chrono::minutes kUnreachableInterval{5};

struct PeerSetConfig {
  std::uint16_t inner_mtu = 1400;
  std::uint8_t aeads = 0;  // bit set of AeadAlgorithm that may be used; 0: supported_aeads()
};

struct OutgoingDatagram {
  Endpoint to;
  Bytes bytes;
  std::size_t segment = 0;  // several, each of so many octets, to be handed to the kernel in one piece; 0: one
};

// What the kernel makes of it: one datagram, or several.
[[nodiscard]] std::vector<Bytes> cut(Bytes bytes, std::size_t segment);

// A session came up with a peer that had none, or that may have lost what it was told: it restarted, or was silent
// for long. So it may come twice without a PeerDown between. `certificate` has been verified.
struct PeerUp {
  NodeId peer;
  std::shared_ptr<const Certificate> certificate;
  SignedNodeRecord record;           // the peer's own
  std::optional<Endpoint> observed;  // where the peer sees us
};
// The peer's last session ended: closed, or unheard for kPeerTimeout.
struct PeerDown {
  NodeId peer;
  bool closed = false;  // it said goodbye
};
// A message of an established session that PeerSet does not handle itself (everything but ping, pong, close).
struct PeerMessage {
  NodeId peer;
  ControlMessage message;
};
// A handshake with a peer that was asked for by connect() got no answer in kConnectTimeout; it goes on
// trying every 5 s until disconnect(), and tells again every kUnreachableInterval.
struct PeerUnreachable {
  NodeId peer;
};
// Whether what the kernel cuts arrives at the peer has turned out, or changed: told when it does not, and when it does
// again. Until then it is sent one by one.
struct PeerSegments {
  NodeId peer;
  bool arrive = false;
};
// The answer to a probe().
struct PeerPong {
  NodeId peer;
  std::uint64_t probe = 0;
  Duration rtt{};  // from turn to turn of the two control threads
  Endpoint from;
  std::optional<Endpoint> observed;  // where the peer sees us
};
using PeerEvent = std::variant<PeerUp, PeerDown, PeerMessage, PeerUnreachable, PeerSegments, PeerPong>;

struct PeerInfo {
  NodeId id;
  std::string name;
  Endpoint endpoint;
  bool up = false;
  std::optional<Duration> rtt;  // smoothed
  TimePoint last_heard{};
  TimePoint up_since{};
  SegmentProbe::State segments = SegmentProbe::State::Unknown;
  std::string algorithm;  // "aes-256-gcm", "chacha20-poly1305"
  std::uint64_t handshakes = 0;
  std::optional<Endpoint> observed;    // where it sees us
  std::optional<Duration> clock_lead;  // its clock minus ours, by its last handshake; less than the truth by the way
  std::uint64_t pings = 0;             // sent to it, and
  std::uint64_t pongs = 0;             // answered; the last one may still be under way
  bool heard = false;                  // `endpoint` is where it was heard last; else one that is tried
  std::optional<TimePoint> session_since{};  // the current session's handshake
  std::optional<std::uint16_t> mtu{};        // the largest inner packet that it takes, as it said
  PeerTrafficCounts traffic{};
};

struct PeerSetCounters {
  std::uint64_t sealed_opened = 0;
  std::uint64_t sealed_malformed = 0;
  std::uint64_t handshakes_started = 0;
  std::uint64_t handshakes_completed = 0;
  std::uint64_t handshakes_refused = 0;   // bad certificate, prologue, psk, timestamp, static key
  std::uint64_t handshakes_repeated = 0;  // further copies of one that was answered already
  std::uint64_t handshakes_limited = 0;   // answered with a cookie, or dropped above the limit
  std::uint64_t control_dropped = 0;      // unknown session, undecryptable, replayed, malformed
  std::uint64_t unknown_messages = 0;
  std::uint64_t segments_refused = 0;  // peers at which what the kernel cuts does not arrive, found so
};

class PeerSet {
 public:
  // All references must outlive it. `seed` is our identity, `certificate` our own.
  PeerSet(const PeerSetConfig& config, const TrustAnchor& anchor, const Certificate& certificate,
          const SigningSeed& seed, SealedChannel& sealed, Random& random);
  ~PeerSet();
  PeerSet(const PeerSet&) = delete;
  PeerSet& operator=(const PeerSet&) = delete;

  // Our own signed node record, sent in handshakes. Must be set before the first connect(); until then nobody is
  // answered.
  void set_own_record(SignedNodeRecord record);

  // Opens (or keeps) a session with a node; `endpoints` are tried in turn, all in the first round.
  // Calling again with newer endpoints updates them.
  void connect(Now now, const NodeKey& node, const std::vector<Endpoint>& endpoints);
  // Closes the session and forgets the peer.
  void disconnect(Now now, const NodeId& peer, CloseReason reason);
  void disconnect_all(Now now, CloseReason reason);

  // An opened envelope of a handshake kind that came from `from`.
  void handle_sealed(Now now, const Endpoint& from, std::size_t datagram_size, const OpenedEnvelope& envelope);
  // A datagram of type `control`.
  void handle_control(Now now, const Endpoint& from, BytesView datagram);
  // From the packet path: SessionHeard, SessionWorn.
  void handle_session_heard(Now now, SessionIndex local_index, const Endpoint& from);
  void handle_session_worn(Now now, SessionIndex local_index);
  void handle_timeout(Now now);

  // Queues a message; messages to one peer that are queued in one turn share datagrams. False (and
  // nothing sent) when the peer has no session, or the message is over kControlPlaintextMax.
  bool send(Now now, const NodeId& peer, const ControlMessage& message);

  // Asks a peer for a sign of life now, not only at the next keepalive; nothing without a session.
  void ping(Now now, const NodeId& peer);
  // The same for somebody who waits for the answer (PeerPong, with this number). Several in one turn are one question.
  // nullopt: there is no session.
  [[nodiscard]] std::optional<std::uint64_t> probe(Now now, const NodeId& peer);

  [[nodiscard]] std::optional<OutgoingDatagram> poll_transmit(Now now);
  [[nodiscard]] std::optional<PeerEvent> poll_event();
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  // True once after any change of what fill() would give.
  [[nodiscard]] bool take_sessions_changed();
  // Adds the sessions and the current session of each peer.
  void fill(Snapshot& snapshot) const;

  [[nodiscard]] bool is_up(const NodeId& peer) const;
  // Certificate of a peer that has or had a session; nullptr when unknown.
  [[nodiscard]] std::shared_ptr<const Certificate> find_certificate(const NodeId& peer) const;
  [[nodiscard]] std::vector<PeerInfo> peers() const;
  [[nodiscard]] std::optional<PeerInfo> find_peer(const NodeId& peer) const;
  [[nodiscard]] const PeerSetCounters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
