// What the daemon answers through the control socket: JSON objects with "schema": 1.
// docs/operations.md documents every field; a field is never renamed or removed within a schema.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/base/health_problem.h"
#include "cli/config/enrolment.h"
#include "core/base/time.h"
#include "core/forward/counters.h"
#include "core/node/node.h"
#include "dht/dht_engine.h"
#include "tap/port_capture.h"

namespace rove {

using CounterList = std::vector<std::pair<std::string, std::uint64_t>>;

// A UDP socket of the underlay. Sizes in octets.
struct SocketReport {
  Endpoint local;
  std::size_t receive_buffer = 0;
  std::size_t send_buffer = 0;
  std::size_t wanted_buffer = 0;  // of each
};

// Something that the kernel may do for us.
struct OffloadUse {
  std::string name;  // as among the counters
  bool wanted = false;
  bool used = false;
  std::string reason;  // why it is wanted and not used
};

// How this host treats the daemon, as only the daemon can know.
struct HostReport {
  std::int64_t pid = 0;
  std::string version;
  std::vector<std::string> capabilities;  // in effect, of those that rove has a use for: "net_admin", …
  std::vector<std::string> refused;       // what the host did not permit at the start, and what to do
  unsigned workers = 1;                   // threads that move packets
  std::vector<SocketReport> sockets;
  std::vector<OffloadUse> offloads;
};

struct StatusReport {
  NodeStatus node;
  bool usable = false;  // connected to other nodes, or without any to connect to
  bool lone = false;    // no other node is configured or was ever known
  Duration uptime{};
  WallTime certificate_not_after{};
  WallTime now{};
  std::string tap;
  std::uint16_t port = 0;               // of the underlay
  std::uint64_t network_namespace = 0;  // the daemon's (tap/network_namespace.h)
  std::string bridge;
  unsigned bridge_ifindex = 0;  // of the bridge that is followed, 0: none
  std::size_t inner_mtu = 0;    // octets
  HostReport host;
  std::vector<HealthProblem> problems;  // without conflicts of VMs
  Duration packet_path_overdue{};       // for how long the packet path has owed an echo
  std::vector<PeerInfo> peers{};
  TimePoint at{};  // for the peers' ages
  // Group ("packets", "drops", "peers", "node", "dht", "daemon", "capture") and its counters.
  std::vector<std::pair<std::string, CounterList>> counters;
};

// Counters of the packet path by the names that docs/operations.md uses.
[[nodiscard]] CounterList packet_counters(const ForwarderCounters& counters);
[[nodiscard]] CounterList drop_counters(const ForwarderCounters& counters);
[[nodiscard]] CounterList peer_counters(const PeerSetCounters& counters);
[[nodiscard]] CounterList capture_counters(const PortCaptureCounters& counters);
[[nodiscard]] CounterList dht_counters(const DhtCounters& counters);

// The problems, and one for each conflict.
[[nodiscard]] std::vector<HealthProblem> all_problems(const StatusReport& report);

[[nodiscard]] std::string report_status(const StatusReport& report);
[[nodiscard]] std::string report_peers(std::vector<PeerInfo> peers, TimePoint now);
// `names`: of nodes that are known, for VMs that moved on.
[[nodiscard]] std::string report_vms(std::vector<VmStatus> vms, const std::map<NodeId, std::string>& names);
// `trace`: with all steps, and why the winner won.
[[nodiscard]] std::string report_lookup(const LookupResult& result, bool trace = false);
[[nodiscard]] std::string report_claim(const MacAddress& mac, std::uint64_t sequence);
[[nodiscard]] std::string report_prepare(const MacAddress& mac, const PreparedVm& prepared);
[[nodiscard]] std::string report_release(const MacAddress& mac, bool released);
[[nodiscard]] std::string report_stopped(const MacAddress& mac);
[[nodiscard]] std::string report_down();
[[nodiscard]] std::string report_timeline(const VmAddress& address, const std::optional<VmMoves>& found, TimePoint now);

// The lines of a watch: its begin, an event, and how many events its reader missed.
[[nodiscard]] std::string report_watching(WallTime now);
[[nodiscard]] std::string report_event(const NodeEvent& event, Now now);
[[nodiscard]] std::string report_events_lost(std::uint64_t count);

// What verbs that need no daemon print with --json.
[[nodiscard]] std::string report_enrolment(const Enrolment& made);
[[nodiscard]] std::string report_check(const std::string& network, const std::string& config_file,
                                       const std::string& node);
[[nodiscard]] std::string report_version(const std::string& version, const std::string& commit);

}  // namespace rove
