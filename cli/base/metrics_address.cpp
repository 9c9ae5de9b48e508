#include "cli/base/metrics_address.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace rove {
namespace {

constexpr std::string_view kUnix = "unix:";

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || stop != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::optional<MetricsAddress> parse_metrics_address(std::string_view text) {
  if (text.starts_with(kUnix)) {
    text.remove_prefix(kUnix.size());
    // What a unix socket's address has room for, with the zero at its end.
    if (!text.starts_with('/') || text.size() >= sizeof(sockaddr_un::sun_path)) return std::nullopt;
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    return MetricsAddress{.tcp = {}, .socket = std::filesystem::path{text}};
  }
  if (const auto port = parse_port(text)) {
    constexpr std::array<std::uint8_t, 4> kLoopback{127, 0, 0, 1};
    return MetricsAddress{.tcp = {IpAddress::v4(kLoopback.data()), *port}, .socket = {}};
  }
  const auto endpoint = parse_endpoint(text, 0);
  if (!endpoint || endpoint->port == 0 || endpoint->address.is_multicast()) return std::nullopt;
  return MetricsAddress{.tcp = *endpoint, .socket = {}};
}

std::string to_string(const MetricsAddress& address) {
  if (!address.socket.empty()) return std::string{kUnix} + address.socket.string();
  return to_string(address.tcp);
}

}  // namespace rove
