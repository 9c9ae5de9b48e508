// A bare connection to a unix socket, for what a well-behaved client would never send.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>

#include "tap/file_descriptor.h"

namespace rove {

class RawClient {
 public:
  explicit RawClient(const std::filesystem::path& socket)
      : fd_(check_syscall("socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.string().copy(address.sun_path, sizeof address.sun_path - 1);
    check_syscall("connect", ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    const timeval limit{20, 0};
    check_syscall("setsockopt", ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  }

  void send(std::string_view text) const { (void)::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL); }
  // Everything until the server closes; "timeout" at the end when it does not.
  [[nodiscard]] std::string read_all() const {
    std::string all;
    char chunk[4096];
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), chunk, sizeof chunk, 0);
      if (got == 0 || (got < 0 && errno == ECONNRESET)) return all;
      if (got < 0) return all + "timeout";
      all.append(chunk, static_cast<std::size_t>(got));
    }
  }
  // Up to the end of the first line.
  [[nodiscard]] std::string read_line() const {
    std::string line;
    char c = 0;
    while (::recv(fd_.get(), &c, 1, 0) == 1 && c != '\n') line += c;
    return line;
  }

 private:
  FileDescriptor fd_;
};

}  // namespace rove
