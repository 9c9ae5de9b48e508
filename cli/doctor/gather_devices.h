// This host's network devices and their settings.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/doctor/facts.h"

namespace rove {

// nullopt: there is no such device.
[[nodiscard]] std::optional<TapFacts> gather_tap(const std::string& name);
// `tap`: the port that is left out.
[[nodiscard]] std::optional<BridgeFacts> gather_bridge(const std::string& name, const std::string& tap);
// Links that are up and have addresses that others may reach: no loopback or link-local ones, and none inside
// `subnets` or on `excluded` links.
[[nodiscard]] std::vector<UnderlayLink> gather_underlay(const std::vector<Prefix>& subnets,
                                                        const std::vector<std::string>& excluded);

// Links of default routes in the text of /proc/net/route, and of /proc/net/ipv6_route.
[[nodiscard]] std::vector<std::string> default_links_v4(std::string_view table);
[[nodiscard]] std::vector<std::string> default_links_v6(std::string_view table);

}  // namespace rove
