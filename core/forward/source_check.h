// Whether a frame's source addresses are those of the VM that it says it comes from.
#pragma once

#include "core/forward/snapshot.h"
#include "core/wire/ethernet.h"

namespace rove {

// `vm` is what the snapshot knows of info.source. Demands docs/protocol.md §2 also inside ARP and Neighbor Discovery:
// the IP (header, ARP sender, target of an advertisement) is one of the VM's, unspecified or in fe80::/10, and the MAC
// that a receiver would note beside it is the frame's own source. A `sourceless` VM may use any IP, but no other MAC.
[[nodiscard]] bool has_own_source(const FrameInfo& info, const VmView& vm);

}  // namespace rove
