#include "cli/doctor/netcheck.h"

#include <nlohmann/json.hpp>

#include "tests/unit/cli/doctor/sample_facts.h"

namespace rove {
namespace {

Facts seen_by(const std::vector<std::pair<const char*, const char*>>& observations) {
  Facts facts = healthy_facts();
  facts.daemon->peers.clear();
  for (const auto& [name, endpoint] : observations) {
    facts.daemon->peers.push_back(peer_of(name));
    facts.daemon->peers.back().observed = endpoint;
  }
  return facts;
}

}  // namespace

TEST_CASE("netcheck: what peers see tells of a NAT") {
  CHECK(find_translation(without_daemon()) == Translation::Unknown);
  CHECK(find_translation(seen_by({{"b", ""}})) == Translation::Unknown);
  CHECK(find_translation(seen_by({{"b", "10.1.0.1:7683"}, {"c", "10.1.0.1:7683"}})) == Translation::None);
  CHECK(find_translation(seen_by({{"b", "203.0.113.7:7683"}})) == Translation::Translated);
  // The port alone may be translated, too; and a peer beside this host sees it as it is.
  CHECK(find_translation(seen_by({{"b", "10.1.0.1:7683"}, {"c", "10.1.0.1:1024"}})) == Translation::Translated);
  CHECK(find_translation(seen_by({{"b", "203.0.113.7:1024"}, {"c", "203.0.113.7:1025"}})) == Translation::PerPeer);
  // Each family has a NAT of its own, or none.
  CHECK(find_translation(seen_by({{"b", "203.0.113.7:1024"}, {"c", "[2001:db8::7]:7683"}})) == Translation::Translated);
}

TEST_CASE("netcheck: peers that see the same endpoint are named together, the most first") {
  const auto seen = seen_as(seen_by({{"b", "203.0.113.7:1"}, {"c", "203.0.113.7:2"}, {"d", "203.0.113.7:2"}}));

  REQUIRE(seen.size() == 2);
  CHECK(seen[0].endpoint == "203.0.113.7:2");
  CHECK(seen[0].by == std::vector<std::string>{"c", "d"});
}

TEST_CASE("netcheck: the JSON") {
  Facts facts = healthy_facts();
  facts.daemon->peers[0].pongs = 9;
  facts.daemon->offloads.resize(1);

  CHECK(
      report_netcheck(facts) ==
      R"({"schema":1,"network":"demo","daemon":true,)"
      R"("ipv4":{"addresses":["10.1.0.1"],"default_links":["eth0"],"socket":"0.0.0.0:7683"},)"
      R"("ipv6":{"addresses":[],"default_links":[],"socket":null},"endpoints":["10.1.0.1:7683"],)"
      R"("seen_as":[{"endpoint":"10.1.0.1:7683","by":["b"]}],"translation":"none",)"
      R"("peers":[{"name":"b","up":true,"endpoint":"10.1.0.2:7683","rtt_us":850,"loss":0.1,"pings":10,)"
      R"("observed":"10.1.0.1:7683","segmentation":"works","clock_lead_ms":-12,"source":"10.1.0.1","link":"eth0","link_mtu":1500,)"
      R"("path_mtu":1500,"needed_mtu":1474,"error":null}],)"
      R"("offloads":[{"name":"tap_checksum","wanted":true,"used":true,"reason":null}],)"
      R"("bootstrap":[{"name":"b.example.org:7683","error":null,"addresses":[{"endpoint":"10.1.0.2:7683",)"
      R"("own":true,"source":null,"link":null,"link_mtu":null,"path_mtu":null,"needed_mtu":null,"error":null}]}]})");
}

TEST_CASE("netcheck: the text") {
  Facts facts = healthy_facts();
  facts.daemon->offloads.resize(1);
  facts.routes.push_back(route_of("b.example.org:7683", "10.1.0.2:7683", "eth0", 1400));

  CHECK(render_netcheck(facts, {.terminal = true, .color = false}) ==
        "listens    0.0.0.0:7683\n"
        "ipv4       10.1.0.1; default route by eth0\n"
        "ipv6       no address\n"
        "tells      10.1.0.1:7683\n"
        "seen as    10.1.0.1:7683 by b: no address translation\n"
        "\n"
        "NODE                STATE      ENDPOINT       RTT     LOSS        FROM      LINK  MTU   NEEDS\n"
        "b                   up         10.1.0.2:7683  0.85ms  0.0% of 10  10.1.0.1  eth0  1500  1474\n"
        "b.example.org:7683  bootstrap  10.1.0.2:7683  -       -           10.1.0.1  eth0  1400  1474\n"
        "\n"
        "OFFLOAD       STATE   WHY\n"
        "tap_checksum  in use  -\n");
}

TEST_CASE("netcheck: without a daemon this host's side is left, and it says so") {
  const Facts facts = without_daemon();

  const std::string text = render_netcheck(facts, {.terminal = false, .color = false});
  CHECK(text.find("listens\treach the daemon: none runs") == 0);
  CHECK(text.find("seen as\tnot known without a daemon\n") != std::string::npos);
  const auto object = nlohmann::json::parse(report_netcheck(facts));
  CHECK(object.at("daemon") == false);
  CHECK(object.at("translation") == "unknown");
  CHECK(object.at("ipv4").at("addresses").size() == 1);
}

}  // namespace rove
