#include "tap/vnet_header.h"

#include "core/wire/transport.h"

namespace rove {
namespace {

constexpr std::uint8_t kVnetGsoEcn = 0x80;  // a bit beside the type

}  // namespace

std::optional<VnetHeader> make_vnet_header(BytesView frame, bool needs_checksum) {
  VnetHeader header;
  if (!needs_checksum) return header;
  const auto place = find_transport(frame);
  if (!place) return std::nullopt;
  header.flags = kVnetNeedsChecksum;
  header.csum_start = static_cast<std::uint16_t>(place->start);
  header.csum_offset = place->checksum_offset();
  return header;
}

VnetHeader make_vnet_header(const FrameBatch::Entry& superframe) {
  const TransportPlace& place = superframe.place;
  VnetHeader header;
  header.flags = kVnetNeedsChecksum;
  if (place.protocol == TransportProtocol::Udp) {
    header.gso_type = kVnetGsoUdp;
  } else {
    header.gso_type = place.is_v4 ? kVnetGsoTcpV4 : kVnetGsoTcpV6;
  }
  header.hdr_len = static_cast<std::uint16_t>(place.payload);
  header.gso_size = superframe.segment_size;
  header.csum_start = static_cast<std::uint16_t>(place.start);
  header.csum_offset = place.checksum_offset();
  return header;
}

TapOffload offload_of(const VnetHeader& header) {
  TapOffload offload;
  offload.needs_checksum = (header.flags & kVnetNeedsChecksum) != 0;
  offload.checksum_start = header.csum_start;
  offload.checksum_offset = header.csum_offset;
  switch (header.gso_type & ~kVnetGsoEcn) {
    case kVnetGsoTcpV4:
    case kVnetGsoTcpV6:
    case kVnetGsoUdp: offload.segment_size = header.gso_size; break;
    default: break;
  }
  return offload;
}

}  // namespace rove
