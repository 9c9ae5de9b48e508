// Frames for VMs that moved just now, waiting for older ones to go ahead. docs/protocol.md §2.1.
//
// At the old host everything for the VM waits until what its hypervisor never read has been sent on. At the new one,
// what comes straight from its senders waits for that (`replay-end`), and then for what these sent to the old host
// before they heard of the move (`path-switch`, if `switch-ahead` told of one). A hold always ends by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/forward/vm_map.h"

namespace rove {

// Of all VMs together. A hold lasts one round trip or two; what does not fit is not held: it may come out of order.
inline constexpr std::size_t kHeldFramesMax = 16384;
inline constexpr std::size_t kHeldOctetsMax = std::size_t{8} << 20;
// VMs of which frames are held at the same time, and senders of one VM whose switch is awaited.
inline constexpr std::size_t kHeldVmsMax = 1024;
inline constexpr std::size_t kSwitchesMax = 256;

struct HeldFrame {
  MacAddress vm;
  NodeId from;             // the peer that brought it; zero: from the TAP
  std::uint8_t flags = 0;  // as it came
  Bytes frame;
};

// One worker. Allocates for held frames only.
//
// Its time is that of the last has_released(), and no clock's: a worker that was kept from its processor for a while
// first hands in what has arrived meanwhile, among it perhaps what a hold waits for, and then lets time pass.
class HoldTable {
 public:
  // Whether `view`'s VM may be held now at all; the cheap question that every frame asks.
  [[nodiscard]] bool concerns(const VmView& view) const {
    return view.hold.id != 0 && (time_ < view.hold.until_max || !released_.empty());
  }

  // Keeps the frame, if its hold lasts or earlier frames of its VM were released and have not left. False: it may go
  // on at once.
  [[nodiscard]] bool keep(const MacAddress& vm, const VmView& view, const NodeId& from, std::uint8_t flags,
                          BytesView frame);

  // The new host: a frame came by the old one, so its replay is under way.
  void handle_forwarded(const MacAddress& vm, const VmView& view);
  // The end of the replay, at either host.
  void handle_replay_end(const MacAddress& vm, const VmView& view);
  void handle_switch_ahead(const MacAddress& vm, const VmView& view, const NodeId& sender);
  // `sender` is zero: this host, whose own VMs' frames to a VM that is detoured wait as a peer's do.
  void handle_path_switch(const MacAddress& vm, const VmView& view, const NodeId& sender);

  // The next frame whose hold has ended, in the order in which they came.
  [[nodiscard]] std::optional<HeldFrame> take_released();
  // All that arrived before `caught_up` has been handed in: holds that end by themselves by then have ended.
  [[nodiscard]] bool has_released(TimePoint caught_up);
  // When a hold ends by itself.
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

 private:
  struct Hold {
    std::uint64_t id = 0;
    TimePoint deadline{};
    bool extended = false;  // to until_max
    bool replay_ended = false;
    std::set<NodeId> switching;  // peers whose path-switch is awaited
    std::set<NodeId> switched;   // … came, perhaps before its switch-ahead
    std::deque<HeldFrame> frames;
    std::size_t releasing = 0;  // of its frames in released_
  };

  // nullptr: no hold of this view any more, or no room.
  [[nodiscard]] Hold* open(const MacAddress& vm, const VmView& view);
  [[nodiscard]] static bool is_blocked(const Hold& hold, const NodeId& from);
  void release_unblocked(Hold& hold);
  void release_all(Hold& hold);
  void expire();

  TimePoint time_{};
  std::map<MacAddress, Hold> holds_;
  std::deque<HeldFrame> released_;
  std::size_t frames_ = 0;  // held and released
  std::size_t octets_ = 0;
};

}  // namespace rove
