// "boot.example.org:7683": a name or an address, and a port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/address.h"

namespace rove {

inline constexpr std::uint16_t kDefaultPort = 7683;

struct HostPort {
  std::string host;  // a DNS name, or an address without brackets
  std::uint16_t port = kDefaultPort;

  bool operator==(const HostPort&) const = default;
};

[[nodiscard]] std::string to_string(const HostPort& host_port);
// Names: letters, digits, '-' and '.', 253 characters at most. IPv6 addresses with a port in brackets.
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view text);

// Where the daemon listens.
struct ListenAddress {
  std::optional<IpAddress> address;  // nullopt: every address of both families
  std::uint16_t port = kDefaultPort;

  bool operator==(const ListenAddress&) const = default;
};

// "7683", ":7683", "0.0.0.0:7683", "[::]:7683", "203.0.113.7" (the default port).
[[nodiscard]] std::optional<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace rove
