// What the daemon tells through its control socket, as facts.
#pragma once

#include <optional>
#include <string_view>

#include "cli/doctor/facts.h"

namespace rove {

// Of the answers to Status and Peers. What a daemon of an older version does not tell is left at its default; nullopt:
// the answers are none that this version reads.
[[nodiscard]] std::optional<DaemonFacts> parse_daemon_facts(std::string_view status, std::string_view peers);
// `counters.daemon.udp_kernel_drops` of an answer to Status; 0 when it is not there.
[[nodiscard]] std::uint64_t parse_kernel_drops(std::string_view status);

}  // namespace rove
