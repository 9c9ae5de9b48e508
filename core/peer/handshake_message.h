// Bodies of the sealed envelopes of a handshake. docs/protocol.md §3, kinds 1 to 3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"

namespace rove {

using HandshakeCookie = std::array<std::uint8_t, 16>;

// initiator's session index u32 ‖ cookie length u8 (0 or 16) ‖ cookie ‖ Noise message 1
struct InitMessage {
  SessionIndex initiator;
  std::optional<HandshakeCookie> cookie;
  BytesView noise;  // borrowed
};
// initiator's session index u32 ‖ Noise message 2
struct ResponseMessage {
  SessionIndex initiator;
  BytesView noise;  // borrowed
};
// initiator's session index u32 ‖ cookie (16)
struct CookieMessage {
  SessionIndex initiator;
  HandshakeCookie cookie{};
};

[[nodiscard]] Bytes encode(const InitMessage& message);
[[nodiscard]] Bytes encode(const ResponseMessage& message);
[[nodiscard]] Bytes encode(const CookieMessage& message);

// The longest body of a response, given what its payload carries.
[[nodiscard]] std::size_t response_size_max(std::size_t certificate_size, std::size_t record_size);

// Errors: Truncated (also a Noise message too short for its keys and tags), TooLarge (longer than any payload can
// make it), Malformed (session index 0, a cookie of another length, trailing octets).
[[nodiscard]] Result<InitMessage> decode_init(BytesView body);
[[nodiscard]] Result<ResponseMessage> decode_response(BytesView body);
[[nodiscard]] Result<CookieMessage> decode_cookie(BytesView body);

}  // namespace rove
