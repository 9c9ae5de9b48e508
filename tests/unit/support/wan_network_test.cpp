#include "tests/support/wan_network.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace rove {
namespace {

constexpr TimePoint kStart{};

Bytes packet(std::string_view from, std::string_view to) {
  const IpAddress source = *parse_ip(from);
  const IpAddress destination = *parse_ip(to);
  Bytes bytes(source.is_v4() ? 20 : 40);
  bytes[0] = source.is_v4() ? 0x45 : 0x60;
  const std::size_t at = source.is_v4() ? 12 : 8;
  std::copy(source.bytes().begin(), source.bytes().end(), bytes.begin() + at);
  std::copy(destination.bytes().begin(), destination.bytes().end(), bytes.begin() + at + source.size());
  return bytes;
}

WanNetwork make_network() {
  return WanNetwork{{*parse_site("a=10.1.0.0/24,fd00:1::/64"), *parse_site("b=10.2.0.0/24,fd00:2::/64"),
                     *parse_site("c=10.3.0.0/24")},
                    1};
}

// Milliseconds until a packet from `from` to `to` sent at 0 comes out; -1: never.
std::int64_t trip_ms(WanNetwork& network, std::string_view from, std::string_view to) {
  network.handle_packet(kStart, packet(from, to));
  const auto due = network.next_due();
  if (!due) return -1;
  const auto out = network.pop(*due);
  CHECK(out == packet(from, to));
  return std::chrono::duration_cast<std::chrono::milliseconds>(*due - kStart).count();
}

}  // namespace

TEST_CASE("WanNetwork: packets between sites are delayed, IPv4 and IPv6, packets within a site are not") {
  WanNetwork network = make_network();

  CHECK(network.handle_command("set delay 10ms") == "ok");

  CHECK(trip_ms(network, "10.1.0.2", "10.2.0.2") == 10);
  CHECK(trip_ms(network, "fd00:1::2", "fd00:2::2") == 10);
  CHECK(trip_ms(network, "10.1.0.2", "10.1.0.3") == 0);
}

TEST_CASE("WanNetwork: a condition can be set for one direction, or from one site to all") {
  WanNetwork network = make_network();

  CHECK(network.handle_command("set a b delay 30ms") == "ok");
  CHECK(network.handle_command("set c * delay 7ms loss 0") == "ok");

  CHECK(trip_ms(network, "10.1.0.2", "10.2.0.2") == 30);
  CHECK(trip_ms(network, "10.2.0.2", "10.1.0.2") == 0);
  CHECK(trip_ms(network, "10.3.0.2", "10.1.0.2") == 7);
}

TEST_CASE("WanNetwork: a cut works both ways until it is healed") {
  WanNetwork network = make_network();

  CHECK(network.handle_command("cut a b") == "ok");
  CHECK(trip_ms(network, "10.1.0.2", "10.2.0.2") == -1);
  CHECK(trip_ms(network, "10.2.0.2", "10.1.0.2") == -1);
  CHECK(trip_ms(network, "10.1.0.2", "10.3.0.2") == 0);

  CHECK(network.handle_command("heal b a") == "ok");
  CHECK(trip_ms(network, "10.1.0.2", "10.2.0.2") == 0);
}

TEST_CASE("WanNetwork: cutting one site isolates it, heal alone undoes everything") {
  WanNetwork network = make_network();

  CHECK(network.handle_command("cut c") == "ok");
  CHECK(trip_ms(network, "10.1.0.2", "10.3.0.2") == -1);
  CHECK(trip_ms(network, "10.3.0.2", "10.2.0.2") == -1);
  CHECK(trip_ms(network, "10.1.0.2", "10.2.0.2") == 0);

  CHECK(network.handle_command("heal") == "ok");
  CHECK(trip_ms(network, "10.1.0.2", "10.3.0.2") == 0);
}

TEST_CASE("WanNetwork: packets from or to nowhere, and garbage, are dropped and counted") {
  WanNetwork network = make_network();

  CHECK(trip_ms(network, "10.9.0.2", "10.1.0.2") == -1);
  CHECK(trip_ms(network, "10.1.0.2", "10.9.0.2") == -1);
  network.handle_packet(kStart, Bytes{});
  network.handle_packet(kStart, Bytes(19, 0x45));
  network.handle_packet(kStart, Bytes(39, 0x60));

  CHECK_FALSE(network.next_due());
  CHECK(network.handle_command("show").rfind("{\"unrouted\":5,", 0) == 0);
}

TEST_CASE("WanNetwork: a wrong command says what is wrong and changes nothing") {
  WanNetwork network = make_network();

  CHECK(network.handle_command("") == "error: empty command");
  CHECK(network.handle_command("drop a") == "error: expected set, cut, heal or show");
  CHECK(network.handle_command("set a x delay 1ms") == "error: no such site: x");
  CHECK(network.handle_command("cut x") == "error: no such site: x");
  CHECK(network.handle_command("set delay 9ms loss 101%") == "error: not a condition: loss 101%");
  CHECK(network.handle_command("set delay 10") == "error: not a condition: delay 10");
  CHECK(network.handle_command("set delay -1ms") == "error: not a condition: delay -1ms");
  CHECK(network.handle_command("set delay nanms") == "error: not a condition: delay nanms");
  CHECK(network.handle_command("set delay 10ms loss").rfind("error: ", 0) == 0);

  CHECK(trip_ms(network, "10.1.0.2", "10.2.0.2") == 0);
}

TEST_CASE("WanNetwork: show tells conditions and counters of each direction") {
  WanNetwork network = make_network();
  CHECK(network.handle_command("set a b delay 1.5ms rate 100mbit loss 5%") == "ok");

  const std::string shown = network.handle_command("show");

  CHECK(shown.find(R"({"from":"a","to":"b","delay_us":1500,"jitter_us":0,"loss":0.050000,)") != std::string::npos);
  CHECK(shown.find(R"("rate_bits":100000000,"cut":false,"packets":0)") != std::string::npos);
  CHECK(shown.find("\n") == std::string::npos);
}

TEST_CASE("parse_site: a name and at least one prefix") {
  const auto site = parse_site("a=10.1.0.0/24,fd00:1::/64");

  REQUIRE(site);
  CHECK(site->name == "a");
  CHECK(site->prefixes.size() == 2);
  for (const char* wrong : {"", "a", "a=", "=10.0.0.0/8", "a=10.1.0.1/24", "a=10.0.0.0/8,x", "A\"=10.0.0.0/8"}) {
    CHECK_FALSE(parse_site(wrong));
  }
}

}  // namespace rove
