// The header in front of a frame from or to a TAP or packet socket with virtio-net headers.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/forward/forwarder.h"
#include "core/forward/frame_batch.h"

namespace rove {

// struct virtio_net_hdr without the number of buffers, in host byte order (virtio 1.2 §5.1.6, "legacy"). The kernel's
// header cannot be included: a member of it is called `class`. TUNSETVNETHDRSZ accepts no smaller size, and with 10
// octets the IP header behind the Ethernet header is aligned to 4.
struct VnetHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t hdr_len = 0;
  std::uint16_t gso_size = 0;
  std::uint16_t csum_start = 0;
  std::uint16_t csum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);
inline constexpr std::uint8_t kVnetNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
inline constexpr std::uint8_t kVnetGsoTcpV4 = 1;       // VIRTIO_NET_HDR_GSO_*
inline constexpr std::uint8_t kVnetGsoTcpV6 = 4;
inline constexpr std::uint8_t kVnetGsoUdp = 5;  // UDP_L4

// Of a whole frame to be written. `needs_checksum`: its TCP or UDP checksum is that of the pseudo-header only; nullopt:
// there is none to be found.
[[nodiscard]] std::optional<VnetHeader> make_vnet_header(BytesView frame, bool needs_checksum);

// Of a superframe (segment_size is not 0).
[[nodiscard]] VnetHeader make_vnet_header(const FrameBatch::Entry& superframe);

// What the header of a frame that was read says. A superframe of a kind that was not asked for counts as a whole frame,
// which is too large then.
[[nodiscard]] TapOffload offload_of(const VnetHeader& header);

}  // namespace rove
