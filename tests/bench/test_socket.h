// Sockets of the programs that check what came through a tunnel: for both address families.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/bench/program.h"

namespace rove {

struct SocketAddress {
  sockaddr_in6 value{};  // an IPv4 address as ::ffff:a.b.c.d: such a socket speaks IPv4 (ipv6(7))
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }
};

[[nodiscard]] inline SocketAddress address_of(in6_addr address, std::uint16_t port) {
  SocketAddress made;
  made.value.sin6_family = AF_INET6;
  made.value.sin6_port = htons(port);
  made.value.sin6_addr = address;
  return made;
}

[[nodiscard]] inline SocketAddress parse_address(const std::string& text, std::uint16_t port) {
  in6_addr address{};
  const std::string mapped = text.find(':') == std::string::npos ? "::ffff:" + text : text;
  if (inet_pton(AF_INET6, mapped.c_str(), &address) != 1) {
    throw UsageError("ADDRESS: not an IPv4 or IPv6 address: " + text);
  }
  return address_of(address, port);
}

[[nodiscard]] inline std::uint16_t parse_port(const std::string& text) {
  return parse_number<std::uint16_t>("PORT", text, 1, 65535);
}

// Closes it.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

[[nodiscard]] inline int make_socket(int type) {
  return check("socket", socket(AF_INET6, type | SOCK_CLOEXEC, 0));
}

inline void bind_port(const Socket& socket, std::uint16_t port) {
  const SocketAddress here = address_of(in6addr_any, port);
  check("bind to port " + std::to_string(port), bind(socket.fd(), here.get(), sizeof here.value));
}

inline void tell_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

[[nodiscard]] inline double seconds_since(TimePoint begin) {
  return std::chrono::duration<double>{read_clock() - begin}.count();
}

}  // namespace rove
