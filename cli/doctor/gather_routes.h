// Names of nodes, and the ways to them. Nothing is sent to them.
#pragma once

#include <chrono>
#include <vector>

#include "cli/doctor/facts.h"

namespace rove {

// Of the resolver, all at once; a name without an answer by then has an error that says so.
[[nodiscard]] std::vector<NameFacts> resolve_names(const std::vector<HostPort>& names,
                                                   std::chrono::milliseconds patience = std::chrono::seconds{5});

// To a node, as the kernel would send to it. `link` and `link_mtu` are found among `underlay`.
[[nodiscard]] RouteFacts find_route(const std::string& who, const Endpoint& to,
                                    const std::vector<UnderlayLink>& underlay);

// To each peer of the daemon and each bootstrap node, but for this host itself.
[[nodiscard]] std::vector<RouteFacts> gather_routes(const Facts& facts);

}  // namespace rove
