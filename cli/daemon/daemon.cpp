#include "cli/daemon/daemon.h"

#include <unistd.h>

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cli/base/capabilities.h"
#include "cli/base/failure.h"
#include "cli/config/enrolment.h"
#include "cli/control/control_server.h"
#include "cli/daemon/control_loop.h"
#include "cli/daemon/metrics_service.h"
#include "cli/daemon/priority.h"
#include "cli/daemon/realtime_refusal.h"
#include "cli/daemon/state_keeper.h"
#include "cli/daemon/underlay.h"
#include "cli/daemon/worker_count.h"
#include "core/crypto/hash.h"
#include "core/location/location_keys.h"
#include "core/node/node.h"
#include "dht/dht_location.h"
#include "rove_version.h"
#include "tap/clock.h"
#include "tap/netlink.h"
#include "tap/port_capture.h"
#include "tap/system_random.h"
#include "tap/tap_device.h"
#include "tap/udp_canary.h"
#include "tap/wake_signal.h"
#include "tap/worker_pool.h"

namespace rove {
namespace {

DhtConfig make_dht_config(const NodeCredential& identity, const NodeState& state, const Underlay& underlay,
                          const Families& families) {
  const NetworkKey& key = identity.credential.network.key;
  return {.node_id = LocationKeys{derive_naming_key(key)}.dht_node_id(identity.certificate.key()),
          .network = identity.anchor.network_id(),
          .anchor = identity.anchor,
          .naming_key = derive_naming_key(key),
          .bootstrap = underlay.bootstrap_addresses(),  // names come with the first round of the resolver
          .known_nodes = state.known_nodes,
          .local_endpoints = underlay.endpoints(),
          .ipv4 = families.v4,
          .ipv6 = families.v6};
}

NodeConfig make_node_config(const NodeCredential& identity, const NodeState& state,
                            const std::vector<Endpoint>& endpoints, const TapDevice& tap, bool replays_frames) {
  return {.subnets = identity.credential.network.subnets,
          .inner_mtu = identity.credential.network.inner_mtu,
          .endpoints = endpoints,
          .tap_mac = tap.mac,
          .probe_mac = tap.probe_mac,
          .bridge_mac = tap.bridge_mac,
          .replays_frames = replays_frames,
          .aeads = 0,
          .first_stamp = state.first_stamp,
          .highest_sequence = state.highest_sequence};
}

NodeIdentity make_identity(const NodeCredential& identity) {
  return {.anchor = identity.anchor,
          .certificate = identity.certificate,
          .seed = identity.credential.seed.clone(),
          .network_key = identity.credential.network.key.clone()};
}

// Those that are wanted and work.
UdpCanary find_udp_offloads(const DaemonConfig& config, Log& log) {
  UdpCanary canary = check_udp_offloads({config.offload_udp, config.offload_udp});
  if (!canary.problem.empty()) log.write(LogLevel::Warn, "offload-off", {{"reason", canary.problem}});
  return canary;
}

// Both sockets are made alike.
UdpOffloads offloads_of(const UdpSocketPair& sockets) {
  const auto& socket = sockets.v4 ? sockets.v4 : sockets.v6;
  return socket ? socket->offloads() : UdpOffloads{false, false};
}

// How this host treats the daemon; what it did not permit is added later.
HostReport describe_host(const UdpSocketPair& sockets) {
  HostReport host;
  host.pid = ::getpid();
  host.version = ROVE_VERSION;
  host.capabilities = names_of(own_capabilities());
  for (const auto* socket : {&sockets.v4, &sockets.v6}) {
    if (!*socket) continue;
    const UdpBuffers buffers = (*socket)->buffers();
    host.sockets.push_back({.local = (*socket)->local(),
                            .receive_buffer = buffers.receive,
                            .send_buffer = buffers.send,
                            .wanted_buffer = kSocketBufferWanted});
  }
  return host;
}

// A host without the privilege still moves its VMs; what comes for them meanwhile is lost as on a switch.
std::string start_capture(std::optional<PortCapture>& capture, Replay replay, const TapDevice& tap,
                          const std::function<void()>& notify) {
  if (replay == Replay::Off) return {};
  try {
    const auto mode = replay == Replay::Exact ? PortCapture::Mode::Exact : PortCapture::Mode::AtLeastOnce;
    capture.emplace(mode, PortCapture::OwnPort{tap.ifindex, tap.probe_mac}, notify);
    return {};
  } catch (const std::system_error& error) {
    return "frames for paused VMs are lost: " + std::string{error.what()} +
           ": give the process CAP_NET_RAW, or set replay = \"off\"";
  }
}

// A worker for each of the TAP's queues.
std::vector<WorkerParts> make_worker_parts(TapDevice& tap, UdpSocketPair sockets, const UdpOffloads& offloads,
                                           bool writes_to_ports) {
  std::vector<TapQueue> queues = std::move(tap.more_queues);
  queues.insert(queues.begin(), std::move(tap.queue));
  std::vector<UdpSocketPair> sets = share_underlay(std::move(sockets), static_cast<unsigned>(queues.size()), offloads);
  std::vector<WorkerParts> parts;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    parts.push_back({.tap = std::move(queues[i]), .sockets = std::move(sets[i])});
    if (writes_to_ports) parts.back().ports.emplace();
  }
  return parts;
}

}  // namespace

void run_daemon(const DaemonOptions& options) {
  const DaemonConfig& config = options.config;
  Log log{config.log_level, options.network};
  SystemRandom random;
  const std::string nice_problem = set_nice(config.nice);  // before any thread

  const NodeCredential identity = load_credential(options.credential, options.credential_guard);
  verify_credential(identity, options.credential, read_clocks().wall);
  const NetworkSettings& network = identity.credential.network;

  // What other daemons on this host could have taken comes first: the network, then the port, then the TAP's name.
  asio::io_context io{/*concurrency_hint=*/1};
  const auto wake = std::make_shared<const WakeSignal>();
  const auto notify = [wake] { wake->notify(); };
  RequestQueue requests;
  ControlServer control{io,
                        {.socket = options.paths.socket_file(options.network),
                         .network = options.network,
                         .group = config.control_group,
                         .group_may_claim = config.group_may_claim},
                        [&](ControlRequest request, ControlServer::Reply reply) {
                          requests.push_back({std::move(request), std::move(reply)});
                          wake->notify();
                        }};
  MetricsService metrics{config, notify, log};
  const UdpCanary canary = find_udp_offloads(config, log);
  UdpSocketPair sockets = bind_underlay(config.listen, canary.offloads);
  HostReport host = describe_host(sockets);
  const UdpOffloads bound_offloads = offloads_of(sockets);
  const Families families{.v4 = sockets.v4.has_value(), .v6 = sockets.v6.has_value()};
  TapDevice tap = open_tap({.name = config.tap,
                            .mtu = network.inner_mtu,
                            .bridge = config.bridge,
                            .offloads = {config.offload_tap, config.offload_tap, config.offload_tap},
                            .queues = choose_workers(config.workers, std::thread::hardware_concurrency())});
  if (!nice_problem.empty()) log.write(LogLevel::Warn, "nice-refused", {{"reason", nice_problem}});
  std::optional<FdbMonitor> fdb;
  if (tap.bridge_ifindex != 0) fdb.emplace(tap.bridge_ifindex);

  StateKeeper state{StateStore{options.paths.state_file(options.network)}, log, read_clocks()};
  Underlay underlay{config, choose_bootstrap(config, network.bootstrap, log), network.subnets, tap.ifindex, families,
                    wake};
  DhtLocation location{make_dht_config(identity, state.loaded(), underlay, families), notify};
  std::optional<PortCapture> capture;
  std::string capture_problem;
  if (fdb) capture_problem = start_capture(capture, config.replay, tap, notify);
  if (!capture_problem.empty()) log.write(LogLevel::Warn, "replay-off", {{"reason", capture_problem}});
  Node node{make_node_config(identity, state.loaded(), underlay.endpoints(), tap, capture.has_value()),
            make_identity(identity), location, random};
  WorkerPool workers{WorkerConfig{.forwarder = {.packs = config.pack},
                                  .realtime = config.realtime,
                                  .busy_poll = std::chrono::microseconds{config.busy_poll_us}},
                     make_worker_parts(tap, std::move(sockets), canary.offloads, capture.has_value()), notify};
  host.workers = workers.size();
  const std::string realtime_problem = describe_realtime_refusal(workers.realtime_error(), own_realtime_facts());
  if (!realtime_problem.empty()) log.write(LogLevel::Warn, "realtime-refused", {{"reason", realtime_problem}});
  // Who did not ask for several does as well with one.
  const bool workers_refused = !tap.queues_problem.empty() && config.workers > 1;
  if (!tap.queues_problem.empty()) {
    log.write(workers_refused ? LogLevel::Warn : LogLevel::Info, "workers-refused", {{"reason", tap.queues_problem}});
  }
  for (const std::string& problem :
       {nice_problem, realtime_problem, workers_refused ? tap.queues_problem : std::string{}}) {
    if (!problem.empty()) host.refused.push_back(problem);
  }
  ControlLoop loop{{.options = options,
                    .log = log,
                    .io = io,
                    .wake = *wake,
                    .identity = identity,
                    .control = control,
                    .metrics = metrics,
                    .requests = requests,
                    .state = state,
                    .underlay = underlay,
                    .fdb = fdb ? &*fdb : nullptr,
                    .tap_ifindex = tap.ifindex,
                    .capture = capture ? &*capture : nullptr,
                    .capture_problem = capture_problem,
                    .bridge_ifindex = tap.bridge_ifindex,
                    .host = host,
                    .offloads = {.tap_wanted = config.offload_tap,
                                 .udp_wanted = config.offload_udp,
                                 .canary = canary,
                                 .bound = bound_offloads,
                                 .tap = {},
                                 .udp = {}},
                    .location = location,
                    .node = node,
                    .workers = workers}};

  log.write(LogLevel::Info, "started",
            {{"network", options.network},
             {"node", identity.certificate.name()},
             {"port", std::to_string(config.listen.port)},
             {"tap", config.tap},
             {"bridge", config.bridge}});
  loop.run();
  log.write(LogLevel::Info, "stopped", {});
}

}  // namespace rove
