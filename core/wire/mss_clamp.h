// Lowers the MSS option of a TCP SYN to what fits the network's inner MTU (RFC 9293 §3.7.1): a guest whose own MTU is
// larger would otherwise send segments that cannot pass, and rely on ICMP that many networks drop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/wire/ethernet.h"

namespace rove {

// A change to be made to a frame; offsets into it.
struct MssClamp {
  std::size_t mss_at = 0;
  std::size_t checksum_at = 0;
  std::uint16_t mss = 0;
};

// What to change in `frame` (`info` is its parse_frame()), or nullopt: no SYN, no MSS option, or one that is small
// enough. Looks at TCP directly behind the IP header, in first fragments too.
[[nodiscard]] std::optional<MssClamp> find_mss_clamp(BytesView frame, const FrameInfo& info, std::size_t inner_mtu);

// `partial_checksum`: the checksum field holds the pseudo-header's sum only and stays.
void apply_mss_clamp(MutableBytes frame, const MssClamp& clamp, bool partial_checksum);

}  // namespace rove
