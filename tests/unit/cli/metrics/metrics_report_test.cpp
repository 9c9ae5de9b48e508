#include "cli/metrics/metrics_report.h"

#include <doctest/doctest.h>

#include "cli/metrics/metric_table.h"

namespace rove {
namespace {

StatusReport sample() {
  StatusReport report;
  report.node.name = "a";
  report.node.network_name = "demo";
  report.node.peers_up = 2;
  report.usable = true;
  report.uptime = std::chrono::seconds{200};
  report.now = WallTime{std::chrono::seconds{1'800'000'000}};
  report.certificate_not_after = WallTime{std::chrono::seconds{1'900'000'000}};
  report.counters = {{"packets", {{"frames_in", 5}}},
                     {"drops", {{"replayed", 7}, {"malformed", 0}}},
                     {"offloads", {{"tap_tcp", 1}}},
                     {"node", {{"conflicts", 3}, {"brand_new", 9}}}};
  return report;
}

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

void check_known(std::string_view group, const CounterList& counters) {
  for (const auto& [counter, value] : counters) {
    CAPTURE(group);
    CAPTURE(counter);
    CHECK(find_metric(group, counter).has_value());
  }
}

}  // namespace

TEST_CASE("render_metrics: counters, gauges and groups with a label") {
  const std::string text = render_metrics(sample());

  CHECK(has_line(text, "# TYPE rove_packets_frames_in_total counter"));
  CHECK(has_line(text, "rove_packets_frames_in_total 5"));
  CHECK(has_line(text, "rove_drops_total{reason=\"replayed\"} 7"));
  CHECK(has_line(text, "rove_drops_total{reason=\"malformed\"} 0"));
  CHECK(has_line(text, "rove_offload_active{offload=\"tap_tcp\"} 1"));
  CHECK(has_line(text, "# TYPE rove_node_conflicts gauge"));
  CHECK(has_line(text, "rove_node_conflicts 3"));
  CHECK(has_line(text, "rove_usable 1"));
  CHECK(has_line(text, "rove_peers_up 2"));
  CHECK(has_line(text, "rove_start_time_seconds 1799999800"));
  CHECK(has_line(text, "rove_certificate_expiry_timestamp_seconds 1900000000"));
  CHECK(text.find("node=\"a\"") != std::string::npos);
}

TEST_CASE("render_metrics: a counter that the table does not know is not left out") {
  CHECK(has_line(render_metrics(sample()), "rove_node_brand_new_total 9"));
}

TEST_CASE("find_metric: knows the counters of every part") {
  check_known("packets", packet_counters({}));
  check_known("peers", peer_counters({}));
  check_known("capture", capture_counters({}));
  check_known("dht", dht_counters({}));
}

TEST_CASE("render_health: whether the node is usable, and everything that is wrong") {
  StatusReport report = sample();
  CHECK(render_health(report) == "{\"schema\":1,\"usable\":true,\"problems\":[]}\n");

  report.usable = false;
  report.problems = {{"no other node answers", "a remedy"}};
  report.node.conflicts.push_back({*parse_mac("02:00:5e:10:00:01"), "b", true});
  const std::string text = render_health(report);
  CHECK(text.starts_with("{\"schema\":1,\"usable\":false,\"problems\":[\"no other node answers\",\"VM 02:00:5e"));

  CHECK(render_health_unknown().find("\"usable\":false") != std::string::npos);
}

}  // namespace rove
