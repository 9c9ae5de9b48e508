// Frames for VMs that are expected here and whose hypervisor has stopped elsewhere. docs/protocol.md §2.2.
//
//   old host ─ replay-ahead ─► begin()    what its hypervisor will not read any more: keep_forwarded() ─┐ first
//   VMs of this host ────────► keep_local()                                                             ├─► released
//                              show(): the VM's first sign, a frame of its own                          ┘ then
//
// Where the port is known to which the VM will come (VmView::detoured), all of it goes to its queue in the kernel as
// soon as it is its turn: what is handed over at once, what VMs of this host send when what they had sent to the old
// host has come back. The VM's first sign changes nothing then. Copies of the latter are kept for the case that it
// stays away.
//
// So the VM gets what was sent to it in the pause at once and in order, a round trip before its old host knows that it
// is here. If it goes on at its old host after all, that has the frames of the first kind itself, and gets the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/forward/hold_table.h"

namespace rove {

// VMs whose frames are kept at the same time.
inline constexpr std::size_t kAdvancesMax = 64;
// From all of them, and from the VMs of this host to one. What does not fit takes the way by the old host.
inline constexpr std::size_t kAdvanceOctetsMax = std::size_t{16} << 20;
inline constexpr std::size_t kAdvanceLocalMax = 1024;
// From the old host to one: as many as it sends (kPortFramesMax of core/replay).
inline constexpr std::size_t kAdvanceForwardedMax = 1024 + 64;
// Frames of this host's own VMs wait no longer for a VM that is only paused.
inline constexpr std::chrono::seconds kAdvanceLocalTime{1};
// No longer than this after `replay-ahead`; the old host gives up as early (kAdvanceTime of core/node).
inline constexpr std::chrono::seconds kAdvanceKeptTime{30};
// Between the VM's first sign and the snapshot in which it is local.
inline constexpr std::chrono::seconds kAdvanceShownTime{1};
// … and how long frames of this host's own VMs wait then at most for those before them, until that snapshot knows it
// better.
inline constexpr std::chrono::milliseconds kAdvanceReturnTime{100};
// `replay-kept` is sent again after as many frames: none of them alone decides.
inline constexpr std::size_t kAdvanceKeptEvery = 64;

struct AdvanceFrame {
  HeldFrame held;
  bool onward = false;  // to the VM's present host, as if it had not been kept
};

// One worker. Allocates for kept frames only.
class AdvanceTable {
 public:
  // What every frame asks.
  [[nodiscard]] bool empty() const { return advances_.empty(); }

  // `peer`, which hosts the VM, says that frames will follow. False: no room.
  [[nodiscard]] bool begin(TimePoint now, const MacAddress& vm, const NodeId& peer, bool detoured);
  // The VM goes on at `peer`.
  void cancel(const MacAddress& vm, const NodeId& peer);
  // What this host's VMs had sent to `peer` for the VM has come back: what they sent since may follow. False: nothing
  // was begun by it.
  bool handle_returned(const MacAddress& vm, const NodeId& peer);
  // The same of all that they had sent there before the VM was seen here.
  void handle_switched(const MacAddress& vm, const NodeId& peer);
  // Something came by the old host: it lives, and what is waited for may be on its way.
  void handle_forwarded(const MacAddress& vm);
  // True the first time that the VM is seen here.
  bool show(TimePoint now, const MacAddress& vm);

  enum class Answer : std::uint8_t {
    None,  // no such VM: go on as if nothing were
    Kept,
    KeptTell,  // kept, and `replay-kept` is to be sent
    Full,      // it is kept no longer, and `replay-off` is to be sent
    Deliver,   // to the VM, or to its port's queue, at once
    DeliverTell,
  };
  [[nodiscard]] Answer keep_forwarded(const MacAddress& vm, const NodeId& from, std::uint8_t flags, BytesView frame);
  [[nodiscard]] Answer keep_local(const MacAddress& vm, BytesView frame);

  [[nodiscard]] std::optional<AdvanceFrame> take_released();
  [[nodiscard]] bool has_released() const { return !released_.empty(); }
  // What has waited too long. As HoldTable's time: when all that arrived before `now` has been handed in.
  void expire(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  // Where each VM is by a new snapshot. Local: everything else is HoldTable's. Detoured: it is here, and its
  // neighbours' frames come by this table still; they wait until `returned_until`, or `returned_until_max` when
  // something has come by the old host.
  enum class Place : std::uint8_t { Local, Detoured, Expected, Elsewhere };
  struct Standing {
    Place place = Place::Elsewhere;
    TimePoint returned_until{};
    TimePoint returned_until_max{};
  };
  template <typename StandingOf>
  void review(TimePoint now, const StandingOf& standing_of) {
    for (auto it = advances_.begin(); it != advances_.end();) {
      const Standing standing = standing_of(it->first, it->second.peer);
      switch (standing.place) {
        case Place::Local:
          (void)show(now, it->first);
          release(it->second.local, /*onward=*/false);
          it = advances_.erase(it);
          break;
        case Place::Detoured:
          (void)show(now, it->first);
          it->second.shown_until = now + kAdvanceKeptTime;  // until the detour ends
          it->second.claimed = true;
          it->second.returned_until_max = standing.returned_until_max;
          it->second.returned_until = it->second.extended ? standing.returned_until_max : standing.returned_until;
          ++it;
          break;
        case Place::Expected: ++it; break;
        case Place::Elsewhere: it = is_awaited(it->second) ? std::next(it) : end(it); break;
      }
    }
  }

 private:
  struct Advance {
    NodeId peer;
    TimePoint begun{};
    std::optional<TimePoint> shown_until;
    bool claimed = false;  // and control knows
    bool detoured = false;
    bool keeps_local = true;
    bool returned = false;
    TimePoint returned_until{};  // when shown: what is not back by then is waited for no longer
    TimePoint returned_until_max{};
    bool extended = false;  // to it
    std::deque<HeldFrame> forwarded;
    std::size_t delivered = 0;    // … to its port's queue, before it was seen
    std::deque<HeldFrame> local;  // also those that are in its port's queue: `queued` of them
    std::size_t queued = 0;

    // Shown, and its neighbours' frames wait still.
    [[nodiscard]] bool waits() const { return shown_until && detoured && !returned; }
  };
  using Iterator = std::map<MacAddress, Advance>::iterator;

  // end(): none that was begun by the peer.
  [[nodiscard]] Iterator find_of(const MacAddress& vm, const NodeId& peer);
  // It has been seen, and control does not know it yet.
  [[nodiscard]] static bool is_awaited(const Advance& advance) { return advance.shown_until && !advance.claimed; }
  // Behind what is released already.
  [[nodiscard]] Answer deliver(const MacAddress& vm, BytesView frame);
  void stop_keeping(Advance& advance);
  // All that is waited for has come back, or is waited for no longer.
  void set_returned(Advance& advance);
  void forget_queued(Advance& advance);
  bool push(std::deque<HeldFrame>& frames, HeldFrame frame);
  void release(std::deque<HeldFrame>& frames, bool onward);
  void discard(std::deque<HeldFrame>& frames);
  // What the old host has itself is forgotten; what came from here goes onward.
  Iterator end(Iterator it);

  std::map<MacAddress, Advance> advances_;
  std::deque<AdvanceFrame> released_;
  std::size_t octets_ = 0;  // kept and released
};

}  // namespace rove
