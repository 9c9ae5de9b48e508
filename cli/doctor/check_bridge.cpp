#include "cli/doctor/checks.h"
#include "cli/doctor/finding_list.h"
#include "cli/doctor/remedies.h"

namespace rove {
namespace {

// What runs counts; what the file says, before that.
std::string bridge_name(const Facts& facts) {
  return facts.daemon ? facts.daemon->bridge : facts.config.config.bridge;
}
std::string tap_name(const Facts& facts) {
  return facts.daemon ? facts.daemon->tap : facts.config.config.tap;
}

void check_ports(const Facts& facts, const BridgeFacts& bridge, const std::string& name, FindingList& found) {
  const auto mtu = find_inner_mtu(facts);
  for (const BridgePort& port : bridge.ports) {
    if (port.is_physical) {
      found.warn("vm-port",
                 port.name + ", a network card, is in " + name + ": hosts joined by rove and by a wire are a loop",
                 "ip link set dev " + port.name + " nomaster");
    } else if (mtu && port.mtu > *mtu) {
      found.warn("vm-port",
                 port.name + " takes packets of " + std::to_string(port.mtu) + " octets, the network of " +
                     std::to_string(*mtu) + ": larger ones are dropped",
                 "ip link set dev " + port.name + " mtu " + std::to_string(*mtu) + ", and the same in the VM");
    } else if (mtu && port.mtu < *mtu) {
      found.warn("vm-port",
                 port.name + " takes packets of " + std::to_string(port.mtu) + " octets, the network of " +
                     std::to_string(*mtu) + ": what is between does not reach its VM",
                 "ip link set dev " + port.name + " mtu " + std::to_string(*mtu));
    }
  }
}

void check_bridge_settings(const BridgeFacts& bridge, const std::string& name, bool runs, FindingList& found) {
  const std::string set = "ip link set dev " + name + " type bridge ";
  // The daemon pins it when it starts; before that there is nothing to mend.
  if (bridge.mac_pinned == false && runs) {
    found.warn("bridge-mac", name + "'s MAC is that of its lowest port, and changes when VMs come and go",
               "ip link set dev " + name + " address " + to_string(bridge.mac));
  }
  if (bridge.spanning_tree == true) {
    found.warn("bridge-stp", name + " runs the spanning tree: it blocks the port of a VM that comes for up to 30 s",
               set + "stp_state 0");
  }
  if (bridge.ageing && *bridge.ageing < kAgeingMin) {
    found.warn("bridge-ageing", name + " forgets MACs after " + std::to_string(bridge.ageing->count()) + " s",
               set + "ageing_time 30000");
  }
  if (bridge.vlan_filtering == true) {
    found.warn("bridge-vlan", name + " filters VLANs: only VMs in the TAP's VLAN reach the network",
               set + "vlan_filtering 0");
  }
  if (bridge.calls_iptables == true) {
    found.warn("bridge-nf", "frames in " + name + " go through iptables: slower, and its FORWARD rules may drop them",
               sysctl_of("net/bridge/bridge-nf-call-iptables", 0) + " && " + "ip link set dev " + name +
                   " type bridge nf_call_iptables 0");
  }
  if (bridge.accepts_ra == true) {
    found.warn("bridge-ra", "this host takes router advertisements from VMs in " + name,
               sysctl_of("net/ipv6/conf/" + name + "/accept_ra", 0));
  }
}

}  // namespace

Findings check_tap(const Facts& facts) {
  FindingList found;
  const std::string name = tap_name(facts);
  const std::string bridge = bridge_name(facts);
  if (facts.daemon_elsewhere) return found.take();
  if (!facts.tap) {
    if (facts.daemon) found.fail("tap", name + " is gone", restart_of(facts.network));
    return found.take();
  }
  const TapFacts& tap = *facts.tap;
  const auto mtu = find_inner_mtu(facts);
  if (tap.kind != "tun") {
    found.fail("tap", name + " exists, and is no TAP device",
               "tap = \"another name\" in " + facts.config.file.string());
    return found.take();
  }
  if (!facts.daemon) {
    found.ok("tap", name + " exists already");
    return found.take();
  }
  if (!tap.is_up) {
    found.fail("tap", name + " is down", "ip link set dev " + name + " up");
  } else if (tap.master != bridge) {
    found.fail("tap",
               tap.master.empty() ? name + " is not in the bridge " + bridge
                                  : name + " is in " + tap.master + ", not in " + bridge,
               "ip link set dev " + name + " master " + bridge);
  } else if (mtu && tap.mtu != *mtu) {
    found.warn("tap", name + "'s MTU is " + std::to_string(tap.mtu) + ", the network's " + std::to_string(*mtu),
               "ip link set dev " + name + " mtu " + std::to_string(*mtu));
  } else {
    found.ok("tap", name + " is up" + (bridge.empty() ? "" : ", in " + bridge));
  }
  if (tap.has_ipv6 == true) {
    found.warn(
        "tap-ipv6",
        "this host speaks IPv6 on " + name + (tap.accepts_ra == true ? ", and takes VMs' router advertisements" : ""),
        sysctl_of("net/ipv6/conf/" + name + "/disable_ipv6", 1));
  }
  return found.take();
}

Findings check_bridge(const Facts& facts) {
  FindingList found;
  const std::string name = bridge_name(facts);
  const std::string key = " in " + facts.config.file.string();
  if (facts.daemon_elsewhere) return found.take();
  if (name.empty()) {
    found.ok("bridge", "none is configured: right for a node without VMs");
    return found.take();
  }
  if (!facts.bridge) {
    if (facts.daemon) {
      found.fail("bridge", name + " is gone", restart_of(facts.network));
    } else {
      found.ok("bridge", name + " does not exist: rove up makes it");
    }
    return found.take();
  }
  const BridgeFacts& bridge = *facts.bridge;
  if (bridge.kind != "bridge") {
    found.fail("bridge", name + " exists, and is no bridge", "bridge = \"another name\"" + key);
    return found.take();
  }
  if (facts.daemon && bridge.ifindex != facts.daemon->bridge_ifindex) {
    found.fail("bridge", name + " was made anew since the daemon started: it follows the one before",
               restart_of(facts.network));
  } else if (!bridge.is_up && facts.daemon) {
    found.fail("bridge", name + " is down", "ip link set dev " + name + " up");
  } else {
    found.ok("bridge", name + (bridge.is_up ? " is up, with " : ", with ") + std::to_string(bridge.ports.size()) +
                           (bridge.ports.size() == 1 ? " port" : " ports") + " besides rove's");
  }
  check_bridge_settings(bridge, name, facts.daemon.has_value(), found);
  check_ports(facts, bridge, name, found);
  return found.take();
}

}  // namespace rove
