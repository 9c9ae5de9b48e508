// Where metrics are served: the configuration's key `metrics`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/address.h"

namespace rove {

struct MetricsAddress {
  Endpoint tcp;                  // when `socket` is empty
  std::filesystem::path socket;  // a unix socket

  bool operator==(const MetricsAddress&) const = default;
  // Only processes of this host reach it.
  [[nodiscard]] bool is_local() const { return !socket.empty() || tcp.address.is_loopback(); }
};

// "127.0.0.1:9683", "[::1]:9683", "9683" (on 127.0.0.1) or "unix:/PATH".
[[nodiscard]] std::optional<MetricsAddress> parse_metrics_address(std::string_view text);
[[nodiscard]] std::string to_string(const MetricsAddress& address);

}  // namespace rove
