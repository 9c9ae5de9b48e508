#include "core/node/vm_table.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace rove {

LocalVm* VmTable::find(const MacAddress& mac) {
  const auto it = vms_.find(mac);
  return it == vms_.end() ? nullptr : &it->second;
}

const LocalVm* VmTable::find(const MacAddress& mac) const {
  const auto it = vms_.find(mac);
  return it == vms_.end() ? nullptr : &it->second;
}

const LocalVm* VmTable::find_live(const IpAddress& ip) const {
  for (const auto& [mac, vm] : vms_) {
    const auto& ips = vm.claim.claim.ips;
    if (vm.state == LocalVm::State::Live && std::find(ips.begin(), ips.end(), ip) != ips.end()) return &vm;
  }
  return nullptr;
}

bool VmTable::is_live(const MacAddress& mac) const {
  const LocalVm* vm = find(mac);
  return vm != nullptr && vm->state == LocalVm::State::Live;
}

bool VmTable::counts_as_evidence(TimePoint now, const MacAddress& mac) const {
  const LocalVm* vm = find(mac);
  return vm == nullptr || vm->state != LocalVm::State::Forwarding || now - vm->since >= vm->evidence_delay;
}

LocalVm& VmTable::set_live(TimePoint now, SignedClaim claim) {
  const MacAddress mac = claim.claim.mac;
  LocalVm& vm = vms_[mac];
  if (vm.state != LocalVm::State::Live || vm.mac != mac) vm.since = now;
  vm.mac = mac;
  vm.state = LocalVm::State::Live;
  vm.claim = std::move(claim);
  vm.refresh_at = now + kClaimRefresh;
  vm.forward_to = {};
  clear_suspicion(mac);
  return vm;
}

void VmTable::set_takeover(TimePoint now, const MacAddress& mac, const NodeId& previous_owner) {
  LocalVm* vm = find(mac);
  ROVE_CHECK(vm != nullptr);
  vm->previous_owner = previous_owner;
  vm->takeover_until = now + kTakeoverTime;
}

void VmTable::set_forwarding(TimePoint now, const MacAddress& mac, const NodeId& to) {
  LocalVm* vm = find(mac);
  ROVE_CHECK(vm != nullptr);
  // A further move while we forward (A→B→C) changes the target, not the time of our own leave-taking.
  if (vm->state != LocalVm::State::Forwarding) {
    vm->since = now;
    vm->forward_until = now + kForwardingTime;
    const bool flips = vm->last_yield && now - *vm->last_yield < kFlipTime;
    vm->evidence_delay = flips ? std::min<Duration>(2 * vm->evidence_delay, kEvidenceDelayMax) : kEvidenceDelay;
    vm->last_yield = now;
  }
  vm->state = LocalVm::State::Forwarding;
  vm->forward_to = to;
  clear_suspicion(mac);
}

void VmTable::set_gone(TimePoint now, SignedClaim claim) {
  LocalVm* vm = find(claim.claim.mac);
  ROVE_CHECK(vm != nullptr);
  vm->state = LocalVm::State::Gone;
  vm->since = now;
  vm->pinned = false;
  vm->claim = std::move(claim);
  clear_suspicion(vm->mac);
}

void VmTable::set_refreshed(TimePoint now, SignedClaim claim) {
  LocalVm* vm = find(claim.claim.mac);
  ROVE_CHECK(vm != nullptr && vm->state == LocalVm::State::Live);
  vm->claim = std::move(claim);
  vm->refresh_at = now + kClaimRefresh;
}

void VmTable::erase(const MacAddress& mac) {
  vms_.erase(mac);
}

void VmTable::suspect(TimePoint now, const MacAddress& mac) {
  LocalVm* vm = find(mac);
  // A pinned VM stays until it is released by whoever claimed it.
  if (vm == nullptr || vm->state != LocalVm::State::Live || vm->pinned) return;
  vm->probes_sent = 0;
  vm->probe_at = now;
}

void VmTable::clear_suspicion(const MacAddress& mac) {
  LocalVm* vm = find(mac);
  if (vm == nullptr) return;
  vm->probes_sent = 0;
  vm->probe_at = TimePoint::max();
}

std::vector<VmTable::Due> VmTable::take_due(TimePoint now) {
  std::vector<Due> due;
  for (auto& [mac, vm] : vms_) {
    switch (vm.state) {
      case LocalVm::State::Live:
        if (vm.probe_at <= now) {
          const bool asked_enough = vm.probes_sent == kPresenceProbes;
          due.push_back({asked_enough ? Due::Kind::Absent : Due::Kind::Probe, mac});
          ++vm.probes_sent;
          vm.probe_at = asked_enough ? TimePoint::max() : now + kPresenceInterval;
        }
        if (vm.refresh_at <= now) {
          vm.refresh_at = now + kClaimRefresh;
          due.push_back({Due::Kind::Refresh, mac});
        }
        break;
      case LocalVm::State::Forwarding:
        if (vm.forward_until <= now) due.push_back({Due::Kind::ForwardingEnded, mac});
        break;
      case LocalVm::State::Gone:
        if (vm.since + kGoneTime <= now) due.push_back({Due::Kind::GoneEnded, mac});
        break;
    }
  }
  return due;
}

std::optional<TimePoint> VmTable::poll_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [mac, vm] : vms_) {
    TimePoint at{};
    switch (vm.state) {
      case LocalVm::State::Live: at = std::min(vm.refresh_at, vm.probe_at); break;
      case LocalVm::State::Forwarding: at = vm.forward_until; break;
      case LocalVm::State::Gone: at = vm.since + kGoneTime; break;
    }
    if (!next || at < *next) next = at;
  }
  return next;
}

std::size_t VmTable::live_count() const {
  return static_cast<std::size_t>(std::count_if(
      vms_.begin(), vms_.end(), [](const auto& entry) { return entry.second.state == LocalVm::State::Live; }));
}

}  // namespace rove
