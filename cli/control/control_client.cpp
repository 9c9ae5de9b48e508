#include "cli/control/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "cli/base/failure.h"
#include "cli/base/stop_signal.h"

namespace rove {
namespace {

int connect_to(int fd, const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace

ControlClient::ControlClient(const std::filesystem::path& socket, const std::string& network,
                             std::chrono::milliseconds timeout)
    : network_(network),
      socket_(check_syscall("create a socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  while (connect_to(socket_.get(), socket) < 0) {
    const int error = errno;
    // EAGAIN: the daemon's backlog is full (unix(7)); there is nothing to poll for.
    if (error == EAGAIN && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
      continue;
    }
    if (error == EAGAIN) fail_unanswered();
    if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) {
      throw Failure(ExitStatus::NotRunning, "reach the daemon", "none runs for network " + network,
                    "rove up " + network);
    }
    if (error == EACCES || error == EPERM) {
      throw Failure(ExitStatus::Conflict, "reach the daemon", "no permission for " + socket.string(),
                    "the same command as root or as a member of the daemon's control group");
    }
    throw Failure(ExitStatus::Failure, "connect to " + socket.string(), std::strerror(error));
  }
}

void ControlClient::end_with(const StopSignal& stop) {
  stop_fd_ = stop.fd();
}

ControlResponse ControlClient::call(const ControlRequest& request, std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  send_line(encode_request(request) + '\n', deadline);
  return receive_response(to_string(request.verb), deadline);
}

ControlResponse ControlClient::receive() {
  return receive_response(to_string(ControlVerb::Watch), Deadline::max());
}

ControlResponse ControlClient::receive_response(std::string_view what, Deadline deadline) {
  auto response = decode_response(receive_line(deadline));
  if (!response) {
    throw Failure(ExitStatus::Failure, std::string{what},
                  "the daemon's answer makes no sense; is it of another version?",
                  "rove down and rove up, with the same rove");
  }
  return std::move(*response);
}

std::int64_t ControlClient::daemon_pid() const {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return 0;
  return credentials.pid;
}

bool ControlClient::wait_closed(std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  char ignored[256];
  while (wait_ready(POLLIN, deadline)) {
    const ssize_t got = ::recv(socket_.get(), ignored, sizeof ignored, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return true;
  }
  return false;
}

bool ControlClient::wait_ready(short events, Deadline deadline) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    // poll() passes over a descriptor of -1.
    std::array<pollfd, 2> entries{pollfd{socket_.get(), events, 0}, pollfd{stop_fd_, POLLIN, 0}};
    const int ready =
        ::poll(entries.data(), entries.size(), static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready > 0 && entries[1].revents != 0) throw Interrupted{};
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  }
}

void ControlClient::send_line(std::string line, Deadline deadline) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
    if (sent < 0 && errno == EAGAIN && !wait_ready(POLLOUT, deadline)) fail_unanswered();
    // The daemon refused us with a last word: that is what receive_line() will find.
    if (sent < 0 && errno == EPIPE) return;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) fail_gone();
  }
}

std::string ControlClient::receive_line(Deadline deadline) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    searched = received_.size();
    if (received_.size() > kResponseSizeMax) {
      throw Failure(ExitStatus::Failure, "reach the daemon", "its answer is too large");
    }
    if (!wait_ready(POLLIN, deadline)) fail_unanswered();
    char chunk[65536];
    const ssize_t got = ::recv(socket_.get(), chunk, sizeof chunk, 0);
    if (got > 0) received_.append(chunk, static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) fail_gone();
  }
}

void ControlClient::fail_unanswered() const {
  throw Failure(ExitStatus::NotFound, "reach the daemon", "it did not answer in time", "its log");
}

void ControlClient::fail_gone() const {
  throw Failure(ExitStatus::NotRunning, "reach the daemon", "it went away", "rove up " + network_);
}

}  // namespace rove
