#include "core/node/vm_machine.h"

#include <doctest/doctest.h>

#include <vector>

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{100}};

// A machine in that state, brought there by events alone.
VmMachine machine_in(VmState state) {
  VmMachine vm;
  if (state == VmState::Absent) return vm;
  if (state == VmState::Expected) {
    CHECK(vm.handle(kStart, VmEvent::Prepare) == VmAction::Prepare);
    return vm;
  }
  CHECK(vm.handle(kStart, VmEvent::Claimed) == VmAction::None);
  if (state == VmState::Conflict) CHECK(vm.handle(kStart, VmEvent::Outranked) == VmAction::Mute);
  if (state == VmState::Forwarding) CHECK(vm.handle(kStart, VmEvent::ForeignClaim) == VmAction::Yield);
  CHECK(vm.state() == state);
  return vm;
}

struct Row {
  VmState state;
  VmEvent event;
  VmState next;
  VmAction action;
  std::optional<VmTimer> timer;  // the one that runs afterwards, of those that the state did not have running before
};

constexpr VmState A = VmState::Absent;
constexpr VmState L = VmState::Live;
constexpr VmState F = VmState::Forwarding;
constexpr VmState C = VmState::Conflict;
constexpr VmState P = VmState::Expected;
using E = VmEvent;
using X = VmAction;
using T = VmTimer;

// docs/protocol.md §8. A Signal in Forwarding is one that is late enough to count.
const std::vector<Row> kTable{
    {A, E::Signal, A, X::Claim, {}},
    {A, E::Claimed, L, X::None, T::Refresh},
    {A, E::ForeignClaim, A, X::None, {}},
    {A, E::Displaced, A, X::None, {}},
    {A, E::Released, A, X::None, {}},
    {A, E::Unplugged, A, X::None, {}},
    {A, E::Outranked, A, X::None, {}},
    {A, E::Unrivalled, A, X::None, {}},
    {A, E::RefreshDue, A, X::None, {}},
    {A, E::ProbeDue, A, X::None, {}},
    {A, E::ForwardingDue, A, X::None, {}},
    {A, E::GoneDue, A, X::Forget, {}},
    {A, E::ConflictDue, A, X::None, {}},
    {A, E::Prepare, P, X::Prepare, T::Expected},
    {A, E::ExpectedDue, A, X::None, {}},
    {L, E::Signal, L, X::None, {}},
    {L, E::Claimed, L, X::None, {}},
    {L, E::ForeignClaim, F, X::Yield, T::Forwarding},
    {L, E::Displaced, L, X::Claim, {}},
    {L, E::Released, A, X::Withdraw, T::Gone},
    {L, E::Unplugged, L, X::None, T::Probe},
    {L, E::Outranked, C, X::Mute, T::Conflict},
    {L, E::Unrivalled, L, X::None, {}},
    {L, E::RefreshDue, L, X::Refresh, {}},
    {L, E::ProbeDue, L, X::Probe, T::Probe},
    {L, E::ForwardingDue, L, X::None, {}},
    {L, E::GoneDue, L, X::None, {}},
    {L, E::ConflictDue, L, X::None, {}},
    {L, E::Prepare, L, X::None, {}},
    {L, E::ExpectedDue, L, X::None, {}},
    {F, E::Signal, F, X::Claim, {}},
    {F, E::Claimed, L, X::None, T::Refresh},
    {F, E::ForeignClaim, F, X::Retarget, {}},
    {F, E::Displaced, F, X::None, {}},
    {F, E::Released, F, X::None, {}},
    {F, E::Unplugged, F, X::None, {}},
    {F, E::Outranked, C, X::Mute, T::Conflict},
    {F, E::Unrivalled, F, X::None, {}},
    {F, E::RefreshDue, F, X::None, {}},
    {F, E::ProbeDue, F, X::None, {}},
    {F, E::ForwardingDue, A, X::Forget, {}},
    {F, E::GoneDue, F, X::None, {}},
    {F, E::ConflictDue, F, X::None, {}},
    {F, E::Prepare, F, X::Prepare, {}},
    {F, E::ExpectedDue, F, X::None, {}},
    {C, E::Signal, C, X::None, {}},
    {C, E::Claimed, L, X::None, T::Refresh},
    {C, E::ForeignClaim, C, X::None, {}},
    {C, E::Displaced, A, X::Forget, {}},
    {C, E::Released, A, X::Forget, {}},
    {C, E::Unplugged, A, X::Forget, {}},
    {C, E::Outranked, C, X::None, {}},
    {C, E::Unrivalled, A, X::Forget, {}},
    {C, E::RefreshDue, C, X::None, {}},
    {C, E::ProbeDue, C, X::None, {}},
    {C, E::ForwardingDue, C, X::None, {}},
    {C, E::GoneDue, C, X::None, {}},
    {C, E::ConflictDue, C, X::Compare, {}},
    {C, E::Prepare, C, X::None, {}},
    {C, E::ExpectedDue, C, X::None, {}},
    {P, E::Signal, P, X::Claim, {}},
    {P, E::Claimed, L, X::None, T::Refresh},
    {P, E::ForeignClaim, P, X::None, {}},
    {P, E::Displaced, P, X::None, {}},
    {P, E::Released, A, X::Forget, {}},
    {P, E::Unplugged, P, X::None, {}},
    {P, E::Outranked, P, X::None, {}},
    {P, E::Unrivalled, P, X::None, {}},
    {P, E::RefreshDue, P, X::None, {}},
    {P, E::ProbeDue, P, X::None, {}},
    {P, E::ForwardingDue, P, X::None, {}},
    {P, E::GoneDue, P, X::None, {}},
    {P, E::ConflictDue, P, X::None, {}},
    {P, E::Prepare, P, X::Prepare, {}},
    {P, E::ExpectedDue, A, X::Forget, {}},
};

}  // namespace

TEST_CASE("VmMachine: every event in every state does what the table says") {
  REQUIRE(kTable.size() == kVmStates * kVmEvents);
  std::size_t index = 0;
  for (const Row& row : kTable) {
    CAPTURE(to_string(row.state));
    CAPTURE(static_cast<int>(row.event));
    REQUIRE(static_cast<std::size_t>(row.state) * kVmEvents + static_cast<std::size_t>(row.event) == index++);
    VmMachine vm = machine_in(row.state);
    const VmMachine before = vm;

    CHECK(vm.handle(kStart + kEvidenceDelay, row.event) == row.action);

    CHECK(vm.state() == row.next);
    for (const VmTimer timer : {T::Refresh, T::Probe, T::Forwarding, T::Gone, T::Conflict, T::Expected}) {
      CAPTURE(static_cast<int>(timer));
      const bool kept = row.state == row.next && before.deadline(timer).has_value();
      CHECK(vm.deadline(timer).has_value() == (kept || row.timer == timer));
    }
  }
}

TEST_CASE("VmMachine: a state is as old as its beginning, whatever is heard meanwhile") {
  VmMachine vm = machine_in(VmState::Forwarding);

  CHECK(vm.handle(kStart + std::chrono::seconds{10}, VmEvent::ForeignClaim) == VmAction::Retarget);

  CHECK(vm.since() == kStart);
  CHECK(vm.deadline(VmTimer::Forwarding) == kStart + kForwardingTime);
}

TEST_CASE("VmMachine: a frame that was under way when the VM left asks for nothing") {
  VmMachine vm = machine_in(VmState::Forwarding);

  CHECK(vm.handle(kStart + kEvidenceDelay - Duration{1}, VmEvent::Signal) == VmAction::None);
  CHECK(vm.handle(kStart + kEvidenceDelay, VmEvent::Signal) == VmAction::Claim);
}

TEST_CASE("VmMachine: a VM that was prepared for and does not come is forgotten after its time, anew with each word") {
  VmMachine vm = machine_in(VmState::Expected);
  CHECK(vm.deadline(VmTimer::Expected) == kStart + kExpectedTime);
  CHECK(vm.handle(kStart + std::chrono::minutes{1}, VmEvent::Prepare) == VmAction::Prepare);

  CHECK_FALSE(vm.take_due(kStart + kExpectedTime).has_value());
  CHECK(vm.take_due(kStart + std::chrono::minutes{1} + kExpectedTime) == VmAction::Forget);

  CHECK(vm.state() == VmState::Absent);
  CHECK_FALSE(vm.poll_timeout().has_value());
}

TEST_CASE("VmMachine: a released VM is no longer pinned when it comes again") {
  VmMachine vm = machine_in(VmState::Live);
  vm.pin();
  CHECK(vm.handle(kStart, VmEvent::Unplugged) == VmAction::None);
  CHECK_FALSE(vm.deadline(VmTimer::Probe).has_value());

  CHECK(vm.handle(kStart, VmEvent::Released) == VmAction::Withdraw);
  CHECK(vm.handle(kStart, VmEvent::Claimed) == VmAction::None);

  CHECK_FALSE(vm.is_pinned());
}

TEST_CASE("VmMachine: it is contested when it comes back within three minutes, and not for ever") {
  TimePoint now{std::chrono::hours{1}};
  VmMachine vm;
  (void)vm.handle(now, VmEvent::Claimed);
  CHECK_FALSE(vm.is_contested(now));
  CHECK(vm.handle(now, VmEvent::ForeignClaim) == VmAction::Yield);
  (void)vm.handle(now + std::chrono::seconds{1}, VmEvent::Claimed);

  CHECK(vm.is_contested(now + std::chrono::seconds{1}));
  CHECK(vm.is_contested(now + kConflictWindow - std::chrono::seconds{1}));
  CHECK_FALSE(vm.is_contested(now + kConflictWindow));
}

TEST_CASE("VmMachine: a timer is reported once, however late it is looked at") {
  VmMachine vm = machine_in(VmState::Live);
  const TimePoint late = kStart + kClaimRefresh + std::chrono::hours{1};

  CHECK(vm.take_due(late) == VmAction::Refresh);
  CHECK(vm.take_due(late) == std::nullopt);
  CHECK(vm.poll_timeout() == late + kClaimRefresh);
}

}  // namespace rove
