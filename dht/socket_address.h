// Endpoint ↔ OpenDHT's socket address.
#pragma once

#include <opendht/sockaddr.h>

#include <optional>

#include "core/base/address.h"

namespace rove {

[[nodiscard]] dht::SockAddr to_dht_address(const Endpoint& endpoint);
// nullopt when it is neither IPv4 nor IPv6.
[[nodiscard]] std::optional<Endpoint> to_endpoint(const dht::SockAddr& address);

}  // namespace rove
