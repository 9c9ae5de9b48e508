// Node's inside, shared by its source files only:
//   node.cpp            construction, dispatch of inputs, outputs, status
//   node_frames.cpp     frames that the packet path punts: learning, neighbours, flooding, unproven sources
//   node_claims.cpp     claims of ours and of others: arrival, yielding, pushing, redirects, refresh
//   node_location.cpp   the location service and the directory: records, questions, watches
//   node_replay.cpp     frames that the old hypervisor of a VM never read, and the order of frames in a move
//   node_conflict.cpp   two VMs with one MAC, alive at the same time
//   node_prepare.cpp    VMs that are about to come
//   node_search.cpp     VMs that moved without a word, peers that fell silent
//   node_lookup.cpp     operator's lookups
//   node_ping.cpp       operator's pings
//   node_members.cpp    what operators are told of the other nodes
//   node_timeline.cpp   what the timeline hears of
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/location/claim_table.h"
#include "core/location/location_keys.h"
#include "core/node/address_budget.h"
#include "core/node/claim_pusher.h"
#include "core/node/directory.h"
#include "core/node/node.h"
#include "core/node/resolver.h"
#include "core/node/silence_watch.h"
#include "core/node/token_bucket.h"
#include "core/node/vm_table.h"
#include "core/wire/ethernet.h"
#include "core/wire/header.h"

namespace rove {

// Up to here every member keeps a session with every other, so that pushes and broadcasts reach all at once.
// Larger networks open sessions where traffic or moves need them.
inline constexpr std::size_t kMeshMax = 64;
// A cached claim answers ARP and ND while its owner is connected or it was confirmed this lately.
inline constexpr std::chrono::seconds kFreshTime{30};
// Broadcast, multicast and unknown destinations, per second and in one burst; each costs a datagram per member.
inline constexpr double kFloodRate = 1000;
inline constexpr double kFloodBurst = 2000;
// A frame whose source a peer has not proven yet waits this long for the peer's claim.
inline constexpr std::chrono::milliseconds kUnprovenTime{200};
inline constexpr std::size_t kUnprovenMax = 64;
// A VM that announced only its MAC: how long its addresses are looked for before the MAC is claimed alone.
inline constexpr std::chrono::milliseconds kArrivalTime{500};
inline constexpr std::size_t kArrivalsMax = 1024;
// A VM that says nothing, and that this node finds in its bridge when it starts: nobody can be asked yet, and a claim
// without its addresses would take them away from it.
inline constexpr std::chrono::seconds kArrivalPatience{10};
// A VM that announces an address which another one holds claims it again at most so often.
inline constexpr std::chrono::seconds kInsistTime{1};
// What the bridge learned before this node started may be stale: for this long it counts only after a lookup.
inline constexpr std::chrono::seconds kBridgeSettleTime{1};
// Keys watched in the location service, and how long after the last frame.
inline constexpr std::size_t kWatchesMax = 1024;
inline constexpr std::chrono::seconds kWatchTime{60};
// Operator's lookups under way; the control socket asks few.
inline constexpr std::size_t kOperatorLookupsMax = 64;
inline constexpr std::chrono::seconds kOperatorLookupTime{4};
// How long a finished operator's lookup waits for certificates that its answers need.
inline constexpr std::chrono::milliseconds kCertificateWait{800};
// Steps that are kept of one: a few answers for each of a VM's last hosts.
inline constexpr std::size_t kLookupStepsMax = 64;
// Operator's pings under way, and begun in a second and at once: enough for a ping every 100 ms from several terminals.
// A peer has no more work with them than with keepalives.
inline constexpr std::size_t kOperatorPingsMax = 64;
inline constexpr double kPingRate = 100;
inline constexpr double kPingBurst = 100;
// Outputs that the shell has not fetched; beyond, the newest are dropped and counted.
inline constexpr std::size_t kOutputsMax = 65536;
inline constexpr std::size_t kEventsMax = 1024;
// Our node record is signed anew this often, and lives three times as long.
inline constexpr std::chrono::minutes kNodeRecordRefresh{10};
inline constexpr std::chrono::minutes kNodeRecordLifetime{30};
// The bridge's entry for a VM that left is taken over again after these times: a last frame of the VM, still under
// way when it left, may have won it back.
inline constexpr std::array<std::chrono::milliseconds, 3> kInjectTimes{
    std::chrono::milliseconds{0}, std::chrono::milliseconds{30}, std::chrono::milliseconds{200}};
// So long after it yielded a VM, a host asks its own bridge whether that is here all the same: it came back meanwhile,
// or the newer claim was made while a partition kept this host's from being heard. A moved VM has left its port by
// then.
inline constexpr std::array<std::chrono::milliseconds, 3> kPresenceCheckTimes{
    std::chrono::milliseconds{100}, std::chrono::milliseconds{1000}, std::chrono::milliseconds{4000}};
// Claims of a peer's that it is told when it comes up; it withdraws those whose VMs are not with it.
inline constexpr std::size_t kReturnedClaimsMax = 256;
inline constexpr std::size_t kPresenceChecksMax = 4096;
// A wish to reach a node without known endpoints is looked up at most this often.
inline constexpr std::chrono::seconds kRecordAskInterval{1};
// Claims that are over leave the table this often; until then they could only be those of hosts that died.
inline constexpr std::chrono::seconds kExpireInterval{5};
// A node that started so lately asks each new peer what it claimed before: the addresses of its VMs.
inline constexpr std::chrono::seconds kRecoveryTime{30};
// Clocks of different hosts differ by this much at most (docs/protocol.md §6.1).
inline constexpr std::chrono::hours kWallClockSkewMax{1};
// How long a VM of this host has to answer when it is asked whether it is still here: a guest under load too.
inline constexpr std::chrono::milliseconds kVmAnswerTime{100};
// The same for a peer, if three round trips are less.
inline constexpr std::chrono::milliseconds kPeerAnswerTimeMin{200};
// VMs of a silent peer that are searched for at once; the next search takes the same ones first, and those that were
// found meanwhile make room.
inline constexpr std::size_t kSearchesAtOnce = 64;
// Searches of others that this node's bridge is asked for, per second and in one burst.
inline constexpr double kSearchRate = 200;
inline constexpr double kSearchBurst = 400;
// The old host holds newer frames for a VM that left until the unread ones were sent on, so long at most, and waits so
// long for these. Reading them takes a millisecond or two.
inline constexpr std::chrono::milliseconds kReplayTime{20};
inline constexpr std::chrono::milliseconds kCaptureTime{15};
// A VM whose port has vanished shows up elsewhere within this time, if it moved: its hypervisor leaves when the other
// one runs, and the claim takes one way. If not, it was switched off.
inline constexpr std::chrono::milliseconds kUnpluggedTime{300};
// The new host waits for that one round trip and so much more, and twice as long once it has begun.
inline constexpr std::chrono::milliseconds kHoldSlack{20};
inline constexpr std::chrono::milliseconds kHoldRttUnknown{20};
inline constexpr std::chrono::milliseconds kHoldRttMax{500};
// Senders that have switched away from this host before it heard of the move itself.
inline constexpr std::size_t kEarlySwitchesMax = 256;
inline constexpr std::chrono::seconds kEarlySwitchTime{1};

// A comparison of two VMs with one MAC: so many questions to the own one, this far apart. The first comes later by
// kEvidenceDelay: what was under way in the bridge is no answer.
inline constexpr unsigned kConflictQuestions = 5;
// A VM that has come just now has other things to answer first.
inline constexpr std::chrono::milliseconds kConflictPatience{300};
inline constexpr std::chrono::milliseconds kConflictQuestionInterval{200};
// What is sent to the other side is sent anew until it has answered: longer than it asks its own VM.
inline constexpr std::chrono::milliseconds kConflictRepeat{250};
inline constexpr unsigned kConflictRepeats = 12;
// Between the two answers of the own VM, in which no VM can move to the other host and back. A round that takes longer
// (messages were lost) proves nothing, and is followed by another.
inline constexpr std::chrono::milliseconds kConflictProofTime{800};
inline constexpr unsigned kConflictRounds = 5;
// A conflict that no comparison has confirmed for so long is over: three of them failed.
inline constexpr std::chrono::seconds kConflictMemory{35};

// A claim that moves a VM is published so much after it was pushed to those whom it concerns.
inline constexpr std::chrono::milliseconds kPublishPatience{60};

// VMs that are about to come at a time; a host that is emptied sends a few at once.
inline constexpr std::size_t kPreparationsMax = 256;
// The present host is asked who talks with such a VM until it answers, twice as long after each time, and then again as
// often as this: copying a VM's memory takes minutes.
inline constexpr std::chrono::milliseconds kPrepareRepeat{250};
inline constexpr std::chrono::seconds kPrepareRefresh{5};
// While nobody is known to have it, or no session with its host stands.
inline constexpr std::chrono::seconds kPrepareSearchInterval{1};

// It is asked for in the own bridge at once, then after as long again each time up to this: a question waits at the new
// hypervisor's port until the guest runs, and is what one that says nothing by itself answers first.
inline constexpr std::chrono::seconds kExpectedAskInterval{1};
inline constexpr std::chrono::seconds kExpectedAskIntervalMax{30};

// Who prepares for a VM asks again every kPrepareRefresh; after four questions that did not come it is not expected
// there any more.
inline constexpr std::chrono::seconds kExpectedByTime{20};
// A stopped VM that neither goes on nor is claimed elsewhere; kAdvanceKeptTime of core/forward is the other side's.
inline constexpr std::chrono::seconds kAdvanceTime{30};
inline constexpr std::size_t kStoppedVmsMax = 64;  // at the same time; of further ones nothing is sent ahead

// A frame of the largest inner packet: Ethernet and one VLAN tag more.
inline constexpr std::size_t kLinkOverhead = 18;
inline constexpr std::uint8_t kForwardedOnce = kFlagForwarded | 1U << kFlagHopsShift;

inline std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

template <typename T>
std::optional<T> take_front(std::deque<T>& queue) {
  if (queue.empty()) return std::nullopt;
  std::optional<T> item{std::move(queue.front())};
  queue.pop_front();
  return item;
}

struct NodeCounters {
  std::uint64_t claims_received = 0;
  std::uint64_t claims_accepted = 0;
  std::uint64_t claims_malformed = 0;
  std::uint64_t claims_bad_signature = 0;
  std::uint64_t claims_not_allowed = 0;
  std::uint64_t claims_older = 0;
  std::uint64_t claims_expired = 0;
  std::uint64_t claims_from_the_future = 0;
  std::uint64_t claims_table_full = 0;
  std::uint64_t claims_published = 0;
  std::uint64_t claims_refused_here = 0;  // arrivals that our own certificate does not allow
  std::uint64_t addresses_not_allowed = 0;
  std::uint64_t pushes_sent = 0;
  std::uint64_t pushes_limited = 0;
  std::uint64_t redirects_sent = 0;
  std::uint64_t searches = 0;
  std::uint64_t searches_limited = 0;
  std::uint64_t conflict_checks = 0;
  std::uint64_t conflict_checks_refused = 0;
  std::uint64_t conflicts_found = 0;
  std::uint64_t prepares_refused = 0;        // who asks may not claim the VM, or asks too often
  std::uint64_t correspondents_refused = 0;  // not asked for, or twice
  std::uint64_t moves_in = 0;
  std::uint64_t moves_away = 0;
  std::uint64_t neighbor_answers = 0;
  std::uint64_t floods = 0;
  std::uint64_t floods_limited = 0;
  std::uint64_t frames_bad = 0;
  std::uint64_t frames_replayed = 0;        // sent to a VM's new host: its old hypervisor never read them
  std::uint64_t frames_replayed_ahead = 0;  // … before it was there
  std::uint64_t frames_not_replayed = 0;    // … that could not: too large, or not kept
  std::uint64_t bridge_refusals = 0;        // entries that the bridge did not change as wished
  std::uint64_t replays_late = 0;           // the capture did not answer in time
  std::uint64_t frames_stale = 0;           // from a VM that just left
  std::uint64_t unproven_held = 0;
  std::uint64_t unproven_dropped = 0;
  std::uint64_t unproven_delivered = 0;
  std::uint64_t resolving_limited = 0;
  std::uint64_t vms_limited = 0;
  std::uint64_t sealed_refused = 0;
  std::uint64_t sealed_replayed = 0;
  std::uint64_t node_records_bad = 0;
  std::uint64_t certificates_bad = 0;
  std::uint64_t dht_over_budget = 0;
  std::uint64_t outputs_dropped = 0;
};

struct Node::Impl {
  Impl(NodeConfig config, NodeIdentity identity, LocationService& location, Random& random);

  // ---- node.cpp
  void start(Now now);
  void dispatch(Now now, WorkerEvent event);
  void handle_timeout(Now now);
  void pump(Now now);  // after every input: peers' events, questions, pushes
  void publish_own_record(Now now);
  void emit(WorkerCommand command);
  void report(Now now, NodeEvent::Kind kind, const NodeId& peer, std::optional<MacAddress> vm, std::string detail);
  [[nodiscard]] std::shared_ptr<const Snapshot> make_snapshot();
  [[nodiscard]] bool is_own_mac(const MacAddress& mac) const {
    return mac == config.tap_mac || mac == config.probe_mac;
  }
  // What the packet path is to know of this MAC has changed.
  void refresh_view(const MacAddress& mac);
  void refresh_all_views();
  [[nodiscard]] std::optional<TimePoint> next_timeout() const;
  [[nodiscard]] NodeStatus status() const;

  void handle_sealed(Now now, const Endpoint& from, BytesView datagram);
  void handle_peer_event(Now now, PeerEvent event);
  void handle_peer_up(Now now, const PeerUp& up);
  void handle_message(Now now, const NodeId& peer, const ControlMessage& message);

  // ---- node_frames.cpp
  void handle_frame(Now now, BytesView frame);
  // Sends a frame of a local VM on its way: to its destination's node, to all, or into the resolver.
  void route_frame(Now now, BytesView frame, const FrameInfo& info);
  void route_unicast(Now now, BytesView frame, const FrameInfo& info);
  // True when the request was dealt with (answered, held, or not ours to answer).
  bool answer_neighbor(Now now, BytesView frame, const FrameInfo& info);
  void flood(Now now, BytesView frame);
  void release_held(Now now, const VmAddress& address);
  void release_negative(Now now, const VmAddress& address);
  void handle_unproven(Now now, const NodeId& peer, BytesView frame);
  [[nodiscard]] bool is_proven(const NodeId& peer, const FrameInfo& info) const;
  void deliver(BytesView frame, const FrameInfo& info);
  void retry_unproven(Now now, const NodeId& peer);
  void expire_unproven(Now now);

  // ---- node_claims.cpp
  // Something tells that this MAC (with this IP) is here. False when the sender must not be taken at its word now.
  bool note_presence(Now now, const MacAddress& mac, const std::optional<IpAddress>& ip, bool announces);
  void arrive(Now now, const MacAddress& mac, const std::optional<IpAddress>& ip, bool certain);
  void ask_about_arrival(Now now, const MacAddress& mac);
  void finish_arrivals(Now now);
  void claim_here(Now now, const MacAddress& mac, std::vector<IpAddress> ips);
  [[nodiscard]] bool may_claim_ip(const IpAddress& ip) const;
  // A claim of ours from before this start came to us, and its VM is not here: unless it answers, it is withdrawn, so
  // that all others look for it.
  void check_stale(Now now, const MacAddress& mac);
  void run_stale_checks(Now now);
  void drop_taken(const MacAddress& mac, const IpAddress& shown, std::vector<IpAddress>& ips) const;
  [[nodiscard]] std::vector<IpAddress> addresses_for_arrival(const MacAddress& mac,
                                                             const std::optional<IpAddress>& ip) const;
  void refresh_claim(Now now, const MacAddress& mac);
  void release_vm(Now now, const MacAddress& mac, std::string reason);
  void accept_claim(Now now, BytesView encoded, LookupSource source, const NodeId& bringer);
  void judge_claim(Now now, const SignedClaim& claim, const Certificate& publisher, LookupSource source,
                   const NodeId& bringer);
  void recover_addresses(Now now, const Claim& claim);
  void yield_to(Now now, const Claim& claim);
  void inject_move(const MacAddress& mac);
  void take_over_entry(const MacAddress& mac);
  void publish(const SignedClaim& claim);
  void withdraw(const SignedClaim& claim);
  // To `first`, then to `next`, then to whoever was heard last.
  void push_to_all(Now now, const SignedClaim& claim, const NodeId& first, const std::vector<NodeId>& next);
  void send_pushes(Now now);
  void redirect(Now now, const NodeId& peer, const MacAddress& vm);
  void handle_vm_timers(Now now);

  // ---- node_location.cpp
  void handle_location(Now now);
  void look_for_addresses();
  void handle_found(Now now, const RecordFound& found);
  void handle_lookup_done(Now now, const LookupDone& done);
  void offer_node_record(Now now, BytesView encoded, const NodeId& bringer);
  void offer_certificate(Now now, BytesView der);
  void process_held_claims(Now now, const NodeId& owner);
  void ask_questions();
  void ask_certificate(Now now, const NodeId& owner, const NodeId& bringer);
  // Opens a session with a node, or finds out where it is first.
  void reach(Now now, const NodeId& node);
  void note_route_used(Now now, const MacAddress& vm);
  void expire_watches(Now now);
  [[nodiscard]] bool is_fresh(Now now, const VmAddress& address, const Claim& claim) const;
  [[nodiscard]] bool is_ready(Now now, const VmAddress& address) const;
  void settle(Now now, const Claim& claim);

  // ---- node_replay.cpp
  void begin_replay(Now now, const MacAddress& mac);
  void handle_echo(Now now, const MacAddress& mac);
  // Sends it on by way of `to`, and notes it among `sent`. False: it is too large for our network.
  [[nodiscard]] bool hand_over(const NodeId& to, PortFrame frame, FrameHashes& sent);
  void finish_replay(Now now, const MacAddress& mac, std::vector<PortFrame> frames, std::uint64_t missing);
  void hold_unplugged(Now now, const MacAddress& mac);
  // The number of its hold that is under way since it was unplugged, or else a new one.
  [[nodiscard]] std::uint64_t continue_unplugged(Now now, const MacAddress& mac);
  void end_unplugged(const MacAddress& mac);
  [[nodiscard]] bool is_unplugged(const MacAddress& mac) const;
  void handle_early_switch(Now now, const EarlySwitch& early);
  void expect_replay(Now now, const MacAddress& mac, const NodeId& previous);
  void note_path_switch(const MacAddress& mac, const NodeId& from, const NodeId& to);
  void expire_replays(Now now);
  [[nodiscard]] std::optional<TimePoint> replay_timeout() const;
  void add_replay_view(const MacAddress& mac, VmView& view) const;

  // ---- node_advance.cpp
  // A replay that has begun before the VM was claimed elsewhere.
  struct Advance {
    NodeId to;
    TimePoint until{};
    bool streams = false;
    bool kept = false;  // as that host says
    FrameHashes sent{};
  };
  void note_expected_by(Now now, LocalVm& vm, const NodeId& peer);
  void begin_advance(Now now, const MacAddress& mac);
  void stream_advance(const MacAddress& mac);
  void handle_captured_ahead(const MacAddress& mac, std::vector<PortFrame> frames, AheadState state);
  void handle_advance_answered(const AdvanceAnswered& answered);
  void cancel_advance(const MacAddress& mac);
  void end_advance(const MacAddress& mac);
  void end_advances_to(const NodeId& peer);
  [[nodiscard]] bool continues_advance(const MacAddress& mac, const NodeId& owner);
  void expire_advances(Now now);

  // ---- node_search.cpp
  void handle_vm_silent(Now now, const MacAddress& mac);
  // The bridge forgot it: its port is gone.
  void handle_vm_unplugged(Now now, const MacAddress& mac);
  void handle_peer_silent(Now now, const NodeId& peer);
  void finish_silences(Now now);
  // Asks all peers but `silent`, who is silent itself, and the location service.
  void search(Now now, const MacAddress& mac, const std::vector<IpAddress>& ips, const NodeId& silent);
  void handle_search(Now now, const NodeId& peer, const SearchMessage& message);
  // Asks in this host's bridge for each of the addresses: the VM with this MAC, or all.
  void ask_presence(const std::optional<MacAddress>& at, const std::vector<IpAddress>& ips);

  // ---- node_conflict.cpp
  // Questions to a VM in the own bridge, and from when on what is heard of it is an answer.
  struct Hearing {
    unsigned asked = 0;
    TimePoint next{};  // the next question, or the end

    void start(TimePoint now) { *this = {0, now + kEvidenceDelay}; }
    [[nodiscard]] bool hears(TimePoint now) const { return asked > 0 || next <= now; }
  };
  // What this node asks.
  struct Comparison {
    enum class Stage { AskHere, AskThere, AskAgain, Tell };

    NodeId other;
    std::uint32_t round = 0;
    unsigned rounds = 0;  // that took too long
    Stage stage = Stage::AskHere;
    TimePoint heard_at{};  // the first time in this round
    Hearing hearing;
    TimePoint next{};  // when the message to the other is sent again
    unsigned sent = 0;
    std::uint64_t first_live = 0;
    std::uint64_t their_first_live = 0;

    [[nodiscard]] bool asks_here() const { return stage == Stage::AskHere || stage == Stage::AskAgain; }
  };
  // What another node asked.
  struct ConflictAnswer {
    NodeId asker;
    std::uint32_t round = 0;
    Hearing hearing;
    std::optional<bool> alive;
    TimePoint forget_at{};  // once answered
    std::uint64_t first_live = 0;
  };
  // Looks whether `mac` is alive here and at `other` at the same time.
  void compare(Now now, const MacAddress& mac, const NodeId& other);
  void tell_other(Now now, const MacAddress& mac, Comparison& comparison);
  void answer_check(Now now, const MacAddress& mac, ConflictStage stage);
  // False if it has been asked for the last time, and its time to answer is over.
  bool ask_or_give_up(Now now, const MacAddress& mac, Hearing& hearing);
  void handle_conflict_check(Now now, const NodeId& peer, const ConflictCheckMessage& message);
  void handle_conflict_evidence(Now now, const NodeId& peer, const ConflictEvidenceMessage& message);
  void note_alive(Now now, const MacAddress& mac);
  void run_comparisons(Now now);
  // Both are alive; times in ms since 1970.
  void judge_conflict(Now now, const MacAddress& mac, const NodeId& other, std::uint64_t our_first_live,
                      std::uint64_t their_first_live);
  void end_conflict(Now now, const MacAddress& mac, std::string reason);
  // The one here has gone: the other node need not find out.
  void leave_conflict(Now now, const MacAddress& mac, std::string reason);
  // That node is down: nobody contradicts.
  void end_conflicts_with(Now now, const NodeId& peer);
  // Forgets a muted VM; its next frame, or its answer, claims it.
  void unmute(Now now, const MacAddress& mac);
  [[nodiscard]] std::optional<TimePoint> conflict_timeout() const;

  // ---- node_prepare.cpp
  struct Preparation {
    TimePoint until{};
    TimePoint next{};  // something is asked again
    Duration interval{};
    TimePoint next_probe{};
    Duration probe_interval = kExpectedAskInterval;
    std::optional<NodeId> asked;  // who was asked for the correspondents, and has not answered
    std::vector<NodeId> correspondents;
  };
  void prepare_vm(Now now, const MacAddress& mac, unsigned port);
  void run_preparations(Now now);
  void ask_about_expected(Now now, const MacAddress& mac, Preparation& preparation);
  void resume_preparation(Now now, const MacAddress& mac);
  void resume_preparations_with(Now now, const NodeId& peer);
  void handle_prepare(Now now, const NodeId& peer, const PrepareMessage& message);
  void handle_correspondents(Now now, const NodeId& peer, const CorrespondentsMessage& message);
  // Of a VM that has come: nothing more is prepared.
  [[nodiscard]] std::vector<NodeId> take_correspondents(const MacAddress& mac);
  void expect_return(Now now, const MacAddress& mac);
  void forget_expected(Now now, const MacAddress& mac, std::string reason);

  // ---- node_detour.cpp
  struct Detour {
    unsigned port = 0;
    std::optional<TimePoint> until;  // the VM has come: its bridge may send to its port itself from then on
    bool is_ending = false;          // … when the packet path has read what its neighbours sent so far, or `until`
    std::optional<TimePoint> ended_until;  // the bridge does, since a moment ago
  };
  void begin_detour(const MacAddress& mac, unsigned port);
  // It has come: what its neighbours had sent to its old host ends there.
  void tell_neighbors_switch(const MacAddress& mac, const NodeId& previous);
  void end_detour(Now now, const MacAddress& mac);
  // Follows what has become of the VMs.
  void review_detours(Now now);
  void add_detour_view(const MacAddress& mac, VmView& view) const;
  [[nodiscard]] std::optional<TimePoint> detour_timeout() const;

  // ---- node_lookup.cpp
  LookupTicket start_lookup(Now now, const VmAddress& address, bool refresh);
  void finish_lookups(Now now);
  [[nodiscard]] LookupAnswer make_answer(Now now, const SignedClaim& claim, const VmAddress& address) const;
  struct OperatorLookup;
  void trace_known(Now now, OperatorLookup& lookup, const SignedClaim* known) const;
  // A claim came for the addresses of lookups that are under way. nullopt: it waits for its publisher's certificate.
  void trace_answer(Now now, const Claim& claim, LookupSource source, const NodeId& bringer,
                    std::optional<ClaimVerdict> verdict);
  // A certificate came that claims had waited for.
  void trace_certificate(Now now, const NodeId& owner);
  void finish_lookup(Now now, OperatorLookup& lookup);

  // ---- node_ping.cpp
  PingTicket start_ping(Now now, const NodeId& node, Duration patience);
  void probe_waiting(Now now, const NodeId& peer);
  void handle_pong(const PeerPong& pong);
  // The session is gone, and the answer with it.
  void restart_pings(Now now, const NodeId& peer);
  void expire_pings(Now now);

  // ---- node_members.cpp
  [[nodiscard]] std::vector<MemberName> members() const;
  [[nodiscard]] std::optional<MemberInfo> member(const NodeId& node) const;

  // ---- node_timeline.cpp
  // Something that may be the first sign of a VM's arrival, before anything is made of it.
  void note_signal(Now now, const MacAddress& mac, SignalKind kind);
  void note_step(Now now, const MacAddress& mac, MoveStep step, const NodeId& peer);

  NodeConfig config;
  NodeIdentity identity;
  LocationService& location;
  Random& random;
  NodeKey own_key;
  NodeId own_id;
  NetworkId network;
  std::shared_ptr<const Certificate> own_certificate;
  LocationKeys keys;
  SealedChannel sealed;
  PeerSet peers;
  ClaimTable claims;
  Directory directory;
  VmTable vms;
  Resolver resolver;
  ClaimPusher pusher;
  AddressBudget budget;
  SilenceWatch<MacAddress> silent_vms;
  SilenceWatch<NodeId> silent_peers;
  TokenBucket flood_bucket;
  TokenBucket search_bucket;
  TokenBucket ping_bucket{kPingRate, kPingBurst};
  NodeCounters counters;
  LocationStatus location_status;

  SignedNodeRecord own_record;
  TimePoint own_record_refresh = TimePoint::max();
  TimePoint claims_expire_at = TimePoint::max();
  std::uint64_t highest_sequence = 0;
  std::uint64_t first_sequence = 0;  // below: claims of ours from before this start
  std::optional<TimePoint> started;

  // MACs that announced themselves while it is being found out what they may claim.
  struct Arrival {
    std::optional<IpAddress> ip;
    TimePoint deadline{};
    TimePoint patience{};  // until then it is asked again, if not certain
    bool certain = true;   // false: only what an old bridge entry says
  };
  std::map<MacAddress, Arrival> arrivals;
  std::map<LookupId, MacAddress> arrival_lookups;

  struct Unproven {
    NodeId peer;
    MacAddress source;
    TimePoint deadline{};
    Bytes frame;
  };
  std::deque<Unproven> unproven;

  struct Injection {
    TimePoint at{};
    MacAddress mac;
  };
  // The next one that is due.
  [[nodiscard]] static std::optional<MacAddress> take_due(std::deque<Injection>& queue, TimePoint now);
  std::deque<Injection> injections;  // in order of time
  struct StaleCheck {
    TimePoint at{};
    MacAddress mac;
    unsigned asked = 0;
  };
  std::vector<StaleCheck> stale_checks;
  std::deque<Injection> presence_checks;  // in order of time
  std::deque<Injection> publications;     // the same

  // Replays; as bounded as the local VMs.
  std::map<MacAddress, TimePoint> replays;   // under way: VMs that left → when they are late
  std::map<MacAddress, VmView::Hold> holds;  // of VMs that left or came
  std::uint64_t last_hold = 0;
  struct HandedOver {
    std::shared_ptr<const FrameHashes> frames;
    TimePoint until{};
  };
  std::map<MacAddress, HandedOver> handed_over_frames;
  std::vector<EarlySwitch> early_switches;
  TimePoint early_switches_until{};
  std::deque<CaptureRequest> capture_requests;
  std::map<MacAddress, Advance> advances;
  std::deque<AdvanceRequest> advance_requests;

  // Local VMs that are compared with another node's; as bounded as these.
  std::map<MacAddress, Comparison> comparisons;
  std::map<MacAddress, ConflictAnswer> conflict_answers;
  struct Conflict {
    NodeId other;
    TimePoint confirmed{};
    bool muted = false;  // ours is
  };
  std::map<MacAddress, Conflict> conflicts;

  std::map<MacAddress, Preparation> preparations;

  std::map<MacAddress, Detour> detours;  // of VMs that are expected, or came just now
  std::deque<BridgeEntry> bridge_entries;
  std::map<MacAddress, unsigned> ports;  // of what the bridge knows; as bounded as FdbMonitor

  std::map<MacAddress, TimePoint> watches;  // → when last used
  std::map<NodeId, TimePoint> record_asked;
  std::map<RecordId, LookupSource> sources;  // how the winning claims came; bounded with the table

  struct OperatorLookup {
    LookupTicket ticket;
    VmAddress address;
    LookupId lookup;
    TimePoint deadline{};
    bool done = false;
    bool reached = false;
    std::map<RecordId, SignedClaim> found;
    TimePoint began{};
    std::vector<LookupStep> steps;
    std::size_t steps_left_out = 0;

    void add_step(TimePoint now, LookupStep step);
    [[nodiscard]] bool concerns(const Claim& claim) const;
  };
  std::vector<OperatorLookup> operator_lookups;
  std::uint64_t last_ticket = 0;

  struct OperatorPing {
    PingTicket ticket;
    NodeId node;
    TimePoint deadline{};
    std::optional<std::uint64_t> probe;  // nullopt: it waits for a session
  };
  std::vector<OperatorPing> operator_pings;
  std::deque<PingResult> ping_results;
  std::uint64_t last_ping = 0;

  VmMap views;                      // for the next snapshot
  std::uint64_t views_evicted = 0;  // claims.evicted() when `views` was last made as a whole
  Snapshot session_part;            // sessions, current and their version
  bool is_shut_down = false;        // nothing is claimed any more, and no peer let in
  bool sessions_dirty = true;
  bool snapshot_dirty = true;
  std::deque<OutgoingDatagram> transmits;
  std::deque<WorkerCommand> commands;
  std::deque<DhtDatagram> dht_datagrams;
  std::deque<LookupResult> lookup_results;
  std::deque<NodeEvent> events;
  Timeline timeline;
};

}  // namespace rove
