// One VM at one node: whether it is here, and what is due when something is heard of it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/time.h"

namespace rove {

// How long frames for a VM that left are sent on. Correspondents learn of the move within a round trip; the time
// covers those that hear of it only by their own lookup.
inline constexpr std::chrono::seconds kForwardingTime{30};
// Frames of the VM that were under way in this host's bridge when it left are no evidence that it is back.
inline constexpr std::chrono::milliseconds kEvidenceDelay{20};
// With each further flip within kFlipTime the delay doubles up to this, so that two VMs with one MAC cannot flood
// the network with claims.
inline constexpr std::chrono::milliseconds kEvidenceDelayMax{500};
inline constexpr std::chrono::seconds kFlipTime{10};
// A claim is signed anew this often, and lives three times as long.
inline constexpr std::chrono::minutes kClaimRefresh{10};
inline constexpr std::chrono::minutes kClaimLifetime{30};
// A released VM's `gone` outlives the live record in the DHT (10 min), then it is forgotten.
inline constexpr std::chrono::minutes kGoneTime{15};
// After the bridge forgot a VM: asked so often, a second apart, before it is released.
inline constexpr unsigned kPresenceProbes = 4;
inline constexpr std::chrono::seconds kPresenceInterval{1};
// A VM that comes back so soon after it left is a reason to look whether there are two of it: EVPN counts five moves in
// as much time (RFC 7432 §15.1), and freezes without looking.
inline constexpr std::chrono::seconds kConflictWindow{180};
// A muted VM and the other are compared again this often.
inline constexpr std::chrono::seconds kConflictInterval{10};
// A VM that is expected and does not come: a hypervisor prepares once, and then copies some hundred gigabytes.
inline constexpr std::chrono::minutes kExpectedTime{15};

enum class VmState : std::uint8_t {
  Absent,      // not here; after a release its `gone` claim stays published for a while
  Live,        // here: claimed, published, refreshed
  Forwarding,  // moved away: frames are sent on to its new host
  Conflict,    // another of the same MAC was first elsewhere: this one is mute
  Expected,    // on its way here: all is made ready, and nothing is claimed before its first sign
};
inline constexpr std::size_t kVmStates = 5;
[[nodiscard]] std::string_view to_string(VmState state);

enum class VmEvent : std::uint8_t {
  Signal,        // evidence that it is here
  Claimed,       // our live claim was made and stands
  ForeignClaim,  // another node's live claim stands above ours
  Displaced,     // a `gone` of another, or a claim of ours from before a restart, stands above ours
  Released,      // by the operator, or at shutdown
  Unplugged,     // the bridge forgot it
  Outranked,     // another of the same MAC is alive elsewhere at the same time, and was first
  Unrivalled,    // that one is gone
  RefreshDue,
  ProbeDue,
  ForwardingDue,
  GoneDue,
  ConflictDue,
  Prepare,  // the operator says that it is about to come
  ExpectedDue,
};
inline constexpr std::size_t kVmEvents = 15;

// What Node is to do.
enum class VmAction : std::uint8_t {
  None,
  Claim,     // make a claim with the next sequence; Claimed follows if it stands
  Refresh,   // sign the claim again with a later not_after
  Probe,     // ask it in the own bridge
  Release,   // it does not answer: release it; Released follows
  Withdraw,  // publish `gone` in the claim's place
  Yield,     // send frames on to the new owner
  Retarget,  // it moved on: send frames to the newer owner
  Mute,      // drop what it sends
  Compare,   // ask both whether they are still alive
  Forget,    // nothing is left to be done for it
  Prepare,   // find out who it is and who talks with it, and open sessions
};

enum class VmTimer : std::uint8_t { Refresh, Probe, Forwarding, Gone, Conflict, Expected };
inline constexpr std::size_t kVmTimers = 6;

// Decides; does nothing itself. Control thread. docs/protocol.md §8 draws its table. An event that says nothing in a
// state leaves it as it is, so events may come late, early or twice.
class VmMachine {
 public:
  VmAction handle(TimePoint now, VmEvent event);
  // The next timer that has run out, as its event would have it; nullopt when none has.
  [[nodiscard]] std::optional<VmAction> take_due(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  [[nodiscard]] VmState state() const { return state_; }
  [[nodiscard]] TimePoint since() const { return since_; }
  [[nodiscard]] std::optional<TimePoint> deadline(VmTimer timer) const;
  // Whether it left so lately that, if it is here now, there may be two of it.
  [[nodiscard]] bool is_contested(TimePoint now) const;
  [[nodiscard]] Duration evidence_delay() const { return evidence_delay_; }
  // Whether something heard of it now tells that it is here; not shortly after it left.
  [[nodiscard]] bool counts_as_evidence(TimePoint now) const;
  // Claimed by an operator: stays until it is released, whatever the bridge forgets.
  [[nodiscard]] bool is_pinned() const { return pinned_; }
  void pin() { pinned_ = true; }

 private:
  VmAction handle_absent(TimePoint now, VmEvent event);
  VmAction handle_live(TimePoint now, VmEvent event);
  VmAction handle_forwarding(TimePoint now, VmEvent event);
  VmAction handle_conflict(TimePoint now, VmEvent event);
  VmAction handle_expected(TimePoint now, VmEvent event);
  void enter(TimePoint now, VmState state);
  void yield(TimePoint now);
  void arm(VmTimer timer, TimePoint at) { timers_[static_cast<std::size_t>(timer)] = at; }
  void disarm(VmTimer timer) { timers_[static_cast<std::size_t>(timer)] = TimePoint::max(); }
  void disarm_all() { timers_.fill(TimePoint::max()); }

  VmState state_ = VmState::Absent;
  TimePoint since_{};
  std::array<TimePoint, kVmTimers> timers_{TimePoint::max(), TimePoint::max(), TimePoint::max(),
                                           TimePoint::max(), TimePoint::max(), TimePoint::max()};
  bool pinned_ = false;
  unsigned probes_sent_ = 0;  // since the bridge forgot it
  Duration evidence_delay_ = kEvidenceDelay;
  std::optional<TimePoint> last_yield_;
};

}  // namespace rove
