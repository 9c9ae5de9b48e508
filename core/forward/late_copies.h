// What an old host handed over ahead for a VM that was here already by then. It does not know that, and replays all of
// it: each frame counts once. docs/protocol.md §2.2.
#pragma once

#include <cstdint>
#include <map>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/forward/advance_table.h"
#include "core/forward/vm_map.h"

namespace rove {

// The old host's replay has ended long before.
inline constexpr std::chrono::seconds kLateTime{2};

// One worker. Allocates for these frames only; bounded as an AdvanceTable is.
class LateCopies {
 public:
  // What every forwarded frame asks.
  [[nodiscard]] bool empty() const { return vms_.empty(); }

  // `peer` begins to hand over.
  void begin(TimePoint now, const MacAddress& vm, const NodeId& peer);
  // It has ended that: what it sends from now on is all that it has.
  void end(const MacAddress& vm, const NodeId& peer);
  // Of a frame by way of `peer`. True: the VM has had it.
  [[nodiscard]] bool is_copy(TimePoint now, const MacAddress& vm, const NodeId& peer, std::uint64_t frame_hash);

 private:
  void expire(TimePoint now);

  struct Vm {
    NodeId peer;
    TimePoint until{};
    bool ended = false;
    FrameHashes frames;
  };
  std::map<MacAddress, Vm> vms_;
};

}  // namespace rove
