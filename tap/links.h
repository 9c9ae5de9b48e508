// Network devices of this host: find them, make a bridge, join it. By rtnetlink; start-up only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/base/address.h"

namespace rove {

struct Link {
  unsigned ifindex = 0;
  std::string kind;  // "bridge", "tun", "veth", …; empty for hardware
  MacAddress mac;
  std::size_t mtu = 0;
  bool is_up = false;
  unsigned master = 0;  // the bridge it is a port of, by interface index; 0: none
};

[[nodiscard]] std::optional<Link> find_link(const std::string& name);

// A bridge that forwards at once (no spanning tree, no delay), floods multicast (ND must reach VMs elsewhere), has no
// IPv6 address until somebody gives it one, and takes no router advertisement of a VM. Throws std::system_error.
Link create_bridge(const std::string& name, const MacAddress& mac, std::size_t mtu);

// The following throw std::system_error whose message names the device.
void set_link_mac(const Link& link, const std::string& name, const MacAddress& mac);
void set_link_up(const Link& link, const std::string& name, std::size_t mtu);  // 0: leaves the MTU alone
// No address of its own, no router advertisements. Does nothing where the kernel has no IPv6.
void silence_ipv6(const Link& link, const std::string& name);
// No IPv6 at all, where /proc/sys may be written: not even multicast listener reports.
void disable_ipv6(const std::string& name);
// Makes `port` a learning, flooding port of `bridge` that gets all multicast.
void attach_to_bridge(const Link& port, const std::string& port_name, const Link& bridge,
                      const std::string& bridge_name);

}  // namespace rove
