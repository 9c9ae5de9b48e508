#include "tap/underlay_address.h"

#include <cstring>

namespace rove {

SocketAddress to_socket_address(const Endpoint& endpoint) {
  SocketAddress address;
  const BytesView ip = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    store_be(reinterpret_cast<std::uint8_t*>(&v4.sin_port), endpoint.port);
    std::memcpy(&v4.sin_addr, ip.data(), ip.size());
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
  } else {
    address.storage.sin6_family = AF_INET6;
    store_be(reinterpret_cast<std::uint8_t*>(&address.storage.sin6_port), endpoint.port);
    std::memcpy(&address.storage.sin6_addr, ip.data(), ip.size());
  }
  return address;
}

std::optional<Endpoint> to_endpoint(const sockaddr_in6& storage) {
  // The family and the port stand at the same place in both.
  const auto port = load_be<std::uint16_t>(reinterpret_cast<const std::uint8_t*>(&storage.sin6_port));
  if (storage.sin6_family == AF_INET6) return Endpoint{IpAddress::v6(storage.sin6_addr.s6_addr), port};
  if (storage.sin6_family != AF_INET) return std::nullopt;
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof v4);
  return Endpoint{IpAddress::v4(reinterpret_cast<const std::uint8_t*>(&v4.sin_addr)), port};
}

}  // namespace rove
