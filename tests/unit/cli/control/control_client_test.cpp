#include "cli/control/control_client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <ostream>

#include "cli/base/stop_signal.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

// Takes connections, and never says anything.
FileDescriptor listen_silently(const std::filesystem::path& path) {
  FileDescriptor listener{check_syscall("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.string().size());
  check_syscall("bind", ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  check_syscall("listen", ::listen(listener.get(), 1));
  return listener;
}

TEST_CASE("ControlClient: a stop signal ends the wait for an answer") {
  const TemporaryDirectory directory;
  const FileDescriptor listener = listen_silently(directory.path() / "demo.sock");
  const StopSignal stop;
  ControlClient client{directory.path() / "demo.sock", "demo", std::chrono::seconds{5}};
  client.end_with(stop);

  REQUIRE(::raise(SIGINT) == 0);

  CHECK_THROWS_AS((void)client.call({}, std::chrono::seconds{60}), Interrupted);
}

TEST_CASE("ControlClient: without one, no answer in time is a failure") {
  const TemporaryDirectory directory;
  const FileDescriptor listener = listen_silently(directory.path() / "demo.sock");
  ControlClient client{directory.path() / "demo.sock", "demo", std::chrono::seconds{5}};

  CHECK_THROWS_AS((void)client.call({}, std::chrono::milliseconds{10}), Failure);
}

}  // namespace
}  // namespace rove
