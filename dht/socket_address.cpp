#include "dht/socket_address.h"

#include <netinet/in.h>

#include <cstring>

namespace rove {

dht::SockAddr to_dht_address(const Endpoint& endpoint) {
  dht::SockAddr address;
  if (endpoint.address.is_v4()) {
    address.setFamily(AF_INET);
    std::memcpy(&address.getIPv4().sin_addr, endpoint.address.bytes().data(), endpoint.address.size());
  } else {
    address.setFamily(AF_INET6);
    std::memcpy(&address.getIPv6().sin6_addr, endpoint.address.bytes().data(), endpoint.address.size());
  }
  address.setPort(endpoint.port);
  return address;
}

std::optional<Endpoint> to_endpoint(const dht::SockAddr& address) {
  switch (address.getFamily()) {
    case AF_INET: {
      const auto* octets = reinterpret_cast<const std::uint8_t*>(&address.getIPv4().sin_addr);
      return Endpoint{IpAddress::v4(octets), address.getPort()};
    }
    case AF_INET6: return Endpoint{IpAddress::v6(address.getIPv6().sin6_addr.s6_addr), address.getPort()};
    default: return std::nullopt;
  }
}

}  // namespace rove
