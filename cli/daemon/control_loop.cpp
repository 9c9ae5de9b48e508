// Every input only wakes the loop; all work is done in turns:
//
//   worker, DHT, resolver, control socket, metrics (one eventfd) · netlink · signals · timer
//        └─► turn: clocks → inputs, bounded → timeouts → outputs → housekeeping → sleep until the next deadline
#include "cli/daemon/control_loop.h"

#include <net/if.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <csignal>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <system_error>
#include <vector>

#include "cli/base/failure.h"
#include "cli/daemon/event_log.h"
#include "cli/daemon/offload_report.h"
#include "cli/daemon/operator_desk.h"
#include "cli/daemon/service_notify.h"
#include "cli/daemon/settings_desk.h"
#include "cli/daemon/watchdog.h"
#include "cli/report/report.h"
#include "tap/clock.h"
#include "tap/network_namespace.h"

namespace rove {
namespace {

constexpr std::size_t kInputsPerTurn = 1024;            // of each kind; the rest waits for the next turn
constexpr std::chrono::seconds kIdleTurn{1};            // the longest sleep: housekeeping goes on
constexpr std::chrono::milliseconds kStartingTurn{50};  // … while not usable yet, so that it is noticed soon
constexpr std::chrono::milliseconds kGoodbyeTime{300};  // for withdrawals and closes to leave this host
constexpr std::chrono::hours kExpiryWarning{14 * 24};   // a certificate with less left is a problem
constexpr std::chrono::seconds kStartExtension{120};    // asked of the service manager while not usable
constexpr MacAddress kOwnEcho{};                        // no VM's: an echo for the watchdog

// Calls back whenever a descriptor that somebody else owns is readable.
class ReadableWatch {
 public:
  ReadableWatch(asio::io_context& io, int fd, std::function<void()> on_readable)
      : descriptor_(io, fd), on_readable_(std::move(on_readable)) {
    wait();
  }
  ~ReadableWatch() { descriptor_.release(); }
  ReadableWatch(const ReadableWatch&) = delete;
  ReadableWatch& operator=(const ReadableWatch&) = delete;

 private:
  void wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [this](std::error_code error) {
      if (error) return;  // released: `this` may be gone
      on_readable_();
      wait();
    });
  }

  asio::posix::stream_descriptor descriptor_;
  std::function<void()> on_readable_;
};

}  // namespace

struct ControlLoop::Impl {
  explicit Impl(const ControlLoopParts& parts)
      : p(parts),
        event_log(parts.log),
        desk(
            parts.node, [this](Now now) { return make_status(now); },
            [this](const MacAddress& vm, std::optional<std::uint64_t> delivered) {
              if (p.capture != nullptr) p.capture->note_stop(vm, delivered);
            },
            [this](const MacAddress& vm, const std::string& port) { return find_port(vm, port); },
            [this](const ControlRequest& request) {
              return request.verb == ControlVerb::Reload ? reload() : settings.handle_log_level(request);
            }),
        settings(parts.log,
                 Reloader{parts.options.config_file, parts.options.paths.credential_file(parts.options.network),
                          parts.options.overrides, parts.options.config}),
        watchdog(watchdog_interval()),
        timer(parts.io),
        signals(parts.io, SIGTERM, SIGINT, SIGHUP) {
    watch(p.wake.fd(), [this] { p.wake.drain(); });
    watch(p.underlay.fd(), [this] { addresses_changed = true; });
    if (p.fdb != nullptr) watch(p.fdb->fd(), [] {});
    wait_for_signal();
    prepare_reload();
  }

  // The interface index; it is followed from now on. 0: the VM is expected on a port of another bridge, or on what is
  // no TAP device, and comes without.
  unsigned find_port(const MacAddress& vm, const std::string& port) {
    const unsigned ifindex = if_nametoindex(port.c_str());
    if (p.capture == nullptr || ifindex == 0) return 0;
    const std::filesystem::path device = std::filesystem::path{"/sys/class/net"} / port;
    std::error_code error;
    const auto master = std::filesystem::read_symlink(device / "master", error);
    const bool is_vm_port = !error && master.filename() == p.options.config.bridge && ifindex != p.tap_ifindex &&
                            std::filesystem::exists(device / "tun_flags", error);
    if (!is_vm_port) return 0;
    with_port.insert(vm);
    p.capture->follow(vm, ifindex, /*expected=*/true);
    return ifindex;
  }

  // Its port is followed as long as the VM may come to it.
  void forget_port(const NodeEvent& event) {
    using Kind = NodeEvent::Kind;
    if (p.capture == nullptr || !event.vm) return;
    const bool came =
        event.kind == Kind::VmMovedHere || event.kind == Kind::VmReclaimed || event.kind == Kind::VmClaimed;
    if (came || event.kind == Kind::VmPrepareEnded) with_port.erase(*event.vm);
    const bool left =
        event.kind == Kind::VmForwardingEnded || event.kind == Kind::VmReleased || event.kind == Kind::VmPrepareEnded;
    if (left && !with_port.contains(*event.vm)) p.capture->forget(*event.vm);
  }

  // ---- what wakes the loop ---------------------------------------------------------------------

  void watch(int fd, std::function<void()> on_readable) {
    watches.push_back(std::make_unique<ReadableWatch>(p.io, fd, [this, on_readable = std::move(on_readable)] {
      on_readable();
      request_turn();
    }));
  }

  void wait_for_signal() {
    signals.async_wait([this](std::error_code error, int number) {
      if (error) return;  // cancelled: `this` may be gone
      if (number == SIGHUP) {
        hung_up = true;
        request_turn();
      } else if (!stop_reason.empty()) {
        p.io.stop();  // asked twice: no goodbyes
      } else {
        stop_reason = number == SIGINT ? "SIGINT" : "SIGTERM";
        request_turn();
      }
      wait_for_signal();
    });
  }

  // ---- settings --------------------------------------------------------------------------------

  void prepare_reload() {
    Reloader& reloader = settings.reloader();
    reloader.set_apply("log_level", [this](const DaemonConfig& wanted) { p.log.set_level(wanted.log_level); });
    reloader.set_apply("endpoints", [this](const DaemonConfig& wanted) {
      if (p.underlay.set_endpoints(wanted.endpoints)) take_endpoints(read_clocks());
    });
    reloader.set_apply("bootstrap", [this](const DaemonConfig& wanted) {
      p.underlay.set_bootstrap(choose_bootstrap(wanted, p.identity.credential.network.bootstrap, p.log));
      p.location.set_bootstrap(p.underlay.bootstrap_addresses());
    });
    reloader.set_apply(
        "metrics", [this](const DaemonConfig& wanted) { p.metrics.set_address(wanted.metrics, wanted.control_group); });
    const auto set_access = [this](const DaemonConfig& wanted) {
      p.control.set_access(wanted.control_group, wanted.group_may_claim);
      p.metrics.set_group(wanted.control_group);
    };
    reloader.set_apply("control.group", set_access);
    reloader.set_apply("control.group_may_claim", set_access);
  }

  // A manager that has not heard of readiness yet must not take this for it, nor one that knows of the end.
  ControlResponse reload() {
    const bool tells = ready && !stopping_until;
    if (tells) notify_reloading();
    ControlResponse response = settings.reload();
    if (tells) notify_ready(status_line);
    return response;
  }

  // Several causes, one turn.
  void request_turn() {
    if (turn_pending) return;
    turn_pending = true;
    asio::post(p.io, [this] { turn(); });
  }

  // ---- one turn --------------------------------------------------------------------------------

  void turn() {
    turn_pending = false;
    const Now now = read_clocks();
    take_worker_events(now);
    if (std::exchange(hung_up, false)) (void)reload();  // it has logged the outcome
    take_requests(now);
    take_location(now);
    take_bridge_events(now);
    take_captured(now);
    take_underlay(now);
    if (const auto deadline = p.node.poll_timeout(); deadline && *deadline <= now.steady) p.node.handle_timeout(now);
    desk.handle_timeout(now);
    event_log.handle_timeout(now.steady);
    check_worker();
    p.metrics.serve([&] { return make_status(now); });
    if (!stopping_until && (desk.stop_requested() || !stop_reason.empty())) begin_stop(now);
    flush(now);
    keep_house(now);
    sleep(now);
  }

  // A frame that the bridge has learned from comes after what it learned: the node knows the VM's port when it judges
  // the frame.
  void take_worker_events(Now now) {
    while (worker_events.size() < kInputsPerTurn) {
      auto event = p.workers.poll_event();
      if (!event) break;
      worker_events.push_back(std::move(*event));
    }
    if (worker_events.size() == kInputsPerTurn) request_turn();
    read_bridge_events();
    for (WorkerEvent& event : worker_events) {
      const auto* echoed = std::get_if<Echoed>(&event);
      if (echoed != nullptr && echoed->vm == kOwnEcho) {
        if (watchdog.handle_echo(now.steady)) notify_alive();
      } else {
        p.node.handle_worker_event(now, std::move(event));
      }
    }
    worker_events.clear();
  }

  // Without the packet path nothing works: leave in order, and let the service manager start anew.
  void check_worker() {
    if (!worker_failure.empty()) return;
    worker_failure = p.workers.failure().value_or("");
    if (worker_failure.empty()) return;
    p.log.write(LogLevel::Error, "packet-path-lost", {{"reason", worker_failure}});
    if (stop_reason.empty()) stop_reason = "packet path lost";
  }

  void take_requests(Now now) {
    while (!p.requests.empty()) {
      QueuedRequest queued = std::move(p.requests.front());
      p.requests.pop_front();
      desk.handle_request(now, queued.request, std::move(queued.reply));
    }
  }

  void take_location(Now now) {
    p.node.handle_location(now);
    for (std::size_t i = 0; i < kInputsPerTurn; ++i) {
      auto transmit = p.location.poll_transmit();
      if (!transmit) return;
      p.node.handle_dht_transmit(now, {transmit->to, std::move(transmit->bytes)});
    }
    request_turn();
  }

  void read_bridge_events() {
    if (p.fdb == nullptr) return;
    while (bridge_events.size() < kInputsPerTurn) {
      const auto event = p.fdb->poll_event();
      if (!event) return;
      const bool on_port = !event->gone && event->port_ifindex != p.tap_ifindex;
      if (p.capture != nullptr && on_port) p.capture->follow(event->mac, event->port_ifindex);
      p.node.note_port(event->mac, on_port ? event->port_ifindex : 0);
      bridge_events.push_back(*event);
    }
    request_turn();
  }

  void take_bridge_events(Now now) {
    for (const FdbEvent& event : std::exchange(bridge_events, {})) {
      p.node.handle_bridge_event(now,
                                 {.mac = event.mac, .on_tap = event.port_ifindex == p.tap_ifindex, .gone = event.gone});
    }
  }

  // Before the commands: a frame that goes to the TAP again must not find the entry there.
  void change_bridge(Now now) {
    while (const auto entry = p.node.poll_bridge_entry()) {
      const unsigned port = entry->port == 0 ? p.tap_ifindex : entry->port;
      const int error = fdb_writer.set(entry->mac, port, entry->held);
      if (error == 0) continue;
      p.log.write(LogLevel::Debug, "bridge-refused",
                  {{"vm", to_string(entry->mac)},
                   {"port", std::to_string(port)},
                   {"reason", std::generic_category().message(error)}});
      p.node.handle_bridge_refusal(now, *entry);
    }
  }

  void take_captured(Now now) {
    if (p.capture == nullptr) return;
    while (const auto vm = p.capture->poll_closed()) p.node.handle_port_closed(now, *vm);
    for (std::size_t i = 0; i < kInputsPerTurn; ++i) {
      auto captured = p.capture->poll_captured();
      if (!captured) return;
      if (captured->ahead) {
        p.node.handle_captured_ahead(now, captured->vm, std::move(captured->frames), captured->state);
      } else {
        p.node.handle_captured(now, captured->vm, std::move(captured->frames), captured->missing);
      }
    }
    request_turn();
  }

  void take_underlay(Now now) {
    if (std::exchange(addresses_changed, false) && p.underlay.handle_address_change()) take_endpoints(now);
    if (auto bootstrap = p.underlay.poll_bootstrap(now.steady)) {
      p.log.write(LogLevel::Debug, "bootstrap-resolved", {{"ep", join(*bootstrap)}});
      p.location.set_bootstrap(std::move(*bootstrap));
    }
  }

  void take_endpoints(Now now) {
    p.log.write(LogLevel::Info, "endpoints-changed", {{"ep", join(p.underlay.endpoints())}});
    p.node.handle_endpoints(now, p.underlay.endpoints());
  }

  void flush(Now now) {
    // One that finds no room is asked again.
    if (watchdog.poll_question(now.steady)) (void)p.workers.post(Echo{kOwnEcho});
    while (auto result = p.node.poll_lookup()) desk.handle_lookup_result(now, *result);  // may ask for more
    while (auto result = p.node.poll_ping()) desk.handle_ping_result(*result);
    change_bridge(now);
    while (auto datagram = p.node.poll_transmit(now)) {
      if (!p.workers.send(datagram->to, datagram->bytes, datagram->segment)) ++datagrams_unsent;
    }
    while (auto command = p.node.poll_command()) {
      if (!p.workers.post(std::move(*command))) ++commands_lost;
    }
    while (auto request = p.node.poll_advance_request()) {
      if (p.capture != nullptr) p.capture->stream(request->vm, request->start);
    }
    while (auto request = p.node.poll_capture_request()) {
      if (p.capture != nullptr) p.capture->request(request->vm, request->whole);
    }
    while (auto datagram = p.node.poll_dht_datagram()) p.location.deliver(datagram->peer, std::move(datagram->bytes));
    while (auto event = p.node.poll_event()) {
      event_log.handle_event(now.steady, *event);
      forget_port(*event);
      if (p.control.has_watchers()) p.control.publish(report_event(*event, now));
    }
  }

  void sleep(Now now) {
    TimePoint deadline = now.steady + (ready ? Duration{kIdleTurn} : Duration{kStartingTurn});
    const std::optional<TimePoint> question{watchdog.poll_timeout()};
    for (const auto& other : {p.node.poll_timeout(), desk.poll_timeout(), stopping_until, question}) {
      if (other) deadline = std::min(deadline, *other);
    }
    timer.expires_after(std::max(Duration{0}, deadline - now.steady));
    timer.async_wait([this](std::error_code error) {
      if (!error) request_turn();
    });
  }

  // ---- housekeeping ----------------------------------------------------------------------------

  void keep_house(Now now) {
    if (stopping_until) {
      if (now.steady >= *stopping_until) p.io.stop();
      return;
    }
    if (now.steady < next_housekeeping) return;
    next_housekeeping = now.steady + (ready ? Duration{kIdleTurn} : Duration{kStartingTurn});
    for (const std::string& name : offloads.take_ended(offload_counters(offload_uses()))) {
      p.log.write(LogLevel::Warn, "offload-off", {{"offload", name}, {"reason", "it is done wrongly"}});
    }
    const NodeStatus status = p.node.status();
    p.underlay.handle_timeout(now.steady, status.location.connected);
    tell_readiness(now, status);
    std::vector<KnownDhtNode> known_nodes = p.location.known_nodes();
    if (p.state.is_due(now.steady, known_nodes)) {
      p.state.save(now, status.last_stamp, status.highest_sequence, std::move(known_nodes));
    }
  }

  void tell_readiness(Now now, const NodeStatus& status) {
    if (ready) {
      std::string line = describe(now, status);
      if (line == status_line) return;
      status_line = std::move(line);
      return notify_status(status_line);
    }
    if (is_usable(status)) {
      ready = true;
      p.log.write(LogLevel::Info, "usable", {{"nodes", std::to_string(status.location.nodes)}});
      status_line = describe(now, status);
      notify_ready(status_line);
    } else if (now.steady >= next_extension) {
      next_extension = now.steady + kStartExtension / 2;
      notify_starting("no other node answers yet", kStartExtension);
    }
  }

  // What `systemctl status` shows.
  [[nodiscard]] std::string describe(Now now, const NodeStatus& status) const {
    if (!packets_move(now)) return "not usable: the packet path stands still";
    if (!is_usable(status)) return "not usable: no other node answers";
    std::string line = "usable";
    if (is_lone(status)) line += ", no other node is known";
    line += ": " + std::to_string(status.peers_up) + " peers up, " + std::to_string(status.vms_local) + " VMs here";
    if (!status.conflicts.empty()) line += ", " + std::to_string(status.conflicts.size()) + " in conflict";
    return line;
  }

  [[nodiscard]] bool packets_move(Now now) const { return watchdog.overdue(now.steady) < Watchdog::kPatience; }

  // Nobody to connect to: no bootstrap node but ourselves, and none remembered or met.
  [[nodiscard]] bool is_lone(const NodeStatus& status) const {
    return !p.underlay.has_bootstrap() && p.state.loaded().known_nodes.empty() && status.peers_known == 0 &&
           status.location.nodes == 0;
  }

  [[nodiscard]] bool is_usable(const NodeStatus& status) const {
    return (status.location.connected && status.location.nodes > 0) || is_lone(status);
  }

  void begin_stop(Now now) {
    p.log.write(LogLevel::Info, "stopping", {{"reason", stop_reason.empty() ? "rove down" : stop_reason}});
    notify_stopping();
    p.node.shut_down(now);
    stopping_until = now.steady + kGoodbyeTime;
  }

  [[nodiscard]] std::vector<OffloadUse> offload_uses() const {
    OffloadState state = p.offloads;
    state.tap = p.workers.tap_offloads();
    state.udp = p.workers.udp_offloads();
    return describe_offloads(state);
  }

  [[nodiscard]] StatusReport make_status(Now now) const {
    StatusReport report{.node = p.node.status(),
                        .usable = false,
                        .lone = false,
                        .uptime = now.steady - started,
                        .certificate_not_after = p.identity.certificate.not_after(),
                        .now = now.wall,
                        .tap = p.options.config.tap,
                        .port = p.options.config.listen.port,
                        .network_namespace = network_namespace_id(),
                        .bridge = p.options.config.bridge,
                        .bridge_ifindex = p.bridge_ifindex,
                        .inner_mtu = p.identity.credential.network.inner_mtu,
                        .host = p.host,
                        .problems = {},
                        .packet_path_overdue = watchdog.overdue(now.steady),
                        .counters = {}};
    report.peers = p.node.peers();
    report.at = now.steady;
    report.lone = is_lone(report.node);
    const bool is_reached = is_usable(report.node);
    report.usable = is_reached && packets_move(now);
    report.problems = find_problems(report, is_reached);
    const WorkerCounters worker = p.workers.counters();
    report.host.offloads = offload_uses();
    const DhtCounters dht = p.location.counters();
    const ControlCounters& control = p.control.counters();
    const MetricsCounters metrics = p.metrics.counters();
    report.counters = {{"packets", packet_counters(worker.forwarder)},
                       {"drops", drop_counters(worker.forwarder)},
                       {"offloads", offload_counters(report.host.offloads)},
                       {"peers", peer_counters(report.node.peer_counters)},
                       {"node", report.node.counters},
                       {"dht", dht_counters(dht)},
                       {"daemon",
                        {{"tap_write_errors", worker.tap_write_errors},
                         {"port_write_errors", worker.port_write_errors},
                         {"udp_send_errors", worker.udp_send_errors},
                         {"udp_kernel_drops", worker.udp_kernel_drops},
                         {"datagrams_handed", worker.datagrams_handed},
                         {"datagrams_unhanded", worker.datagrams_unhanded},
                         {"realtime_pauses", worker.realtime_pauses},
                         {"events_lost", worker.events_lost},
                         {"commands_lost", commands_lost},
                         {"datagrams_unsent", datagrams_unsent},
                         {"log_lines_suppressed", event_log.suppressed()},
                         {"control_requests", control.requests},
                         {"control_denied", control.denied},
                         {"control_malformed", control.malformed},
                         {"control_clients_refused", control.clients_refused},
                         {"watchers_refused", control.watchers_refused},
                         {"watch_events_lost", control.watch_events_lost},
                         {"metrics_requests", metrics.requests},
                         {"metrics_refused", metrics.refused},
                         {"metrics_clients_refused", metrics.clients_refused},
                         {"metrics_unanswered", metrics.unanswered}}}};
    if (p.capture != nullptr) report.counters.emplace_back("capture", capture_counters(p.capture->counters()));
    return report;
  }

  [[nodiscard]] std::vector<HealthProblem> find_problems(const StatusReport& report, bool is_reached) const {
    std::vector<HealthProblem> problems = p.underlay.problems();
    if (report.packet_path_overdue >= Watchdog::kPatience) {  // the cause of many others
      problems.insert(problems.begin(), {"the packet path stands still: no frame is moved",
                                         "rove bugreport, and then a restart of the daemon"});
    }
    if (!is_reached) {
      problems.push_back({"no other node answers: only what is known already can be reached",
                          "UDP port " + std::to_string(p.options.config.listen.port) +
                              " between the hosts, and whether the bootstrap nodes run"});
    }
    const std::string renew = "rove enroll " + report.node.name + " on the CA's machine, and rove join --replace here";
    if (report.certificate_not_after <= report.now) {
      problems.push_back({"this node's certificate has expired: peers refuse it", renew});
    } else if (report.certificate_not_after - report.now < kExpiryWarning) {
      problems.push_back({"this node's certificate expires soon", renew});
    }
    if (!p.capture_problem.empty())
      problems.push_back({p.capture_problem, "AmbientCapabilities=CAP_NET_RAW in its unit"});
    if (!p.state.problem().empty()) {
      problems.push_back(
          {"the state is not saved: " + p.state.problem(),
           "room and permission in " + p.options.paths.state_file(p.options.network).parent_path().string()});
    }
    for (std::string& ended : offloads.problems()) {
      problems.push_back({std::move(ended), "rove status --counters, and the offloads of the network card"});
    }
    return problems;
  }

  static std::string join(const std::vector<Endpoint>& endpoints) {
    std::string text;
    for (const Endpoint& endpoint : endpoints) text += (text.empty() ? "" : ",") + to_string(endpoint);
    return text;
  }

  ControlLoopParts p;
  EventLog event_log;
  std::set<MacAddress> with_port;  // VMs that were prepared for with a port, and have not come
  FdbWriter fdb_writer;
  std::vector<WorkerEvent> worker_events;  // of the turn under way
  std::deque<FdbEvent> bridge_events;
  OffloadReport offloads;
  OperatorDesk desk;
  SettingsDesk settings;
  Watchdog watchdog;
  asio::steady_timer timer;
  asio::signal_set signals;
  std::vector<std::unique_ptr<ReadableWatch>> watches;

  TimePoint started{};
  TimePoint next_housekeeping{};
  TimePoint next_extension{};
  std::optional<TimePoint> stopping_until;
  std::string stop_reason;     // of a signal or a failure; not empty: stop
  std::string worker_failure;  // why the packet path ended by itself
  bool turn_pending = false;
  bool addresses_changed = false;
  bool hung_up = false;     // SIGHUP: the configuration is to be read again
  std::string status_line;  // that the service manager was told last
  bool ready = false;       // usable, and the service manager knows
  std::uint64_t commands_lost = 0;
  std::uint64_t datagrams_unsent = 0;
};

ControlLoop::ControlLoop(const ControlLoopParts& parts) : impl_(std::make_unique<Impl>(parts)) {}

ControlLoop::~ControlLoop() = default;

void ControlLoop::run() {
  Impl& impl = *impl_;
  const Now now = read_clocks();
  impl.started = now.steady;
  impl.p.node.handle_start(now);
  impl.request_turn();
  impl.p.io.run();
  const NodeStatus status = impl.p.node.status();
  impl.p.state.save_at_exit(status.last_stamp, status.highest_sequence, impl.p.location.known_nodes());
  if (!impl.worker_failure.empty()) {
    throw Failure(ExitStatus::Failure, "packet path", impl.worker_failure, "rove up " + impl.p.options.network);
  }
}

}  // namespace rove
