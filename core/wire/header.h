// The 16-byte header of data and control datagrams. docs/protocol.md §2 draws it.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"

namespace rove {

enum class DatagramType : std::uint8_t { Data = 1, Control = 2, Sealed = 3 };

inline constexpr std::size_t kHeaderSize = 16;
inline constexpr std::size_t kDataOverhead = kHeaderSize + 16;  // header ‖ tag

// Offsets. The lane is the counter's first octet.
inline constexpr std::size_t kFlagsAt = 1;
inline constexpr std::size_t kIndexAt = 2;
inline constexpr std::size_t kZeroAt = 3;
inline constexpr std::size_t kReceiverAt = 4;
inline constexpr std::size_t kLaneAt = 8;

inline constexpr std::uint8_t kFlagNeedsChecksum = 0x01;
inline constexpr std::uint8_t kFlagSuperframe = 0x02;
inline constexpr std::uint8_t kFlagLast = 0x04;
inline constexpr std::uint8_t kFlagPacked = 0x08;
inline constexpr std::uint8_t kFlagHopsMask = 0x30;
inline constexpr unsigned kFlagHopsShift = 4;
inline constexpr std::uint8_t kFlagForwarded = 0x40;
inline constexpr std::uint8_t kFlagMarker = 0x80;  // the plaintext is a marker (core/wire/marker.h); with no other flag

// Lane (core/wire/shard.h) and count within it; together the AEAD's counter.
struct PacketCounter {
  std::uint8_t lane = 0;
  std::uint64_t count = 0;  // < 2^56
  [[nodiscard]] std::uint64_t value() const { return std::uint64_t{lane} << 56 | count; }
  auto operator<=>(const PacketCounter&) const = default;
};

struct Header {
  DatagramType type = DatagramType::Data;
  std::uint8_t flags = 0;
  std::uint8_t index = 0;
  SessionIndex receiver{};
  PacketCounter counter{};
  bool operator==(const Header&) const = default;
};

// Lane 0 is for `control`, the others for `data`.
[[nodiscard]] constexpr bool lane_fits(DatagramType type, std::uint8_t lane) {
  return (type == DatagramType::Control) == (lane == 0);
}

// Whose frames a datagram carries, by its lane (core/wire/shard.h); nullopt: it is no data.
[[nodiscard]] std::optional<unsigned> shard_of_datagram(BytesView datagram);

// `to` has room for kHeaderSize octets.
inline void store_header(std::uint8_t* to, const Header& header) {
  to[0] = static_cast<std::uint8_t>(header.type);
  to[kFlagsAt] = header.flags;
  to[kIndexAt] = header.index;
  to[kZeroAt] = 0;
  store_be(to + kReceiverAt, header.receiver.value);
  store_be(to + kLaneAt, header.counter.value());
}
// Errors: Truncated, Malformed (reserved bits, a flag that does not fit the type, lane and type disagree),
// Unknown (type).
[[nodiscard]] Result<Header> parse_header(BytesView datagram);

}  // namespace rove
