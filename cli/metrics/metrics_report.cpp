#include "cli/metrics/metrics_report.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/metrics/exposition.h"
#include "cli/metrics/metric_table.h"
#include "rove_version.h"

namespace rove {
namespace {

using Json = nlohmann::ordered_json;

double to_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void add_node(Exposition& out, const StatusReport& report) {
  const NodeStatus& node = report.node;
  out.begin("rove_build_info", MetricType::Gauge, "1; its labels tell which release this is.");
  out.add(1, {{"version", ROVE_VERSION}, {"commit", ROVE_COMMIT}});
  const std::string id = to_string(node.id);
  out.begin("rove_node_info", MetricType::Gauge, "1; its labels tell which node of which network this is.");
  out.add(1, {{"network", node.network_name}, {"node", node.name}, {"node_id", id}});
  out.gauge("rove_usable", "1: other nodes answer, or there are none to connect to, and packets move.", report.usable);
  out.gauge("rove_problems", "Problems that rove status names.", all_problems(report).size());
  out.gauge("rove_peers_up", "Nodes with which this one has a session.", node.peers_up);
  out.gauge("rove_peers_known", "Nodes that this one has met.", node.peers_known);
  out.gauge("rove_sessions", "Sessions whose datagrams can be opened; up to three a peer while keys change.",
            node.sessions);
  out.gauge("rove_vms_local", "VMs on this host.", node.vms_local);
  out.gauge("rove_vms_cached", "VMs elsewhere whose place is known.", node.vms_cached);
  out.gauge("rove_location_nodes", "Other nodes that answer in the location service.", node.location.nodes);
}

void add_times(Exposition& out, const StatusReport& report) {
  const double now = to_seconds(report.now.time_since_epoch());
  out.begin("rove_start_time_seconds", MetricType::Gauge, "When the daemon started, in seconds since 1970.");
  out.add_seconds(now - to_seconds(report.uptime));
  out.begin("rove_certificate_expiry_timestamp_seconds", MetricType::Gauge,
            "When this node's certificate expires, in seconds since 1970.");
  out.add_seconds(to_seconds(report.certificate_not_after.time_since_epoch()));
  out.begin("rove_packet_path_overdue_seconds", MetricType::Gauge,
            "For how long the packet path has owed an answer to the control thread; moments are normal.");
  out.add_seconds(to_seconds(report.packet_path_overdue));
}

void add_labelled(Exposition& out, std::string_view name, MetricType type, std::string_view help,
                  std::string_view label, const CounterList& counters) {
  out.begin(name, type, help);
  for (const auto& [value_of_label, value] : counters) out.add(value, {{label, value_of_label}});
}

void add_counters(Exposition& out, std::string_view group, const CounterList& counters) {
  if (group == "drops") {
    return add_labelled(out, "rove_drops_total", MetricType::Counter,
                        "Datagrams and frames that were not delivered, by reason.", "reason", counters);
  }
  if (group == "offloads") {
    return add_labelled(out, "rove_offload_active", MetricType::Gauge, "1: this offload is in use.", "offload",
                        counters);
  }
  for (const auto& [counter, value] : counters) {
    const auto entry =
        find_metric(group, counter)
            .value_or(MetricEntry{
                .group = group, .counter = counter, .type = MetricType::Counter, .help = "A counter of rove status."});
    out.begin(metric_name(entry), entry.type, entry.help);
    out.add(value);
  }
}

void add_histogram(Exposition& out, std::string_view name, std::string_view help, const DurationHistogram& histogram) {
  out.begin(name, MetricType::Histogram, help);
  out.add(histogram);
}

}  // namespace

std::string render_metrics(const StatusReport& report) {
  Exposition out;
  add_node(out, report);
  add_times(out, report);
  for (const auto& [group, counters] : report.counters) add_counters(out, group, counters);
  const MoveHistograms& moves = report.node.moves;
  add_histogram(out, "rove_move_claim_seconds", "From the first sign of a VM that came until it was claimed.",
                moves.claim);
  add_histogram(out, "rove_move_acknowledge_seconds",
                "From the first sign of a VM that came until a peer had confirmed its claim.", moves.acknowledge);
  add_histogram(out, "rove_move_frame_seconds",
                "From the first sign of a VM that came until the first frame for it came by the network.", moves.frame);
  return out.take();
}

std::string render_health(const StatusReport& report) {
  Json object = Json::object();
  object["schema"] = 1;
  object["usable"] = report.usable;
  object["problems"] = Json::array();
  for (const HealthProblem& problem : all_problems(report)) object["problems"].push_back(problem.what);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string render_health_unknown() {
  StatusReport report;
  report.problems = {{"the control thread does not answer", "rove bugreport"}};
  return render_health(report);
}

}  // namespace rove
