// Is this a message that OpenDHT can be given? One malformed datagram of 15 octets kills OpenDHT 2.4.12
// (fixed in 4.3.0, commit 910ca10a), so its parser sees nothing that does not have the exact shape.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace rove {

// The value type of every record (docs/protocol.md §6.3): "ro".
inline constexpr std::uint16_t kRecordValueType = 0x726f;

// OpenDHT splits values at 1280 octets, but the list of value ids under one key is not split.
inline constexpr std::size_t kDhtMessageSizeMax = 16'384;
// A value that comes in parts; a certificate of 2048 octets with its wrapping fits.
inline constexpr std::size_t kDhtValueSizeMax = 4096;

enum class DhtMessageKind : std::uint8_t { Request, Reply, Error, Update, ValuePart };

// The kind of a message of OpenDHT's protocol, or nullopt when it has not the documented shape.
//
// Beyond what the parser of 2.4.12 needs to survive, a value must be one of ours: type
// kRecordValueType, an id, data, and nothing else. Values with an owner, a signature, a recipient or a
// user type are refused, as those lead into OpenDHT's own cryptography and past the store policy.
[[nodiscard]] std::optional<DhtMessageKind> check_dht_message(BytesView message);

}  // namespace rove
