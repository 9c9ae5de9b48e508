// One rove node, whole, without I/O: peers, location, VMs, migration, neighbour resolution.
//
//   frames the packet path punts ─┐                       ┌─► datagrams to send
//   control and sealed datagrams ─┼─► Node (control thread)├─► commands for the packet path
//   bridge events, operator verbs ┘    │        ▲          └─► log and timeline events
//                                 LocationService
#pragma once

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
#include "core/forward/worker_messages.h"
#include "core/identity/certificate.h"
#include "core/location/claim.h"
#include "core/location/location_service.h"
#include "core/node/timeline.h"
#include "core/node/vm_machine.h"
#include "core/peer/peer_set.h"
#include "core/replay/port_ring.h"

namespace rove {

struct NodeConfig {
  std::vector<Prefix> subnets;  // the network's virtual subnets
  std::size_t inner_mtu = 1400;
  std::vector<Endpoint> endpoints;  // where others reach us, best first
  MacAddress tap_mac;               // the TAP's and the bridge's own MAC are never a VM's
  MacAddress probe_mac;             // what VMs are asked from; frames to it come to us, those to the TAP's own do not
  MacAddress bridge_mac;
  bool replays_frames = false;         // the shell captures what goes to the VMs' ports, and can write to them
  std::uint8_t aeads = 0;              // 0: all that this CPU does well
  std::uint64_t first_stamp = 0;       // saved by the shell: highest sealed stamp before this start
  std::uint64_t highest_sequence = 0;  // saved by the shell: highest claim sequence before this start
};

struct NodeIdentity {
  TrustAnchor anchor;
  Certificate certificate;
  SigningSeed seed;
  NetworkKey network_key;
};

// The bridge's own learning, from netlink. `on_tap` is true for our TAP's port.
struct BridgeEvent {
  MacAddress mac;
  bool on_tap = false;
  bool gone = false;  // the entry was deleted
};

// What is wanted of the capture of a VM's port: the frames that its hypervisor has not read, all or (`whole` is false)
// those after what it has told ahead.
struct CaptureRequest {
  MacAddress vm;
  bool whole = true;
};
// Its hypervisor has stopped: tell these frames from now on as they come (`start`), or no longer. When it is asked to
// start again, the answer is UpToDate.
struct AdvanceRequest {
  MacAddress vm;
  bool start = false;
};

// What is wanted of the bridge: where it sends frames for the MAC. `held`: also when it hears the MAC elsewhere, until
// the next such wish.
struct BridgeEntry {
  MacAddress mac;
  unsigned port = 0;  // by interface index; 0: our TAP
  bool held = false;
};

// An OpenDHT message, inside; sealed on the wire.
struct DhtDatagram {
  Endpoint peer;  // from, or to
  Bytes bytes;
};

struct VmStatus {
  MacAddress mac;
  std::vector<IpAddress> ips;
  VmState state = VmState::Live;
  bool pinned = false;  // claimed by `rove claim`, not only learned
  std::uint64_t sequence = 0;
  Duration age{};  // in this state
  std::optional<NodeId> forward_to;
  std::optional<Duration> time_left;  // Expected: until it is not expected any more
};

// What prepare() made of it: Expected; Live if it is here already; Forwarding if it left a moment ago (then
// Expected once frames are not sent on any more).
struct PreparedVm {
  VmState state = VmState::Expected;
  Duration time_left{};  // Expected only
  std::string host;      // where it is now; empty while that is not known
};

// The last moves of a VM that this node had a part in, oldest first.
struct VmMoves {
  MacAddress mac;
  std::vector<Move> moves;
};

enum class LookupSource : std::uint8_t { Local, Cache, Peer, Dht };
// What a lookup found for one address.
struct LookupAnswer {
  Claim claim;
  NodeId owner;
  std::string owner_name;           // empty while its certificate is not known
  std::vector<Endpoint> endpoints;  // the one in use first; empty when not known
  LookupSource source = LookupSource::Dht;
  Duration age{};  // since it was last confirmed
  bool wins = false;
  std::string why_not;  // when it does not win: "older", "gone", "not allowed by its certificate", …
};
// One thing that a lookup did or heard, in the order in which it happened.
struct LookupStep {
  enum class Kind : std::uint8_t {
    Cache,        // what was known before anybody was asked
    Session,      // whether a session with the claim's host confirms it
    Asked,        // the location service
    Answer,       // a claim came: from the location service, or from a peer meanwhile
    Certificate,  // of a claim's publisher, that a claim had waited for
    Done,         // the location service has no more
    Decided,
  };
  Kind kind = Kind::Cache;
  Duration at{};       // since the lookup began
  std::string from{};  // "cache", "dht", or a peer's name
  std::string node{};  // whose claim; empty: the step is of none
  std::optional<std::uint64_t> sequence{};
  std::optional<bool> verified{};  // an answer's signature and certificate, which decide whether it counts
  std::string verdict{};           // a sentence
};
[[nodiscard]] std::string_view to_string(LookupStep::Kind kind);

struct LookupTicket {
  std::uint64_t value = 0;
  auto operator<=>(const LookupTicket&) const = default;
};
// error: Unknown (nobody claims it), Unavailable (the DHT did not answer and nothing is cached).
struct LookupResult {
  LookupTicket ticket;
  VmAddress address;
  std::error_code error;
  std::vector<LookupAnswer> answers;  // the winner first
  std::string why{};                  // the winner won, or there is none
  std::vector<LookupStep> steps{};
  std::size_t steps_left_out = 0;  // beyond kLookupStepsMax
};

// A ping of an operator's, through the session with a node.
struct PingTicket {
  std::uint64_t value = 0;
  auto operator<=>(const PingTicket&) const = default;
};
// error: Unavailable (no session came up in time), Unknown (no answer in time), LimitReached (too many at a time, or
// within a second).
struct PingResult {
  PingTicket ticket;
  NodeId node;
  std::error_code error;
  Duration rtt{};
  Endpoint endpoint;                 // where the answer came from
  std::optional<Endpoint> observed;  // where the node sees us
};

// Who can be meant by a name or an id.
struct MemberName {
  NodeId id{};
  std::string name{};  // empty while its certificate is not known
  bool up = false;     // connected, or this node itself
};
// All that this node knows of one member.
struct MemberInfo {
  NodeId id;
  bool is_self = false;
  std::shared_ptr<const Certificate> certificate;  // nullptr: not known
  std::vector<Endpoint> endpoints;                 // as it tells them in its record, or our own
  std::optional<PeerInfo> peer;                    // nullopt: there was no session to it, or it is this node
  std::size_t inner_mtu = 0;                       // the network's
  std::vector<Claim> vms;                          // live claims of its, by MAC
};

// Something an operator would like to know; for logs and timelines.
struct NodeEvent {
  enum class Kind : std::uint8_t {
    PeerUp,
    PeerDown,
    PeerUnreachable,
    PeerSegmentation,  // whether what the kernel cuts arrives there
    VmClaimed,
    VmMovedAway,
    VmMovedHere,
    VmReleased,
    VmReclaimed,
    VmForwardingEnded,
    LocationConnected,
    LocationDisconnected,
    ClaimRefused,
    // The steps of a move, the first of each kind.
    VmSignal,
    VmClaimPushed,
    VmClaimAcknowledged,
    VmFrameForwarded,
    VmFrameDirect,
    VmRedirected,
    VmConflict,       // two with its MAC are alive; the later one is mute
    VmConflictEnded,  // … no longer
    VmPrepared,       // it is said to come
    VmPrepareEnded,   // … but did not, or is said not to
    VmReplayed,       // what its hypervisor here had not read was sent to its new host
  };
  Kind kind = Kind::PeerUp;
  TimePoint when{};
  std::string peer;  // name, or id where the name is not known
  std::optional<MacAddress> vm;
  std::string detail;  // key=value pairs, escaped
};
[[nodiscard]] std::string_view to_string(NodeEvent::Kind kind);

// Two VMs with the same MAC, alive at the same time at two nodes.
struct VmConflict {
  MacAddress mac;
  std::string other;        // the other node's name
  bool muted_here = false;  // the one here is the later one, and cut off
};

struct NodeStatus {
  std::string name;
  NodeId id;
  NetworkId network;
  std::string network_name;
  std::vector<Endpoint> endpoints;
  std::size_t peers_up = 0;
  std::size_t peers_known = 0;
  std::size_t sessions = 0;  // whose datagrams the packet path can open; up to three a peer
  std::size_t vms_local = 0;
  std::size_t vms_cached = 0;
  std::vector<VmConflict> conflicts;
  LocationStatus location;
  PeerSetCounters peer_counters;
  // Name → value of the control plane's other counters (claims_accepted, claims_bad_signature, …).
  std::vector<std::pair<std::string, std::uint64_t>> counters;
  MoveHistograms moves;
  std::uint64_t last_stamp = 0;  // to be saved, see NodeConfig
  std::uint64_t highest_sequence = 0;
};

class Node {
 public:
  // `location` and `random` must outlive it.
  Node(NodeConfig config, NodeIdentity identity, LocationService& location, Random& random);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void handle_start(Now now);
  void handle_worker_event(Now now, WorkerEvent event);
  void handle_bridge_event(Now now, const BridgeEvent& event);
  // A local VM's hypervisor has closed its port: it ended, or the VM has moved.
  void handle_port_closed(Now now, const MacAddress& vm);
  // The answer to poll_capture_request(): the frames that the VM's hypervisor has not read, oldest first, and how many
  // more there were.
  void handle_captured(Now now, const MacAddress& vm, std::vector<PortFrame> frames, std::uint64_t missing);
  // The hypervisor of a VM of this host has stopped it in a migration. `delivery_known`: the capture knows which of its
  // frames the guest got; that may be said later.
  void handle_stopped(Now now, const MacAddress& vm, bool delivery_known);
  // Where the bridge knows the MAC; 0: not behind a port of its own. Goes before the worker's events of the same
  // moment, whose frames the bridge has learned from, and before handle_bridge_event().
  void note_port(const MacAddress& mac, unsigned port);
  // The bridge does not do what a poll_bridge_entry() wished.
  void handle_bridge_refusal(Now now, const BridgeEntry& entry);
  // After a poll_advance_request() with `start`.
  void handle_captured_ahead(Now now, const MacAddress& vm, std::vector<PortFrame> frames, AheadState state);
  // An OpenDHT message to be sealed and sent.
  void handle_dht_transmit(Now now, const DhtDatagram& datagram);
  // After the location service has something to poll.
  void handle_location(Now now);
  void handle_timeout(Now now);
  // Our underlay addresses changed.
  void handle_endpoints(Now now, std::vector<Endpoint> endpoints);

  // Operator's verbs. claim() errors: NotAllowed (the certificate), Malformed (a group or zero MAC),
  // WrongState (it is the later one of two VMs with this MAC, and mute).
  [[nodiscard]] Result<std::uint64_t> claim(Now now, const MacAddress& mac, const std::vector<IpAddress>& ips);
  // It is about to come: who it is and who talks with it is found out ahead, and nothing is claimed before its first
  // sign. Repeating it prolongs its time. `port`: the interface index of the port of our bridge to which it will come,
  // and where its hypervisor reads nothing before it runs; 0: not known. Errors: as claim(); LimitReached.
  [[nodiscard]] Result<PreparedVm> prepare(Now now, const MacAddress& mac, unsigned port = 0);
  // Also undoes prepare().
  [[nodiscard]] Result<void> release(Now now, const MacAddress& mac);
  [[nodiscard]] LookupTicket start_lookup(Now now, const VmAddress& address, bool refresh);
  // Opens a session with the node if there is none, and asks it for a sign of life. The result comes by poll_ping(),
  // after `patience` at the latest.
  [[nodiscard]] PingTicket start_ping(Now now, const NodeId& node, Duration patience);
  // Withdraws every claim and closes every session; then drain poll_transmit() once more. Nothing is claimed from then
  // on, whatever comes in.
  void shut_down(Now now);

  [[nodiscard]] std::optional<OutgoingDatagram> poll_transmit(Now now);
  [[nodiscard]] std::optional<WorkerCommand> poll_command();
  // With NodeConfig::replays_frames: what is wanted of the bridge, before the commands that come with it are carried
  // out; of a VM's port, advance requests first.
  [[nodiscard]] std::optional<BridgeEntry> poll_bridge_entry();
  [[nodiscard]] std::optional<AdvanceRequest> poll_advance_request();
  [[nodiscard]] std::optional<CaptureRequest> poll_capture_request();
  [[nodiscard]] std::optional<DhtDatagram> poll_dht_datagram();
  [[nodiscard]] std::optional<LookupResult> poll_lookup();
  [[nodiscard]] std::optional<PingResult> poll_ping();
  [[nodiscard]] std::optional<NodeEvent> poll_event();
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  [[nodiscard]] const NodeId& id() const;
  [[nodiscard]] NodeStatus status() const;
  [[nodiscard]] std::vector<PeerInfo> peers() const;
  // This node and all others of which a certificate, a record or a session is known.
  [[nodiscard]] std::vector<MemberName> members() const;
  // nullopt: nothing is known of it.
  [[nodiscard]] std::optional<MemberInfo> member(const NodeId& node) const;
  [[nodiscard]] std::vector<VmStatus> vms(Now now) const;
  // nullopt: this node had no part in any, or nobody claims the IP. An IP stands for the MAC that has it now.
  [[nodiscard]] std::optional<VmMoves> moves(const VmAddress& address) const;
  // The claim that decides about the address here, without asking anybody; nullptr: none. Valid until the next call.
  [[nodiscard]] const Claim* known_claim(const VmAddress& address) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
