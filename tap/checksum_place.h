// Where a frame's transport checksum stands.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace rove {

// As in struct virtio_net_hdr: the checksum covers the frame from `start`, and stands at `start + offset`.
struct ChecksumPlace {
  std::uint16_t start = 0;
  std::uint16_t offset = 0;
  bool operator==(const ChecksumPlace&) const = default;
};

// Of an unfragmented TCP or UDP packet (IPv4, IPv6 without extension headers); nullopt for anything else.
[[nodiscard]] std::optional<ChecksumPlace> find_checksum_place(BytesView frame);

// Finishes a checksum that covers the pseudo-header only. False: there is none to be found.
[[nodiscard]] bool complete_checksum(MutableBytes frame);

}  // namespace rove
