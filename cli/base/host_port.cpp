#include "cli/base/host_port.h"

#include <algorithm>
#include <charconv>

namespace rove {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (error != std::errc{} || stop != end || port == 0) return std::nullopt;
  return port;
}

bool is_host_name(std::string_view text) {
  constexpr std::size_t kHostNameLengthMax = 253;  // RFC 1035 §2.3.4, without the root's octets
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  // A name that starts with '-' would look like an option wherever it is printed for reuse.
  return !text.empty() && text.size() <= kHostNameLengthMax && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

std::string to_string(const HostPort& host_port) {
  const bool is_v6 = host_port.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host_port.host + "]" : host_port.host) + ":" + std::to_string(host_port.port);
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  if (const auto endpoint = parse_endpoint(text, kDefaultPort)) {
    return HostPort{to_string(endpoint->address), endpoint->port};
  }
  const std::size_t colon = text.rfind(':');
  const std::string_view host = text.substr(0, colon);
  if (!is_host_name(host)) return std::nullopt;
  if (colon == std::string_view::npos) return HostPort{std::string{host}, kDefaultPort};
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  return HostPort{std::string{host}, *port};
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const std::string_view digits = text.starts_with(':') ? text.substr(1) : text;
  if (const auto port = parse_port(digits)) return ListenAddress{std::nullopt, *port};
  if (const auto endpoint = parse_endpoint(text, kDefaultPort)) {
    return ListenAddress{endpoint->address, endpoint->port};
  }
  return std::nullopt;
}

}  // namespace rove
