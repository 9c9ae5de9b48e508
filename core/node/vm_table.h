// The VMs that are here, or were until lately.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/location/claim.h"
#include "core/node/vm_machine.h"

namespace rove {

// How long the previous owner's forwarded frames are accepted: kForwardingTime and clocks, with room.
inline constexpr std::chrono::seconds kTakeoverTime{60};
// Local VMs; further ones are not claimed (counter vms_limited).
inline constexpr std::size_t kLocalVmsMax = 4096;

struct LocalVm {
  MacAddress mac;
  VmMachine machine;
  SignedClaim claim;  // the last one of ours

  NodeId previous_owner;
  TimePoint takeover_until{};
  NodeId forward_to;
  // Who expects it, by its `prepare`.
  NodeId expected_by;
  TimePoint expected_by_until{};
  // Since when it has been live here, not counting absences of less than kForwardingTime.
  WallTime first_live{};

  [[nodiscard]] bool is_live() const { return machine.state() == VmState::Live; }
  [[nodiscard]] bool is_forwarding() const { return machine.state() == VmState::Forwarding; }
  [[nodiscard]] bool is_muted() const { return machine.state() == VmState::Conflict; }
  // What its entry holds is of an earlier stay, if anything.
  [[nodiscard]] bool is_expected() const { return machine.state() == VmState::Expected; }
  [[nodiscard]] TimePoint forward_until() const { return machine.deadline(VmTimer::Forwarding).value_or(TimePoint{}); }
};

// Control thread. Each VM's machine decides, Node acts; this holds them. A VM without an entry is Absent.
class VmTable {
 public:
  [[nodiscard]] LocalVm* find(const MacAddress& mac);
  [[nodiscard]] const LocalVm* find(const MacAddress& mac) const;
  [[nodiscard]] const LocalVm* find_live(const IpAddress& ip) const;
  [[nodiscard]] bool is_live(const MacAddress& mac) const;
  [[nodiscard]] bool is_muted(const MacAddress& mac) const;
  [[nodiscard]] bool is_expected(const MacAddress& mac) const;
  [[nodiscard]] bool full() const { return vms_.size() >= kLocalVmsMax; }
  [[nodiscard]] bool counts_as_evidence(TimePoint now, const MacAddress& mac) const;

  // Signal, Displaced, Unplugged, Outranked and Unrivalled. Claims and releases have their own, below: they carry more.
  [[nodiscard]] VmAction handle(TimePoint now, const MacAddress& mac, VmEvent event);
  // `claim` is ours, live, and stands.
  LocalVm& handle_claimed(Now now, SignedClaim claim);
  // It is about to come. The table is not full, or knows it.
  [[nodiscard]] VmAction handle_prepare(TimePoint now, const MacAddress& mac);
  void handle_takeover(TimePoint now, const MacAddress& mac, const NodeId& previous_owner);
  // The live claim of `owner` stands.
  [[nodiscard]] VmAction handle_foreign_claim(TimePoint now, const MacAddress& mac, const NodeId& owner);
  // `gone` is ours, for a VM that is live.
  void handle_released(TimePoint now, SignedClaim gone);
  // The same claim, signed again with a later not_after.
  void set_refreshed(SignedClaim claim);
  void erase(const MacAddress& mac) { vms_.erase(mac); }

  // What is due at `now`; each is reported once.
  struct Due {
    VmAction action;
    VmState before;
    MacAddress mac;
  };
  [[nodiscard]] std::vector<Due> take_due(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  [[nodiscard]] const std::map<MacAddress, LocalVm>& vms() const { return vms_; }
  [[nodiscard]] std::size_t live_count() const;

 private:
  std::map<MacAddress, LocalVm> vms_;
};

}  // namespace rove
