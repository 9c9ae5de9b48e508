#include "core/node/vm_table.h"

#include <doctest/doctest.h>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{100}};
const MacAddress kMac{{0x02, 0, 0, 0, 0, 1}};
const NodeId kOther = NodeId::from_bytes(Bytes(16, 7));

SignedClaim claim(ClaimState state = ClaimState::Live, std::uint64_t sequence = 1) {
  init_crypto();
  SeededRandom random{1};
  const SigningSeed seed = SigningSeed::generate(random);
  Claim claim;
  claim.state = state;
  claim.mac = kMac;
  claim.owner = node_key_of(seed);
  claim.sequence = sequence;
  return sign_claim(std::move(claim), NetworkId{}, seed);
}

std::vector<VmAction> actions(const std::vector<VmTable::Due>& due) {
  std::vector<VmAction> out;
  for (const VmTable::Due& one : due) out.push_back(one.action);
  return out;
}

using Actions = std::vector<VmAction>;

}  // namespace

TEST_CASE("VmTable: right after yielding a frame of the VM is no evidence, later it is") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());
  CHECK(vms.handle_foreign_claim(kStart, kMac, kOther) != VmAction::None);

  CHECK_FALSE(vms.counts_as_evidence(kStart + kEvidenceDelay - Duration{1}, kMac));
  CHECK(vms.counts_as_evidence(kStart + kEvidenceDelay, kMac));
}

TEST_CASE("VmTable: each further flip within ten seconds doubles the delay, up to two seconds") {
  VmTable vms;
  TimePoint now = kStart;
  for (int flip = 0; flip < 10; ++flip) {
    vms.handle_claimed({now, {}}, claim());
    CHECK(vms.handle_foreign_claim(now, kMac, kOther) != VmAction::None);
    now += std::chrono::seconds{3};
  }
  CHECK(vms.find(kMac)->machine.evidence_delay() == kEvidenceDelayMax);

  now += kFlipTime;
  vms.handle_claimed({now, {}}, claim());
  CHECK(vms.handle_foreign_claim(now, kMac, kOther) != VmAction::None);

  CHECK(vms.find(kMac)->machine.evidence_delay() == kEvidenceDelay);
}

TEST_CASE("VmTable: forwarding ends after its time, also when the VM moved on meanwhile") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());
  CHECK(vms.handle_foreign_claim(kStart, kMac, kOther) != VmAction::None);
  CHECK(vms.handle_foreign_claim(kStart + std::chrono::seconds{10}, kMac, NodeId::from_bytes(Bytes(16, 8))) !=
        VmAction::None);

  CHECK(vms.find(kMac)->forward_to == NodeId::from_bytes(Bytes(16, 8)));
  CHECK(vms.poll_timeout() == kStart + kForwardingTime);
  CHECK(vms.take_due(kStart + kForwardingTime - Duration{1}).empty());
  CHECK(actions(vms.take_due(kStart + kForwardingTime)) == Actions{VmAction::Forget});
}

TEST_CASE("VmTable: a claim is due for refresh once per interval") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());

  CHECK(actions(vms.take_due(kStart + kClaimRefresh)) == Actions{VmAction::Refresh});
  CHECK(vms.take_due(kStart + kClaimRefresh).empty());
}

TEST_CASE("VmTable: a VM that the bridge forgot is asked a few times and then reported absent") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());
  CHECK(vms.handle(kStart, kMac, VmEvent::Unplugged) == VmAction::None);

  TimePoint now = kStart;
  for (unsigned probe = 0; probe < kPresenceProbes; ++probe) {
    CHECK(actions(vms.take_due(now)) == Actions{VmAction::Probe});
    now += kPresenceInterval;
  }
  CHECK(actions(vms.take_due(now)) == Actions{VmAction::Release});
  CHECK(vms.take_due(now + kPresenceInterval).empty());
}

TEST_CASE("VmTable: a VM that answers is no longer suspected, and a pinned one never is") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());
  CHECK(vms.handle(kStart, kMac, VmEvent::Unplugged) == VmAction::None);
  CHECK(vms.handle(kStart, kMac, VmEvent::Signal) == VmAction::None);
  CHECK(vms.take_due(kStart).empty());

  vms.find(kMac)->machine.pin();
  CHECK(vms.handle(kStart, kMac, VmEvent::Unplugged) == VmAction::None);
  CHECK(vms.take_due(kStart).empty());
}

TEST_CASE("VmTable: a gone claim keeps its time while the VM is expected again, and afterwards") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());
  vms.handle_released(kStart, claim(ClaimState::Gone, 2));
  CHECK(vms.handle_prepare(kStart, kMac) == VmAction::Prepare);
  CHECK(vms.is_expected(kMac));

  CHECK(vms.handle(kStart + std::chrono::minutes{1}, kMac, VmEvent::Released) == VmAction::Forget);

  CHECK_FALSE(vms.is_expected(kMac));
  CHECK(vms.find(kMac)->machine.deadline(VmTimer::Gone) == kStart + kGoneTime);
  CHECK(actions(vms.take_due(kStart + kGoneTime)) == Actions{VmAction::Forget});
}

TEST_CASE("VmTable: a released VM's gone claim is kept for a while") {
  VmTable vms;
  vms.handle_claimed({kStart, {}}, claim());
  vms.handle_released(kStart, claim(ClaimState::Gone, 2));

  CHECK_FALSE(vms.is_live(kMac));
  CHECK(vms.take_due(kStart + kGoneTime - Duration{1}).empty());
  CHECK(actions(vms.take_due(kStart + kGoneTime)) == Actions{VmAction::Forget});
}

}  // namespace rove
