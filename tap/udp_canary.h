// Whether the kernel cuts and joins datagrams as it should.
#pragma once

#include <string>

#include "tap/udp_socket.h"

namespace rove {

struct UdpCanary {
  UdpOffloads offloads;  // those of the wanted ones that may be used
  std::string problem;   // why one of them may not; empty: all may
};

// Sends numbered datagrams through the loopback device with the wanted offloads, and looks whether they arrive as they
// were, in their order. Some kernels do not
// (tailscale/tailscale#13041 and others). Where nothing arrives at all (no loopback device) nothing is known, and
// nothing left out. Takes some milliseconds, or up to 100 when something is wrong.
[[nodiscard]] UdpCanary check_udp_offloads(const UdpOffloads& wanted);

}  // namespace rove
