// `rove pcap`: packets of a running daemon's network, for tcpdump and wireshark.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <set>
#include <string>
#include <string_view>

#include "cli/command/arguments.h"
#include "tap/packet_capture.h"

namespace rove {

// What a capture needs to know of the daemon.
struct CaptureTarget {
  std::string tap;
  std::string bridge;                   // empty: none
  std::uint16_t port = 0;               // of the underlay
  std::uint64_t network_namespace = 0;  // 0: unknown
};
// Of the answer to `status`. Throws Failure when the daemon is of another version.
[[nodiscard]] CaptureTarget capture_target_of(std::string_view status);

// `inner_devices`: the TAP device, and what is in a bridge with it.
[[nodiscard]] CaptureOptions make_capture_options(const PcapCommand& command, const CaptureTarget& target,
                                                  const std::set<unsigned>& inner_devices);

// Copies packets to `output`, a descriptor, until interrupted, nobody reads on, or there were as many as wanted; then
// tells `errors` how many. Throws Failure: NotRunning when the daemon does not run or ends, Usage when the filter is
// none or `output` is a terminal.
void run_pcap(const PcapCommand& command, const std::filesystem::path& socket, const std::string& network, int output,
              std::ostream& errors);

}  // namespace rove
