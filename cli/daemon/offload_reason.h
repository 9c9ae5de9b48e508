// Which of the kernel's offloads are in use, and why not those that should be.
#pragma once

#include <vector>

#include "cli/report/report.h"
#include "tap/tap_device.h"
#include "tap/udp_canary.h"
#include "tap/udp_socket.h"

namespace rove {

struct OffloadState {
  bool tap_wanted = false;  // by the configuration
  bool udp_wanted = false;
  UdpCanary canary;   // what the trial at the start left, and why
  UdpOffloads bound;  // what the sockets had when they were made
  TapOffloads tap;    // in use now
  UdpOffloads udp;
};

[[nodiscard]] std::vector<OffloadUse> describe_offloads(const OffloadState& state);

}  // namespace rove
