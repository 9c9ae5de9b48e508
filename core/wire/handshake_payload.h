// What both handshake messages carry inside Noise. docs/protocol.md §4 lists the fields.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"

namespace rove {

inline constexpr std::uint8_t kProtocolVersion = 1;
inline constexpr std::size_t kHandshakeCertificateMax = 2048;
inline constexpr std::size_t kHandshakeRecordMax = 600;

using Tai64n = std::array<std::uint8_t, 12>;  // compares as time when compared octet by octet

struct HandshakePayload {
  std::uint8_t version_min = kProtocolVersion;
  std::uint8_t version_max = kProtocolVersion;
  std::uint32_t features = 0;  // unknown bits are for newer versions to mean something by
  SessionIndex session;        // the sender's, never 0
  Tai64n timestamp{};
  std::uint8_t aeads = 0;            // bit set of AeadAlgorithm, never empty
  std::uint16_t mtu = 0;             // largest inner IP packet that the sender takes
  std::optional<Endpoint> observed;  // where the sender saw the other
  Bytes certificate;                 // X.509 DER, not parsed here
  Bytes node_record;                 // the sender's own, not parsed here

  bool operator==(const HandshakePayload&) const = default;
};

// `certificate` and `node_record` within their limits, `session` not 0: ROVE_CHECKed, they are our own.
[[nodiscard]] Bytes encode(const HandshakePayload& payload);
// Errors: Truncated, TooLarge (a length), Malformed (session 0, an empty or unknown set of AEADs, versions in the
// wrong order, an endpoint, trailing octets). Whether the versions and AEADs suit us is the handshake's question.
[[nodiscard]] Result<HandshakePayload> decode_handshake_payload(BytesView plaintext);

}  // namespace rove
