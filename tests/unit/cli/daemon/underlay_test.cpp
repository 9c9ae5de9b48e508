#include "cli/daemon/underlay.h"

#include <doctest/doctest.h>

#include "cli/base/failure.h"

namespace rove {
namespace {

Endpoint endpoint(const char* text) {
  return *parse_endpoint(text, kDefaultPort);
}

std::vector<IpAddress> addresses() {
  return {*parse_ip("10.1.0.2"), *parse_ip("2001:db8::2")};
}

}  // namespace

TEST_CASE("choose_endpoints: configured ones go before everything") {
  DaemonConfig config;
  config.endpoints = {endpoint("203.0.113.7:9")};
  config.listen = *parse_listen_address("10.1.0.2:7000");

  CHECK(choose_endpoints(config, addresses(), {.v4 = true, .v6 = true}) == config.endpoints);
}

TEST_CASE("choose_endpoints: one address to listen at is the one to be reached at") {
  DaemonConfig config;
  config.listen = *parse_listen_address("10.1.0.9:7000");

  CHECK(choose_endpoints(config, addresses(), {.v4 = true, .v6 = false}) ==
        std::vector<Endpoint>{endpoint("10.1.0.9:7000")});
}

TEST_CASE("choose_endpoints: else the host's addresses of the families that it has") {
  DaemonConfig config;
  config.listen = *parse_listen_address("7000");

  CHECK(choose_endpoints(config, addresses(), {.v4 = true, .v6 = true}) ==
        std::vector<Endpoint>{endpoint("10.1.0.2:7000"), endpoint("[2001:db8::2]:7000")});
  CHECK(choose_endpoints(config, addresses(), {.v4 = true, .v6 = false}) ==
        std::vector<Endpoint>{endpoint("10.1.0.2:7000")});
  config.listen = *parse_listen_address("0.0.0.0:7000");
  CHECK(choose_endpoints(config, addresses(), {.v4 = true, .v6 = false}) ==
        std::vector<Endpoint>{endpoint("10.1.0.2:7000")});
}

TEST_CASE("choose_endpoints: no more than a node record holds") {
  const std::vector<IpAddress> many(20, *parse_ip("10.1.0.2"));

  CHECK(choose_endpoints({}, many, {.v4 = true, .v6 = true}).size() == 8);
}

TEST_CASE("filter_bootstrap: without ourselves, the overlay's own addresses, and repetitions") {
  const std::vector<Endpoint> asked{endpoint("10.1.0.2:7683"), endpoint("10.1.0.9:7683"), endpoint("10.77.0.3:7683"),
                                    endpoint("10.1.0.9:7683"), endpoint("10.1.0.2:7684")};

  CHECK(filter_bootstrap(asked, {endpoint("10.1.0.2:7683")}, {*parse_prefix("10.77.0.0/24")}) ==
        std::vector<Endpoint>{endpoint("10.1.0.9:7683"), endpoint("10.1.0.2:7684")});
}

TEST_CASE("bind_underlay: a port that is taken is told with the option that changes it") {
  // The kernel picks a free port for the first socket; the second one wants the same.
  const UdpSocket first = UdpSocket::bind({*parse_ip("127.0.0.1"), 0});
  const ListenAddress taken{parse_ip("127.0.0.1"), first.local().port};

  try {
    (void)bind_underlay(taken);
    FAIL("no Failure");
  } catch (const Failure& failure) {
    CHECK(failure.status() == ExitStatus::Failure);
    CHECK(std::string{failure.what()}.find("127.0.0.1:" + std::to_string(taken.port)) != std::string::npos);
    CHECK(failure.next().find("--listen") != std::string::npos);
  }
}

TEST_CASE("choose_bootstrap: the configuration's nodes, else those of the enrolment file that make sense") {
  Log log{LogLevel::Error};
  DaemonConfig config;

  CHECK(choose_bootstrap(config, {"boot.example.org:1", "no port:x"}, log) ==
        std::vector<HostPort>{{"boot.example.org", 1}});
  config.bootstrap = {{"10.1.0.9", 7683}};
  CHECK(choose_bootstrap(config, {"boot.example.org:1"}, log) == config.bootstrap);
}

TEST_CASE("Underlay: endpoints and bootstrap nodes can be others while it runs") {
  const auto wake = std::make_shared<WakeSignal>();
  DaemonConfig config;
  config.endpoints = {endpoint("203.0.113.7:9")};
  Underlay underlay{config, {{"10.1.0.9", 7683}}, {}, 0, {.v4 = true, .v6 = true}, wake};

  CHECK_FALSE(underlay.set_endpoints({endpoint("203.0.113.7:9")}));
  CHECK(underlay.set_endpoints({endpoint("203.0.113.8:9")}));
  CHECK(underlay.endpoints() == std::vector<Endpoint>{endpoint("203.0.113.8:9")});

  CHECK(underlay.bootstrap_addresses() == std::vector<Endpoint>{endpoint("10.1.0.9:7683")});
  underlay.set_bootstrap({{"10.1.0.10", 7683}});
  CHECK(underlay.bootstrap_addresses() == std::vector<Endpoint>{endpoint("10.1.0.10:7683")});
  underlay.set_bootstrap({});
  CHECK_FALSE(underlay.has_bootstrap());
}

}  // namespace rove
