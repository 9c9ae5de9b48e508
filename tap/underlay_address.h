// Endpoint ⇄ the kernel's socket address.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "core/base/address.h"

namespace rove {

// Room for an IPv4 or an IPv6 socket address; the smaller lies in its front.
struct SocketAddress {
  sockaddr_in6 storage{};
  socklen_t size = sizeof(sockaddr_in6);

  [[nodiscard]] sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

[[nodiscard]] SocketAddress to_socket_address(const Endpoint& endpoint);
// nullopt for other families.
[[nodiscard]] std::optional<Endpoint> to_endpoint(const sockaddr_in6& storage);

}  // namespace rove
