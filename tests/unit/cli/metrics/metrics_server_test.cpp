#include "cli/metrics/metrics_server.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <list>
#include <vector>

#include "cli/base/failure.h"
#include "tap/file_descriptor.h"
#include "tap/wake_signal.h"
#include "tests/unit/cli/raw_client.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

constexpr int kPatienceMs = 20'000;  // a limit for a broken test; a good one never waits

class Client : public RawClient {
 public:
  using RawClient::RawClient;
  void get(const std::string& path) const { send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"); }
};

// A server at a socket, and this thread in the place of the control thread.
struct Fixture {
  TemporaryDirectory directory;
  std::filesystem::path socket = directory / "metrics";
  WakeSignal wake;
  MetricsServer server{{.tcp = {}, .socket = socket}, std::nullopt, [this] { wake.notify(); }};

  // Waits for the server's question, and answers it.
  void answer(bool usable = true, std::uint64_t frames = 5) {
    pollfd entry{wake.fd(), POLLIN, 0};
    REQUIRE(::poll(&entry, 1, kPatienceMs) == 1);
    wake.drain();
    REQUIRE(server.poll_question());
    auto report = std::make_shared<StatusReport>();
    report->usable = usable;
    if (!usable) report->problems = {{"no other node answers", "a remedy"}};
    report->counters = {{"packets", {{"frames_in", frames}}}};
    server.answer(report);
  }
};

}  // namespace

TEST_CASE("MetricsServer: metrics and health, from one report that was asked for") {
  Fixture fixture;
  const Client metrics{fixture.socket};
  const Client health{fixture.socket};
  metrics.get("/metrics");
  health.get("/health");
  fixture.answer();

  const std::string text = metrics.read_all();
  CHECK(text.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(text.find("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n") != std::string::npos);
  CHECK(text.find("\nrove_packets_frames_in_total 5\n") != std::string::npos);
  // The second one came before the answer, or finds it fresh; on a machine that is very slow it asks once more.
  if (fixture.server.poll_question()) {
    auto report = std::make_shared<StatusReport>();
    report->usable = true;
    fixture.server.answer(report);
  }
  const std::string state = health.read_all();
  CHECK(state.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(state.ends_with("{\"schema\":1,\"usable\":true,\"problems\":[]}\n"));
  CHECK(fixture.server.counters().requests == 2);
}

TEST_CASE("MetricsServer: a node that is not usable answers 503 and says why; its metrics come all the same") {
  Fixture fixture;
  const Client health{fixture.socket};
  health.get("/health");
  fixture.answer(/*usable=*/false);

  const std::string state = health.read_all();
  CHECK(state.starts_with("HTTP/1.1 503 "));
  CHECK(state.find("\"problems\":[\"no other node answers\"]") != std::string::npos);
}

TEST_CASE("MetricsServer: a control thread that does not answer is a finding, not a wait") {
  Fixture fixture;
  const Client health{fixture.socket};
  const Client metrics{fixture.socket};
  health.get("/health");
  metrics.get("/metrics");

  const std::string state = health.read_all();
  CHECK(state.starts_with("HTTP/1.1 503 "));
  CHECK(state.find("the control thread does not answer") != std::string::npos);
  CHECK(metrics.read_all().starts_with("HTTP/1.1 503 "));
  CHECK(fixture.server.counters().unanswered == 2);

  const Client later{fixture.socket};
  later.get("/health");
  fixture.answer();
  CHECK(later.read_all().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("MetricsServer: other paths, methods and nonsense are refused and counted; nobody is asked for them") {
  Fixture fixture;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"GET /metrics/x HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 "},
      {"\x16\x03\x01 nonsense\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /" + std::string(100'000, 'x'), "HTTP/1.1 431 "},
  };
  for (const auto& [request, answer] : cases) {
    CAPTURE(request.substr(0, 40));
    const Client client{fixture.socket};
    client.send(request);
    // What is too long may be cut off before the answer is read.
    const std::string got = client.read_all();
    CHECK((got.starts_with(answer) || (request.size() > 50'000 && got.empty())));
  }
  CHECK(fixture.server.counters().refused == cases.size());
  CHECK_FALSE(fixture.server.poll_question());
}

TEST_CASE("MetricsServer: clients that say nothing take no place for long, and those beyond the limit are closed") {
  Fixture fixture;
  std::list<Client> silent;
  for (std::size_t i = 0; i < kMetricsClientsMax; ++i) silent.emplace_back(fixture.socket);

  const Client beyond{fixture.socket};
  CHECK(beyond.read_all().empty());
  CHECK(fixture.server.counters().clients_refused == 1);

  for (const Client& client : silent) CHECK(client.read_all().empty());  // their time is over
  const Client later{fixture.socket};
  later.get("/health");
  fixture.answer();
  CHECK(later.read_all().starts_with("HTTP/1.1 200 "));
}

TEST_CASE("MetricsServer: a unix socket is for its owner and group, a stale one is replaced, another's is not") {
  const TemporaryDirectory directory;
  const MetricsAddress address{.tcp = {}, .socket = directory / "metrics"};
  {
    const MetricsServer server{address, std::nullopt, [] {}};
    struct stat info{};
    REQUIRE(::stat(address.socket.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0660);
    CHECK_THROWS_AS((MetricsServer{address, std::nullopt, [] {}}), Failure);
  }
  CHECK_FALSE(std::filesystem::exists(address.socket));

  // Of a process that was killed.
  const FileDescriptor dead{check_syscall("socket", ::socket(AF_UNIX, SOCK_STREAM, 0))};
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  address.socket.string().copy(path.sun_path, sizeof path.sun_path - 1);
  REQUIRE(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&path), sizeof path) == 0);
  const MetricsServer server{address, std::nullopt, [] {}};

  const std::filesystem::path file = directory / "precious";
  std::ofstream{file} << "words";
  CHECK_THROWS((MetricsServer{{.tcp = {}, .socket = file}, std::nullopt, [] {}}));
  CHECK(std::filesystem::file_size(file) == 5);
}

TEST_CASE("MetricsServer: a TCP port that is taken is a clear failure") {
  const FileDescriptor holder{check_syscall("socket", ::socket(AF_INET, SOCK_STREAM, 0))};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(holder.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(holder.get(), 1) == 0);
  REQUIRE(::getsockname(holder.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const auto taken = parse_metrics_address(std::to_string(ntohs(address.sin_port)));

  CHECK_THROWS_AS((MetricsServer{*taken, std::nullopt, [] {}}), Failure);
}

}  // namespace rove
