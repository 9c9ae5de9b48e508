#include "core/node/vm_machine.h"

#include <algorithm>

namespace rove {
namespace {

constexpr std::array<VmEvent, kVmTimers> kTimerEvents{VmEvent::RefreshDue, VmEvent::ProbeDue,    VmEvent::ForwardingDue,
                                                      VmEvent::GoneDue,    VmEvent::ConflictDue, VmEvent::ExpectedDue};

}  // namespace

std::string_view to_string(VmState state) {
  switch (state) {
    case VmState::Absent: return "absent";
    case VmState::Live: return "live";
    case VmState::Forwarding: return "forwarding";
    case VmState::Conflict: return "conflict";
    case VmState::Expected: return "expected";
  }
  return "unknown";
}

VmAction VmMachine::handle(TimePoint now, VmEvent event) {
  switch (state_) {
    case VmState::Absent: return handle_absent(now, event);
    case VmState::Live: return handle_live(now, event);
    case VmState::Forwarding: return handle_forwarding(now, event);
    case VmState::Conflict: return handle_conflict(now, event);
    case VmState::Expected: return handle_expected(now, event);
  }
  return VmAction::None;
}

VmAction VmMachine::handle_absent(TimePoint now, VmEvent event) {
  switch (event) {
    case VmEvent::Signal: return VmAction::Claim;
    case VmEvent::Claimed: enter(now, VmState::Live); return VmAction::None;
    case VmEvent::GoneDue: disarm_all(); return VmAction::Forget;
    case VmEvent::Prepare: enter(now, VmState::Expected); return VmAction::Prepare;
    default: return VmAction::None;
  }
}

VmAction VmMachine::handle_live(TimePoint now, VmEvent event) {
  switch (event) {
    case VmEvent::Signal: disarm(VmTimer::Probe); return VmAction::None;
    case VmEvent::Claimed:
      disarm(VmTimer::Probe);
      arm(VmTimer::Refresh, now + kClaimRefresh);
      return VmAction::None;
    case VmEvent::ForeignClaim: yield(now); return VmAction::Yield;
    case VmEvent::Displaced: return VmAction::Claim;
    case VmEvent::Released:
      pinned_ = false;
      enter(now, VmState::Absent);
      return VmAction::Withdraw;
    case VmEvent::Unplugged:
      if (pinned_) return VmAction::None;
      probes_sent_ = 0;
      arm(VmTimer::Probe, now);
      return VmAction::None;
    case VmEvent::Outranked: enter(now, VmState::Conflict); return VmAction::Mute;
    case VmEvent::RefreshDue: arm(VmTimer::Refresh, now + kClaimRefresh); return VmAction::Refresh;
    case VmEvent::ProbeDue:
      if (probes_sent_ == kPresenceProbes) {
        disarm(VmTimer::Probe);
        return VmAction::Release;
      }
      ++probes_sent_;
      arm(VmTimer::Probe, now + kPresenceInterval);
      return VmAction::Probe;
    default: return VmAction::None;
  }
}

VmAction VmMachine::handle_forwarding(TimePoint now, VmEvent event) {
  switch (event) {
    case VmEvent::Signal: return counts_as_evidence(now) ? VmAction::Claim : VmAction::None;
    case VmEvent::Claimed: enter(now, VmState::Live); return VmAction::None;
    // A further move while we forward (A→B→C) changes the target, not the time of our own leave-taking.
    case VmEvent::ForeignClaim: return VmAction::Retarget;
    case VmEvent::Outranked: enter(now, VmState::Conflict); return VmAction::Mute;
    case VmEvent::ForwardingDue: enter(now, VmState::Absent); return VmAction::Forget;
    case VmEvent::Prepare: return VmAction::Prepare;  // on its way back, while we still send frames on
    default: return VmAction::None;
  }
}

VmAction VmMachine::handle_conflict(TimePoint now, VmEvent event) {
  switch (event) {
    case VmEvent::Claimed: enter(now, VmState::Live); return VmAction::None;  // an operator's, who knows better
    case VmEvent::Displaced:
    case VmEvent::Released:
    case VmEvent::Unplugged:
    case VmEvent::Unrivalled:
      pinned_ = false;
      enter(now, VmState::Absent);
      return VmAction::Forget;
    case VmEvent::ConflictDue: arm(VmTimer::Conflict, now + kConflictInterval); return VmAction::Compare;
    default: return VmAction::None;
  }
}

VmAction VmMachine::handle_expected(TimePoint now, VmEvent event) {
  switch (event) {
    case VmEvent::Signal: return VmAction::Claim;
    case VmEvent::Claimed: enter(now, VmState::Live); return VmAction::None;
    case VmEvent::Prepare: arm(VmTimer::Expected, now + kExpectedTime); return VmAction::Prepare;
    case VmEvent::Released:
    case VmEvent::ExpectedDue: enter(now, VmState::Absent); return VmAction::Forget;
    case VmEvent::GoneDue: disarm(VmTimer::Gone); return VmAction::None;
    default: return VmAction::None;
  }
}

void VmMachine::enter(TimePoint now, VmState state) {
  const bool was_live = state_ == VmState::Live;
  // The `gone` of an earlier stay has its time, whether the VM is expected meanwhile or not.
  const bool keeps_gone = state == VmState::Expected || (state_ == VmState::Expected && state == VmState::Absent);
  const TimePoint gone = timers_[static_cast<std::size_t>(VmTimer::Gone)];
  state_ = state;
  since_ = now;
  disarm_all();
  if (keeps_gone) arm(VmTimer::Gone, gone);
  switch (state) {
    case VmState::Absent:
      if (was_live) arm(VmTimer::Gone, now + kGoneTime);
      break;
    case VmState::Live: arm(VmTimer::Refresh, now + kClaimRefresh); break;
    case VmState::Forwarding: arm(VmTimer::Forwarding, now + kForwardingTime); break;
    case VmState::Conflict: arm(VmTimer::Conflict, now + kConflictInterval); break;
    case VmState::Expected: arm(VmTimer::Expected, now + kExpectedTime); break;
  }
}

void VmMachine::yield(TimePoint now) {
  const bool flips = last_yield_ && now - *last_yield_ < kFlipTime;
  evidence_delay_ = flips ? std::min<Duration>(2 * evidence_delay_, kEvidenceDelayMax) : kEvidenceDelay;
  last_yield_ = now;
  enter(now, VmState::Forwarding);
}

bool VmMachine::counts_as_evidence(TimePoint now) const {
  if (state_ == VmState::Conflict) return false;
  return state_ != VmState::Forwarding || now - since_ >= evidence_delay_;
}

bool VmMachine::is_contested(TimePoint now) const {
  return last_yield_ && now - *last_yield_ < kConflictWindow;
}

std::optional<VmAction> VmMachine::take_due(TimePoint now) {
  for (std::size_t timer = 0; timer < kVmTimers; ++timer) {
    if (timers_[timer] <= now) return handle(now, kTimerEvents[timer]);
  }
  return std::nullopt;
}

std::optional<TimePoint> VmMachine::poll_timeout() const {
  const TimePoint next = *std::min_element(timers_.begin(), timers_.end());
  return next == TimePoint::max() ? std::nullopt : std::optional<TimePoint>{next};
}

std::optional<TimePoint> VmMachine::deadline(VmTimer timer) const {
  const TimePoint at = timers_[static_cast<std::size_t>(timer)];
  return at == TimePoint::max() ? std::nullopt : std::optional<TimePoint>{at};
}

}  // namespace rove
