// What is known of this host and of the daemon, without any judgement: `rove doctor` and `rove netcheck` look at it.
// A fact that could not be had is nullopt or empty, and no check speaks of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/base/capabilities.h"
#include "cli/config/config.h"
#include "cli/doctor/firewall.h"
#include "cli/report/report.h"
#include "core/base/address.h"
#include "core/base/time.h"

namespace rove {

// Why a file cannot be used; empty: it can.
struct FileProblem {
  std::string text;
  std::string remedy;
};

struct ConfigFacts {
  std::filesystem::path file;
  FileProblem problem;  // then `config` is the default one
  DaemonConfig config;
  bool others_may_write = false;
};

struct CertificateFacts {
  std::string node;
  WallTime not_before{};
  WallTime not_after{};
  WallTime authority_not_after{};
};

struct CredentialFacts {
  std::filesystem::path file;
  FileProblem problem;
  bool is_unreadable = false;  // for this user; the daemon's may well read it
  std::optional<CertificateFacts> certificate;
  std::optional<std::size_t> inner_mtu;
  std::vector<Prefix> subnets;
  std::vector<std::string> bootstrap;
  std::filesystem::path authority_file;
  bool authority_open = false;  // others may read the CA's key
};

struct BridgePort {
  std::string name;
  std::size_t mtu = 0;
  bool is_physical = false;  // a network card
};

// A bridge, or what has its name.
struct BridgeFacts {
  unsigned ifindex = 0;
  std::string kind;  // "bridge", …
  MacAddress mac;
  bool is_up = false;
  std::optional<bool> mac_pinned;  // set by somebody: it does not follow its ports' MACs
  std::optional<bool> spanning_tree;
  std::optional<std::chrono::seconds> ageing;
  std::optional<bool> vlan_filtering;
  std::optional<bool> calls_iptables;  // its frames go through iptables
  std::optional<bool> accepts_ra;      // it takes router advertisements, VMs' too
  std::vector<BridgePort> ports;       // without our TAP
};

struct TapFacts {
  unsigned ifindex = 0;
  std::string kind;
  std::string master;  // the bridge it is in
  std::size_t mtu = 0;
  bool is_up = false;
  std::optional<bool> has_ipv6;
  std::optional<bool> accepts_ra;
};

// The way to a node, as the kernel would take it now.
struct RouteFacts {
  std::string who;  // "b", or a bootstrap node's "HOST:PORT"
  Endpoint to;
  std::string error;  // why there is none
  IpAddress source;
  std::string link;
  std::size_t link_mtu = 0;
  std::size_t path_mtu = 0;  // smaller than the link's where a router said so
};

struct UnderlayLink {
  std::string name;
  std::size_t mtu = 0;
  std::vector<IpAddress> addresses;
  bool has_default_v4 = false;  // a default route leads through it
  bool has_default_v6 = false;
  int reverse_path_filter = 0;  // 0: none, 1: strict, 2: loose (ip-sysctl)
};

struct NameFacts {
  HostPort name;
  std::vector<Endpoint> endpoints;
  std::string error;
};

// Somebody else has the port.
struct PortHolder {
  std::string endpoint;  // "UDP 0.0.0.0:7683"
  std::string process;   // "nebula (pid 812)"; empty: not to be found out
};

struct ClockFacts {
  bool is_synchronized = false;  // as the kernel was told by who keeps it
};

struct PeerFacts {
  std::string name;  // or its id
  std::string endpoint;
  bool up = false;
  std::optional<std::chrono::microseconds> rtt;
  std::optional<std::chrono::milliseconds> last_heard;
  std::optional<std::chrono::milliseconds> clock_lead;  // its clock minus ours
  std::string observed;                                 // where it sees us
  std::string segmentation;  // whether what the kernel cuts arrives there: "works", "broken", "unknown"
  std::uint64_t pings = 0;
  std::uint64_t pongs = 0;
};

// As its control socket tells.
struct DaemonFacts {
  std::string node;
  std::int64_t pid = 0;
  std::string version;
  bool connected = false;
  bool lone = false;
  std::size_t dht_nodes = 0;
  std::vector<std::string> problems;
  std::vector<std::string> endpoints;
  std::string tap;
  std::string bridge;
  unsigned bridge_ifindex = 0;
  std::size_t inner_mtu = 0;
  std::optional<std::int64_t> certificate_expires_in_s;
  std::vector<std::string> capabilities;
  std::vector<std::string> refused;
  std::vector<SocketReport> sockets;
  std::vector<OffloadUse> offloads;
  std::uint64_t kernel_drops = 0;
  std::optional<std::uint64_t> kernel_drops_later;  // a moment after that; asked for when there are any
  std::vector<PeerFacts> peers;
};

struct Facts {
  std::string network;
  WallTime now{};
  bool is_root = false;
  ConfigFacts config;
  CredentialFacts credential;
  std::optional<DaemonFacts> daemon;
  std::string daemon_problem;  // why it was not asked
  std::string daemon_remedy;
  bool daemon_elsewhere = false;  // it is in another network namespace: the devices here are not its own
  int tun_error = 0;              // of opening /dev/net/tun
  Capabilities capabilities;      // this process's own
  std::optional<ClockFacts> clock;
  std::optional<TapFacts> tap;
  std::optional<BridgeFacts> bridge;
  std::optional<PortHolder> port_holder;  // looked for without a daemon
  std::vector<UnderlayLink> underlay;     // links that have addresses
  std::vector<NameFacts> bootstrap;
  std::vector<RouteFacts> routes;
  FirewallFacts firewall;
};

}  // namespace rove
