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
    if (vm.is_live() && std::find(ips.begin(), ips.end(), ip) != ips.end()) return &vm;
  }
  return nullptr;
}

bool VmTable::is_live(const MacAddress& mac) const {
  const LocalVm* vm = find(mac);
  return vm != nullptr && vm->is_live();
}

bool VmTable::is_muted(const MacAddress& mac) const {
  const LocalVm* vm = find(mac);
  return vm != nullptr && vm->is_muted();
}

bool VmTable::is_expected(const MacAddress& mac) const {
  const LocalVm* vm = find(mac);
  return vm != nullptr && vm->is_expected();
}

bool VmTable::counts_as_evidence(TimePoint now, const MacAddress& mac) const {
  const LocalVm* vm = find(mac);
  return vm == nullptr || vm->machine.counts_as_evidence(now);
}

VmAction VmTable::handle(TimePoint now, const MacAddress& mac, VmEvent event) {
  LocalVm* vm = find(mac);
  return vm == nullptr ? VmMachine{}.handle(now, event) : vm->machine.handle(now, event);
}

LocalVm& VmTable::handle_claimed(Now now, SignedClaim claim) {
  const MacAddress mac = claim.claim.mac;
  LocalVm& vm = vms_[mac];
  if (vm.machine.state() == VmState::Absent || vm.is_expected()) vm.first_live = now.wall;
  (void)vm.machine.handle(now.steady, VmEvent::Claimed);  // asks for nothing in any state
  vm.mac = mac;
  vm.claim = std::move(claim);
  vm.forward_to = {};
  return vm;
}

VmAction VmTable::handle_prepare(TimePoint now, const MacAddress& mac) {
  LocalVm& vm = vms_[mac];
  vm.mac = mac;
  return vm.machine.handle(now, VmEvent::Prepare);
}

void VmTable::handle_takeover(TimePoint now, const MacAddress& mac, const NodeId& previous_owner) {
  LocalVm* vm = find(mac);
  ROVE_CHECK(vm != nullptr);
  vm->previous_owner = previous_owner;
  vm->takeover_until = now + kTakeoverTime;
}

VmAction VmTable::handle_foreign_claim(TimePoint now, const MacAddress& mac, const NodeId& owner) {
  const VmAction action = handle(now, mac, VmEvent::ForeignClaim);
  if (action == VmAction::Yield || action == VmAction::Retarget) vms_[mac].forward_to = owner;
  return action;
}

void VmTable::handle_released(TimePoint now, SignedClaim gone) {
  LocalVm* vm = find(gone.claim.mac);
  ROVE_CHECK(vm != nullptr);
  ROVE_CHECK(vm->machine.handle(now, VmEvent::Released) == VmAction::Withdraw);
  vm->claim = std::move(gone);
}

void VmTable::set_refreshed(SignedClaim claim) {
  LocalVm* vm = find(claim.claim.mac);
  ROVE_CHECK(vm != nullptr && vm->is_live());
  vm->claim = std::move(claim);
}

std::vector<VmTable::Due> VmTable::take_due(TimePoint now) {
  std::vector<Due> due;
  for (auto& [mac, vm] : vms_) {
    VmState before = vm.machine.state();
    while (const auto action = vm.machine.take_due(now)) {
      due.push_back({*action, before, mac});
      before = vm.machine.state();
    }
  }
  return due;
}

std::optional<TimePoint> VmTable::poll_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [mac, vm] : vms_) {
    const auto at = vm.machine.poll_timeout();
    if (at && (!next || *at < *next)) next = at;
  }
  return next;
}

std::size_t VmTable::live_count() const {
  return static_cast<std::size_t>(
      std::count_if(vms_.begin(), vms_.end(), [](const auto& entry) { return entry.second.is_live(); }));
}

}  // namespace rove
