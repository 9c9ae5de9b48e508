// What is read of the kernel's tables, of sockets and of programs. Devices are tested in tests/netns/doctor_test.py.
#include <doctest/doctest.h>
#include <unistd.h>

#include "cli/doctor/gather_devices.h"
#include "cli/doctor/gather_routes.h"
#include "cli/doctor/port_holder.h"
#include "cli/doctor/run_program.h"
#include "tap/udp_socket.h"

namespace rove {

using std::chrono::seconds;

TEST_CASE("find_socket_inodes: the inode of whoever has the port") {
  const char* table =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer\n"
      "  413: 00000000:1E03 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43218 2 0 0\n"
      "  414: 0100007F:1E03 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43219 2 0 0\n"
      "  415: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0 0\n"
      "  416: 00000000:1E03 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0 0\n"
      "garbage\n";

  CHECK(find_socket_inodes(table, 7683) == std::set<std::uint64_t>{43218, 43219});
  CHECK(find_socket_inodes(table, 7684).empty());
}

TEST_CASE("find_port_holder: this process, while it has the port") {
  const Endpoint any{*parse_ip("127.0.0.1"), 0};
  std::optional<UdpSocket> socket = UdpSocket::bind(any);
  const ListenAddress listen{.address = any.address, .port = socket->local().port};

  const auto holder = find_port_holder(listen);

  REQUIRE(holder);
  CHECK(holder->endpoint == "UDP " + to_string(socket->local()));
  CHECK(holder->process.find("(pid " + std::to_string(::getpid()) + ")") != std::string::npos);
  socket.reset();
  CHECK_FALSE(find_port_holder(listen));
}

TEST_CASE("default_links: the links of default routes") {
  const char* v4 =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
      "eth1\t0000010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
      "tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n";
  const std::string zero(32, '0');
  const std::string v6 = zero + " 00 " + zero + " 00 " + zero + " 00000400 00000001 00000000 00000003     eth2\n" +
                         zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n";

  CHECK(default_links_v4(v4) == std::vector<std::string>{"eth0"});
  CHECK(default_links_v6(v6) == std::vector<std::string>{"eth2"});
  CHECK(default_links_v4("").empty());
}

TEST_CASE("find_route: source, link and sizes, as the kernel would send") {
  UnderlayLink loopback;
  loopback.name = "lo";
  loopback.mtu = 65536;
  loopback.addresses = {*parse_ip("127.0.0.1")};

  const RouteFacts route = find_route("self", *parse_endpoint("127.0.0.1:7683", 0), {loopback});

  CHECK(route.error.empty());
  CHECK(to_string(route.source) == "127.0.0.1");
  CHECK(route.link == "lo");
  CHECK(route.link_mtu == 65536);
  CHECK(route.path_mtu == 65535);  // the most that IP takes
}

TEST_CASE("resolve_names: addresses need no resolver; what has no answer in time says so") {
  const std::vector<HostPort> names{{.host = "192.0.2.7", .port = 7}, {.host = "::1", .port = 8}};

  const auto facts = resolve_names(names);

  REQUIRE(facts.size() == 2);
  CHECK(facts[0].error.empty());
  REQUIRE(facts[0].endpoints.size() == 1);
  CHECK(to_string(facts[0].endpoints[0]) == "192.0.2.7:7");
  CHECK(to_string(facts[1].endpoints.at(0)) == "[::1]:8");
  CHECK(resolve_names({}).empty());
}

TEST_CASE("run_program: what it prints and how it ends, without a shell or an environment of ours") {
  const auto printed = run_program({"/usr/bin/printf", "%s", "$HOME; exit 3"}, seconds{20});
  REQUIRE(printed);
  CHECK(printed->status == 0);
  CHECK(printed->output == "$HOME; exit 3");

  const auto environment = run_program({"/usr/bin/env"}, seconds{20});
  REQUIRE(environment);
  CHECK(environment->output == "LC_ALL=C\n");

  const auto failed = run_program({"/usr/bin/ls", "/no/such/directory"}, seconds{20});
  REQUIRE(failed);
  CHECK(failed->status == 2);
  CHECK(failed->errors.find("/no/such/directory") != std::string::npos);
}

TEST_CASE("run_program: one that does not exist or does not end is none, and much output is cut off") {
  CHECK_FALSE(run_program({"/no/such/program"}, seconds{20}));
  CHECK_FALSE(run_program({"/usr/bin/sleep", "1000"}, std::chrono::milliseconds{50}));

  const auto much =
      run_program({"/usr/bin/head", "-c", std::to_string(kProgramOutputMax + 100'000), "/dev/zero"}, seconds{60});
  REQUIRE(much);
  CHECK(much->status == 0);
  CHECK(much->output.size() == kProgramOutputMax);
}

}  // namespace rove
