#include <algorithm>
#include <map>
#include <set>

#include "cli/doctor/checks.h"
#include "cli/doctor/finding_list.h"
#include "cli/doctor/remedies.h"

namespace rove {
namespace {

std::string number(std::size_t value) {
  return std::to_string(value);
}

void check_port(const Facts& facts, FindingList& found) {
  if (facts.daemon) return;  // it has its port
  if (facts.port_holder) {
    const std::string& process = facts.port_holder->process;
    found.fail("port", facts.port_holder->endpoint + " is taken" + (process.empty() ? "" : " by " + process),
               "listen = ANOTHER PORT in " + facts.config.file.string() + ", or rove up --listen PORT");
  } else {
    found.ok("port", "UDP " + number(find_port(facts)) + " is free");
  }
}

void check_buffers(const Facts& facts, FindingList& found) {
  if (!facts.daemon) return;
  for (const SocketReport& socket : facts.daemon->sockets) {
    const std::size_t wanted = socket.wanted_buffer;
    if (socket.receive_buffer >= wanted && socket.send_buffer >= wanted) continue;
    found.warn("buffers",
               to_string(socket.local) + " has buffers of " + number(socket.receive_buffer >> 10) + " and " +
                   number(socket.send_buffer >> 10) + " KiB instead of " + number(wanted >> 10) + ": bursts are lost",
               "sysctl -w net.core.rmem_max=" + number(wanted) + " net.core.wmem_max=" + number(wanted) + " && " +
                   restart_of(facts.network));
  }
  if (!found.has("buffers") && !facts.daemon->sockets.empty()) {
    found.ok("buffers", "the UDP sockets have all that is wanted");
  }
  const std::uint64_t before = facts.daemon->kernel_drops;
  const std::uint64_t after = facts.daemon->kernel_drops_later.value_or(before);
  if (after > before) {
    found.warn(
        "drops",
        "the kernel drops datagrams that come faster than they are read: " + number(after - before) + " just now",
        "realtime = true, and a processor that is free for the daemon: taskset, or busy_poll");
  } else if (before > 0) {
    found.ok("drops", number(before) + " datagrams came faster than they were read since the start, none just now");
  } else {
    found.ok("drops", "every datagram that came was read");
  }
}

// One finding a way that is too narrow; the nodes behind it in its text.
void check_outer_size(const Facts& facts, FindingList& found) {
  const auto mtu = find_inner_mtu(facts);
  if (!mtu) return;
  struct Narrow {
    std::size_t needed = 0;
    std::string nodes;
    const RouteFacts* route = nullptr;
  };
  std::map<std::pair<std::string, std::size_t>, Narrow> narrow;
  std::size_t fits = 0;
  for (const RouteFacts& route : facts.routes) {
    if (!route.error.empty() || route.path_mtu == 0) continue;
    const std::size_t needed = outer_packet_size(*mtu, route.to.address.family());
    if (route.path_mtu >= needed) {
      ++fits;
      continue;
    }
    Narrow& way = narrow[{route.link, route.path_mtu}];
    way.needed = std::max(way.needed, needed);
    way.nodes += (way.nodes.empty() ? "" : ", ") + route.who;
    way.route = &route;
  }
  for (const auto& [key, way] : narrow) {
    const auto& [link, path_mtu] = key;
    const std::size_t left = *mtu - std::min(*mtu, way.needed - path_mtu);
    const bool is_link = way.route->link_mtu < way.needed;
    found.warn("mtu",
               "to " + way.nodes + ": packets of " + number(*mtu) + " octets need " + number(way.needed) +
                   " outside, " + (is_link ? link + " takes " : "the path takes ") + number(path_mtu) +
                   ": they go in fragments",
               is_link ? "ip link set dev " + link + " mtu " + number(way.needed) + ", or an MTU of " + number(left) +
                             " in the VMs"
                       : "an MTU of " + number(left) + " in the VMs");
  }
  if (narrow.empty() && fits > 0) {
    found.ok("mtu",
             "packets of " + number(*mtu) + " octets reach other nodes in one piece, as far as the kernel knows");
  }
}

bool leads_to_node(const Facts& facts, const std::string& link) {
  return std::any_of(facts.routes.begin(), facts.routes.end(),
                     [&](const RouteFacts& route) { return route.error.empty() && route.link == link; });
}

// A strict filter drops what comes by one link from whom we would answer by another (ip-sysctl, rp_filter).
void check_reverse_path(const Facts& facts, FindingList& found) {
  bool any = false;
  for (const UnderlayLink& link : facts.underlay) {
    const bool has_v4 =
        std::any_of(link.addresses.begin(), link.addresses.end(), [](const IpAddress& ip) { return ip.is_v4(); });
    if (!has_v4 || !(link.has_default_v4 || leads_to_node(facts, link.name))) continue;
    any = true;
    if (link.reverse_path_filter != 1) continue;
    for (const RouteFacts& route : facts.routes) {
      if (!route.error.empty() || !route.to.address.is_v4() || route.link.empty() || route.link == link.name) continue;
      found.warn(
          "rp-filter",
          link.name + " drops what " + route.who + " sends there, because the way back leads through " + route.link,
          sysctl_of("net/ipv4/conf/" + link.name + "/rp_filter", 2));
      break;
    }
  }
  if (any && !found.has("rp-filter")) found.ok("rp-filter", "no reverse path filter is in the way");
}

void check_names(const Facts& facts, FindingList& found) {
  for (const NameFacts& name : facts.bootstrap) {
    if (name.error.empty()) continue;
    found.fail("names", to_string(name.name) + " does not resolve: " + name.error, "getent ahosts " + name.name.host);
  }
  if (!facts.bootstrap.empty() && !found.has("names")) {
    found.ok("names", number(facts.bootstrap.size()) +
                          (facts.bootstrap.size() == 1 ? " bootstrap node resolves" : " bootstrap nodes resolve"));
  }
}

// A node counts as reachable if one of its addresses is.
void check_routes(const Facts& facts, FindingList& found) {
  std::set<std::string> reachable;
  for (const RouteFacts& route : facts.routes) {
    if (route.error.empty()) reachable.insert(route.who);
  }
  for (const RouteFacts& route : facts.routes) {
    if (route.error.empty()) continue;
    const std::string text = "no route to " + route.who + " at " + to_string(route.to) + ": " + route.error;
    const std::string remedy = "ip route get " + to_string(route.to.address);
    if (reachable.contains(route.who)) {
      found.ok("routes", text + "; it has another address");
    } else {
      found.fail("routes", text, remedy);
    }
  }
  if (!facts.routes.empty() && !found.has("routes")) found.ok("routes", "there is a route to every known node");
}

void check_firewall(const Facts& facts, FindingList& found) {
  const std::string port = number(find_port(facts));
  switch (facts.firewall.state) {
    case FirewallFacts::State::NotSeen: found.ok("firewall", "not looked at: " + facts.firewall.why_not); return;
    case FirewallFacts::State::Open: found.ok("firewall", "nftables lets UDP " + port + " in"); return;
    case FirewallFacts::State::Unclear:
      found.ok("firewall", "whether nftables lets UDP " + port + " in depends on rules that are not read here");
      return;
    case FirewallFacts::State::Closed:
      found.warn(
          "firewall",
          "nftables' chain " + facts.firewall.chain + " drops UDP " + port + ": nodes that call first are not heard",
          "nft insert rule " + facts.firewall.chain + " udp dport " + port + " accept");
  }
}

}  // namespace

Findings check_underlay(const Facts& facts) {
  FindingList found;
  const bool is_here = !facts.daemon_elsewhere;
  check_port(facts, found);
  check_buffers(facts, found);
  check_names(facts, found);
  if (is_here) {
    check_routes(facts, found);
    check_outer_size(facts, found);
    check_reverse_path(facts, found);
    check_firewall(facts, found);
  }
  return found.take();
}

}  // namespace rove
