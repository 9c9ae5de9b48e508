#include "cli/control/control_server.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/control/control_client.h"
#include "cli/control/watch_queue.h"
#include "tests/unit/cli/raw_client.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{20'000};  // a limit for a broken test; a good one never waits

ControlResponse say(std::string data) {
  return {.status = ExitStatus::Ok, .data = std::move(data), .what = {}, .why = {}, .next = {}};
}

// A server on a thread of its own that answers with the verb's name.
class Server {
 public:
  explicit Server(const std::filesystem::path& socket) {
    server_.emplace(io_,
                    ControlServerConfig{.socket = socket, .network = "demo", .group = "", .group_may_claim = false},
                    [this](const ControlRequest& request, ControlServer::Reply reply) {
                      if (request.verb == ControlVerb::Down) {
                        held_ = std::move(reply);
                      } else {
                        reply(say(R"({"verb":")" + std::string{to_string(request.verb)} + "\"}"));
                      }
                    });
    thread_ = std::thread{[this] { io_.run(); }};
  }
  ~Server() {
    io_.stop();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // On the server's thread; returns when it is done.
  void publish(const std::string& data, std::size_t times = 1) {
    std::promise<void> done;
    asio::post(io_, [&] {
      for (std::size_t i = 0; i < times; ++i) server_->publish(data);
      done.set_value();
    });
    done.get_future().get();
  }

  // The counters, read by the thread that owns them.
  ControlCounters stop_and_count() {
    io_.stop();
    thread_.join();
    thread_ = std::thread{[] {}};
    return server_->counters();
  }

 private:
  asio::io_context io_{1};
  ControlServer::Reply held_;
  std::optional<ControlServer> server_;
  std::thread thread_;
};

ControlRequest ask(ControlVerb verb) {
  ControlRequest request;
  request.verb = verb;
  return request;
}

ExitStatus status_of_connecting(const std::filesystem::path& socket) {
  try {
    const ControlClient client{socket, "demo", kPatience};
    return ExitStatus::Ok;
  } catch (const Failure& failure) {
    return failure.status();
  }
}

}  // namespace

TEST_CASE("control socket: requests of one client are answered one after the other") {
  const TemporaryDirectory directory;
  const Server server{directory / "demo.sock"};
  ControlClient client{directory / "demo.sock", "demo", kPatience};

  CHECK(client.call(ask(ControlVerb::Status), kPatience).data == R"({"verb":"status"})");
  CHECK(client.call(ask(ControlVerb::Peers), kPatience).data == R"({"verb":"peers"})");
}

TEST_CASE("control socket: requests that arrive together are answered in order") {
  const TemporaryDirectory directory;
  const Server server{directory / "demo.sock"};
  const RawClient client{directory / "demo.sock"};

  client.send("{\"verb\":\"status\"}\n{\"verb\":\"peers\"}\n{\"verb\":\"vms\"}\n");

  CHECK(client.read_line() == R"({"ok":true,"data":{"verb":"status"}})");
  CHECK(client.read_line() == R"({"ok":true,"data":{"verb":"peers"}})");
  CHECK(client.read_line() == R"({"ok":true,"data":{"verb":"vms"}})");
}

TEST_CASE("control socket: it is for owner and group only") {
  const TemporaryDirectory directory;
  const Server server{directory / "demo.sock"};

  struct stat info{};
  REQUIRE(::stat((directory / "demo.sock").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
}

TEST_CASE("control socket: what is no request is answered with the reason, then the connection ends") {
  const TemporaryDirectory directory;
  Server server{directory / "demo.sock"};
  for (const char* line : {"nonsense\n", "{\"verb\":\"reboot\"}\n", "\n", "\xff\xff\n"}) {
    const RawClient client{directory / "demo.sock"};

    client.send(line);

    const std::string answer = client.read_all();
    CHECK(answer.starts_with(R"({"ok":false,"status":2,)"));
    CHECK(answer.ends_with("}\n"));
  }
  CHECK(server.stop_and_count().malformed == 4);
}

TEST_CASE("control socket: a line without end is cut off at its limit") {
  const TemporaryDirectory directory;
  const Server server{directory / "demo.sock"};
  const RawClient client{directory / "demo.sock"};

  client.send(std::string(kRequestSizeMax + 1, ' '));

  // The answer, or just the end when our own rest was still on its way.
  const std::string answer = client.read_all();
  CHECK(answer.find("timeout") == std::string::npos);
}

TEST_CASE("control socket: clients above the limit are told so, and one that leaves makes room") {
  const TemporaryDirectory directory;
  const auto socket = directory / "demo.sock";
  Server server{socket};
  {
    std::vector<std::unique_ptr<ControlClient>> clients;
    for (std::size_t i = 0; i < kControlClientsMax; ++i) {
      clients.push_back(std::make_unique<ControlClient>(socket, "demo", kPatience));
      (void)clients.back()->call(ask(ControlVerb::Status), kPatience);
    }

    const RawClient one_too_many{socket};

    CHECK(one_too_many.read_all().find("too many clients") != std::string::npos);
  }

  // The server notices the departures in its own time; every refusal until then is a fresh start.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool served = false;
  while (!served && std::chrono::steady_clock::now() < deadline) {
    ControlClient client{socket, "demo", kPatience};
    served = client.call(ask(ControlVerb::Status), kPatience).status == ExitStatus::Ok;
  }
  CHECK(served);
  CHECK(server.stop_and_count().clients_refused >= 1);
}

TEST_CASE("control socket: a client that leaves before its answer harms nobody") {
  const TemporaryDirectory directory;
  const Server server{directory / "demo.sock"};
  {
    const RawClient impatient{directory / "demo.sock"};
    impatient.send("{\"verb\":\"down\"}\n");  // never answered by this server
  }
  ControlClient client{directory / "demo.sock", "demo", kPatience};

  CHECK(client.call(ask(ControlVerb::Status), kPatience).status == ExitStatus::Ok);
}

TEST_CASE("control socket: a watcher gets what is published, and says nothing more") {
  const TemporaryDirectory directory;
  Server server{directory / "demo.sock"};
  ControlClient watcher{directory / "demo.sock", "demo", kPatience};
  CHECK(watcher.call(ask(ControlVerb::Watch), kPatience).data == R"({"verb":"watch"})");

  server.publish(R"({"event":"one"})");
  server.publish(R"({"event":"two"})");

  CHECK(watcher.receive().data == R"({"event":"one"})");
  CHECK(watcher.receive().data == R"({"event":"two"})");
  CHECK_THROWS_AS((void)watcher.call(ask(ControlVerb::Status), milliseconds{20}), Failure);
}

TEST_CASE("control socket: a watcher that does not read loses events, is told how many, and holds nobody up") {
  constexpr std::size_t kEvents = 20'000;
  const TemporaryDirectory directory;
  Server server{directory / "demo.sock"};
  const RawClient slow{directory / "demo.sock"};
  slow.send("{\"verb\":\"watch\"}\n");
  CHECK(slow.read_line() == R"({"ok":true,"data":{"verb":"watch"}})");

  const std::string event = R"({"event":")" + std::string(100, 'x') + "\"}";
  server.publish(event, kEvents);
  ControlClient other{directory / "demo.sock", "demo", kPatience};
  CHECK(other.call(ask(ControlVerb::Status), kPatience).status == ExitStatus::Ok);

  std::size_t heard = 0;
  std::size_t lost = 0;
  while (heard + lost < kEvents) {
    const std::string line = slow.read_line();
    const std::string lead = R"({"ok":true,"data":{"schema":1,"event":"events-lost","count":)";
    if (line.starts_with(lead)) {
      lost += std::stoul(line.substr(lead.size()));
    } else {
      REQUIRE(line == R"({"ok":true,"data":)" + event + "}");
      ++heard;
    }
  }
  CHECK(heard > WatchQueue::kBytesMax / 2 / event.size());
  CHECK(lost > 0);
  server.publish(event);
  CHECK(slow.read_line().find("xxx") != std::string::npos);
  CHECK(server.stop_and_count().watch_events_lost == lost);
}

TEST_CASE("control socket: watchers above the limit are told so, and one that goes makes room") {
  const TemporaryDirectory directory;
  Server server{directory / "demo.sock"};
  std::vector<std::unique_ptr<ControlClient>> watchers;
  for (std::size_t i = 0; i < kWatchersMax; ++i) {
    watchers.push_back(std::make_unique<ControlClient>(directory / "demo.sock", "demo", kPatience));
    CHECK(watchers.back()->call(ask(ControlVerb::Watch), kPatience).status == ExitStatus::Ok);
  }

  ControlClient late{directory / "demo.sock", "demo", kPatience};
  CHECK(late.call(ask(ControlVerb::Watch), kPatience).status == ExitStatus::Failure);
  CHECK(late.call(ask(ControlVerb::Status), kPatience).status == ExitStatus::Ok);
  watchers.pop_back();

  // The server notices the departure in its own time.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool watching = false;
  while (!watching && std::chrono::steady_clock::now() < deadline) {
    watching = late.call(ask(ControlVerb::Watch), kPatience).status == ExitStatus::Ok;
  }
  CHECK(watching);
  server.publish(R"({"event":"one"})");
  CHECK(late.receive().data == R"({"event":"one"})");
  CHECK(server.stop_and_count().watchers_refused >= 1);
}

TEST_CASE("control socket: a second daemon is refused, and the first goes on") {
  const TemporaryDirectory directory;
  const Server first{directory / "demo.sock"};

  CHECK_THROWS_AS((Server{directory / "demo.sock"}), Failure);

  CHECK(status_of_connecting(directory / "demo.sock") == ExitStatus::Ok);
}

TEST_CASE("control socket: a stale one is replaced") {
  const TemporaryDirectory directory;
  const auto socket = directory / "demo.sock";
  {
    // A daemon that was killed: bound, closed, never removed.
    const FileDescriptor dead{check_syscall("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.string().copy(address.sun_path, sizeof address.sun_path - 1);
    check_syscall("bind", ::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  }
  REQUIRE(std::filesystem::exists(socket));

  const Server server{socket};

  CHECK(status_of_connecting(socket) == ExitStatus::Ok);
}

TEST_CASE("control socket: a path that no unix socket can have is a usage error") {
  const TemporaryDirectory directory;

  try {
    const Server server{directory / (std::string(120, 'x') + ".sock")};
    FAIL("no Failure");
  } catch (const Failure& failure) {
    CHECK(failure.status() == ExitStatus::Usage);
  }
}

TEST_CASE("ControlClient: without a daemon, its status is 5, whether the socket is missing or stale") {
  const TemporaryDirectory directory;
  CHECK(status_of_connecting(directory / "demo.sock") == ExitStatus::NotRunning);
  CHECK(status_of_connecting(directory / "no/such/demo.sock") == ExitStatus::NotRunning);
  replace_file(directory / "file", "", 0600);
  CHECK(status_of_connecting(directory / "file") == ExitStatus::NotRunning);
}

TEST_CASE("ControlClient: a daemon that does not answer in time is status 3, one that goes away 5") {
  const TemporaryDirectory directory;
  std::optional<Server> server{std::in_place, directory / "demo.sock"};
  ControlClient client{directory / "demo.sock", "demo", kPatience};

  const auto status_of_call = [&](milliseconds timeout) {
    try {
      return client.call(ask(ControlVerb::Down), timeout).status;
    } catch (const Failure& failure) {
      return failure.status();
    }
  };

  CHECK(status_of_call(milliseconds{20}) == ExitStatus::NotFound);
  CHECK_FALSE(client.wait_closed(milliseconds{20}));
  server.reset();
  CHECK(client.wait_closed(kPatience));
  CHECK(status_of_call(kPatience) == ExitStatus::NotRunning);
}

TEST_CASE("control socket: another group gets the socket at once, and the process's own when there is none") {
  const TemporaryDirectory directory;
  const auto socket = directory / "demo.sock";
  asio::io_context io{1};
  ControlServer server{io,
                       {.socket = socket, .network = "demo", .group = "", .group_may_claim = false},
                       [](const ControlRequest&, const ControlServer::Reply&) {}};
  const auto group_of_socket = [&] {
    struct stat info{};
    REQUIRE(::stat(socket.c_str(), &info) == 0);
    return info.st_gid;
  };
  REQUIRE(group_of_socket() == ::getegid());
  if (::geteuid() != 0) return;  // others may not give files away

  server.set_access("daemon", true);
  CHECK(group_of_socket() == 1);  // Debian's, in every installation
  server.set_access("no-such-group", false);
  CHECK(group_of_socket() == ::getegid());
}

}  // namespace rove
