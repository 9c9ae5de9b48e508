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

namespace rove {

// How long frames for a VM that left are sent on. Correspondents learn of the move within a round trip; the time
// covers those that hear of it only by their own lookup.
inline constexpr std::chrono::seconds kForwardingTime{30};
// How long the previous owner's forwarded frames are accepted: kForwardingTime and clocks, with room.
inline constexpr std::chrono::seconds kTakeoverTime{60};
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
// Local VMs; further ones are not claimed (counter vms_limited).
inline constexpr std::size_t kLocalVmsMax = 4096;

struct LocalVm {
  enum class State : std::uint8_t {
    Live,        // here: claimed, published, refreshed
    Forwarding,  // moved away: frames are sent on to `forward_to`
    Gone,        // released: the `gone` claim stays published for a while
  };

  MacAddress mac;
  State state = State::Live;
  SignedClaim claim;  // the last one of ours
  bool pinned = false;
  TimePoint since{};  // in this state
  TimePoint refresh_at{};

  NodeId previous_owner;
  TimePoint takeover_until{};

  NodeId forward_to;
  TimePoint forward_until{};
  Duration evidence_delay = kEvidenceDelay;
  std::optional<TimePoint> last_yield;

  unsigned probes_sent = 0;  // since the bridge forgot it; 0: nothing suspected
  TimePoint probe_at = TimePoint::max();
};

// Control thread. Holds state and timers; Node decides and acts.
class VmTable {
 public:
  [[nodiscard]] LocalVm* find(const MacAddress& mac);
  [[nodiscard]] const LocalVm* find(const MacAddress& mac) const;
  [[nodiscard]] const LocalVm* find_live(const IpAddress& ip) const;
  [[nodiscard]] bool is_live(const MacAddress& mac) const;
  [[nodiscard]] bool full() const { return vms_.size() >= kLocalVmsMax; }
  // Whether something heard of this MAC now tells that it is here; not shortly after it left.
  [[nodiscard]] bool counts_as_evidence(TimePoint now, const MacAddress& mac) const;

  // `claim` is ours and live. Keeps `pinned` of an earlier entry.
  LocalVm& set_live(TimePoint now, SignedClaim claim);
  void set_takeover(TimePoint now, const MacAddress& mac, const NodeId& previous_owner);
  void set_forwarding(TimePoint now, const MacAddress& mac, const NodeId& to);
  void set_gone(TimePoint now, SignedClaim claim);
  // The same claim, signed again with a later not_after.
  void set_refreshed(TimePoint now, SignedClaim claim);
  void erase(const MacAddress& mac);

  // The bridge no longer knows the MAC / heard it again.
  void suspect(TimePoint now, const MacAddress& mac);
  void clear_suspicion(const MacAddress& mac);

  // What is due at `now`; each is reported once.
  struct Due {
    enum class Kind : std::uint8_t { Refresh, ForwardingEnded, GoneEnded, Probe, Absent };
    Kind kind;
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
