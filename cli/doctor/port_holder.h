// Who has a UDP port.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include "cli/base/host_port.h"
#include "cli/doctor/facts.h"

namespace rove {

// Inodes of the sockets at that port in the text of /proc/net/udp or udp6 (proc(5)).
[[nodiscard]] std::set<std::uint64_t> find_socket_inodes(std::string_view table, std::uint16_t port);

// Tries to listen there as the daemon would; nullopt: nobody is in the way. Its process is found only by who may look
// into the other process (root).
[[nodiscard]] std::optional<PortHolder> find_port_holder(const ListenAddress& listen);

}  // namespace rove
