#include "cli/doctor/daemon_facts.h"

#include <doctest/doctest.h>

#include "cli/report/report.h"

namespace rove {
namespace {

StatusReport sample_status() {
  StatusReport report;
  report.node.name = "a";
  report.node.endpoints = {*parse_endpoint("10.1.0.1:7683", 0)};
  report.node.location = {.connected = true, .nodes = 2};
  report.usable = true;
  report.now = WallTime{std::chrono::hours{1'000'000}};
  report.certificate_not_after = report.now + std::chrono::hours{24};
  report.tap = "rove0";
  report.bridge = "br0";
  report.bridge_ifindex = 5;
  report.inner_mtu = 1380;
  report.problems = {{"something", "a remedy"}};
  report.host = {.pid = 17,
                 .version = "0.1.0",
                 .capabilities = {"net_admin"},
                 .refused = {"nice"},
                 .sockets = {{.local = *parse_endpoint("[::]:7683", 0),
                              .receive_buffer = 1000,
                              .send_buffer = 2000,
                              .wanted_buffer = 3000}},
                 .offloads = {{.name = "tap_udp", .wanted = true, .used = false, .reason = "old"}}};
  report.counters = {{"daemon", {{"udp_kernel_drops", 7}}}};
  return report;
}

PeerInfo sample_peer() {
  PeerInfo peer;
  peer.name = "b";
  peer.up = true;
  peer.endpoint = *parse_endpoint("10.1.0.2:7683", 0);
  peer.rtt = std::chrono::microseconds{850};
  peer.observed = *parse_endpoint("203.0.113.7:1024", 0);
  peer.clock_lead = std::chrono::milliseconds{-1500};
  peer.segments = SegmentProbe::State::Works;
  peer.pings = 9;
  peer.pongs = 8;
  return peer;
}

}  // namespace

TEST_CASE("parse_daemon_facts: what the daemon reports is what comes back") {
  const auto facts = parse_daemon_facts(report_status(sample_status()), report_peers({sample_peer()}, TimePoint{}));

  REQUIRE(facts);
  CHECK(facts->node == "a");
  CHECK(facts->pid == 17);
  CHECK(facts->version == "0.1.0");
  CHECK(facts->connected);
  CHECK_FALSE(facts->lone);
  CHECK(facts->dht_nodes == 2);
  CHECK(facts->problems == std::vector<std::string>{"something"});
  CHECK(facts->endpoints == std::vector<std::string>{"10.1.0.1:7683"});
  CHECK(facts->bridge_ifindex == 5);
  CHECK(facts->inner_mtu == 1380);
  CHECK(facts->certificate_expires_in_s == 24 * 3600);
  CHECK(facts->capabilities == std::vector<std::string>{"net_admin"});
  CHECK(facts->refused == std::vector<std::string>{"nice"});
  REQUIRE(facts->sockets.size() == 1);
  CHECK(to_string(facts->sockets[0].local) == "[::]:7683");
  CHECK(facts->sockets[0].receive_buffer == 1000);
  CHECK(facts->sockets[0].send_buffer == 2000);
  CHECK(facts->sockets[0].wanted_buffer == 3000);
  REQUIRE(facts->offloads.size() == 1);
  CHECK(facts->offloads[0].name == "tap_udp");
  CHECK(facts->offloads[0].wanted);
  CHECK_FALSE(facts->offloads[0].used);
  CHECK(facts->offloads[0].reason == "old");
  CHECK(facts->kernel_drops == 7);
  REQUIRE(facts->peers.size() == 1);
  CHECK(facts->peers[0].name == "b");
  CHECK(facts->peers[0].up);
  CHECK(facts->peers[0].rtt == std::chrono::microseconds{850});
  CHECK(facts->peers[0].observed == "203.0.113.7:1024");
  CHECK(facts->peers[0].clock_lead == std::chrono::milliseconds{-1500});
  CHECK(facts->peers[0].segmentation == "works");
  CHECK(facts->peers[0].pings == 9);
  CHECK(facts->peers[0].pongs == 8);
  CHECK_FALSE(facts->peers[0].last_heard.has_value());
}

TEST_CASE("parse_daemon_facts: a peer without a name goes by its id, an older daemon tells less, other text nothing") {
  PeerInfo nameless;
  nameless.id.octets[0] = 0xab;
  const std::string peers = report_peers({nameless}, TimePoint{});
  CHECK(parse_daemon_facts(report_status(sample_status()), peers)->peers[0].name == to_string(nameless.id));

  const std::string old =
      R"({"node":"a","location":{"connected":true,"nodes":1,"lone":false},"problems":[],"endpoints":[],"tap":"rove0",)"
      R"("bridge":"","certificate_expires_in_s":5,"counters":{}})";
  const auto facts = parse_daemon_facts(old, R"({"peers":[]})");
  REQUIRE(facts);
  CHECK(facts->sockets.empty());
  CHECK(facts->inner_mtu == 0);

  for (const char* status : {"", "{}", "[]", R"({"node":7})"})
    CHECK_FALSE(parse_daemon_facts(status, R"({"peers":[]})"));
  CHECK_FALSE(parse_daemon_facts(old, "{}"));
  CHECK(parse_kernel_drops("nothing") == 0);
}

}  // namespace rove
