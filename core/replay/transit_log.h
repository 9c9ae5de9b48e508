// Frames to one VM on their way through this host's bridge, to find those that the kernel dropped.
//
//   neighbour's port ─► bridge ─► VM's port      handle_in() at one port, handle_out() at another
//
// A hypervisor that leaves closes its port. For some milliseconds the bridge goes on sending to it, and the kernel
// drops that without counting (Linux, noop_qdisc, while dev_deactivate() waits). Such a frame came in after the last
// one that went out to the VM's port, and came out nowhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "core/base/bytes.h"
#include "core/replay/port_ring.h"

namespace rove {

// Of one VM, between two frames that went out to its port. The oldest are forgotten.
inline constexpr std::size_t kTransitFramesMax = 1024;
inline constexpr std::size_t kTransitOctetsMax = std::size_t{1} << 20;

// One VM; one thread.
class TransitLog {
 public:
  void handle_in(PortFrame frame);
  void handle_out(BytesView frame, bool to_vm_port);
  // Something was not seen: nothing is known about what came before.
  void handle_lost();

  // What came in and not out since, oldest first; it is not told again.
  [[nodiscard]] std::vector<PortFrame> take_dropped();

 private:
  struct Entry {
    std::uint64_t hash = 0;
    PortFrame frame;
  };
  std::deque<Entry> entries_;
  std::size_t octets_ = 0;
};

}  // namespace rove
