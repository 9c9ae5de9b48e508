// The capabilities(7) that rove has a use for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rove {

struct Capabilities {
  bool net_admin = false;  // to make the TAP device and join the bridge
  bool net_raw = false;    // to capture what goes to VMs' ports, for those that move
  bool sys_nice = false;   // to go before other processes
  bool bpf = false;        // to spread frames over several workers
};

// The names of those that are there: "net_admin", …
[[nodiscard]] std::vector<std::string> names_of(const Capabilities& capabilities);

// From the text of /proc/PID/status (proc(5)): the effective set. nullopt: it has none such.
[[nodiscard]] std::optional<Capabilities> parse_capabilities(std::string_view status);
// Of this process.
[[nodiscard]] Capabilities own_capabilities();

}  // namespace rove
