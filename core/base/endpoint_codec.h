// The wire form of an endpoint. docs/protocol.md §1: family u8 ‖ address ‖ port u16.
#pragma once

#include <cstddef>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace rove {

inline constexpr std::size_t kEncodedEndpointSizeMax = 1 + 16 + 2;

// Whether a datagram can be sent there: a port, and an address that is neither unspecified nor multicast.
[[nodiscard]] bool is_sendable(const Endpoint& endpoint);

// Absent, and anything that is not is_sendable(), is written as family 0: a receiver would refuse it.
void write_endpoint(Writer& to, const std::optional<Endpoint>& endpoint);
[[nodiscard]] std::size_t encoded_size(const std::optional<Endpoint>& endpoint);

// Reads one endpoint and leaves `from` behind it; nullopt is family 0. Errors: Truncated, Malformed (family,
// or an endpoint that is not is_sendable()).
[[nodiscard]] Result<std::optional<Endpoint>> read_endpoint(Reader& from);

}  // namespace rove
