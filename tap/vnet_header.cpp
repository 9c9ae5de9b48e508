#include "tap/vnet_header.h"

#include "tap/checksum_place.h"

namespace rove {

std::optional<VnetHeader> make_vnet_header(BytesView frame, bool needs_checksum) {
  VnetHeader header;
  if (!needs_checksum) return header;
  const auto place = find_checksum_place(frame);
  if (!place) return std::nullopt;
  header.flags = kVnetNeedsChecksum;
  header.csum_start = place->start;
  header.csum_offset = place->offset;
  return header;
}

}  // namespace rove
