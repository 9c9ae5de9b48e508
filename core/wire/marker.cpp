#include "core/wire/marker.h"

namespace rove {

Bytes encode_marker(const Marker& marker) {
  Bytes out;
  Writer to{out};
  to.write(static_cast<std::uint8_t>(marker.kind));
  to.write_bytes(marker.vm.octets);
  to.write_bytes(marker.origin.bytes());
  return out;
}

Result<Marker> decode_marker(BytesView plaintext) {
  Reader from{plaintext};
  Marker marker;
  marker.kind = static_cast<MarkerKind>(from.read<std::uint8_t>());
  marker.vm.octets = from.read_array<6>();
  marker.origin.octets = from.read_array<NodeId::kSize>();
  if (!from.ok()) return fail(Error::Truncated);
  if (!from.done()) return fail(Error::Malformed);
  switch (marker.kind) {
    case MarkerKind::ReplayEnd:
    case MarkerKind::PathSwitch:
    case MarkerKind::SwitchAhead:
    case MarkerKind::ReplayAhead:
    case MarkerKind::ReplayKept:
    case MarkerKind::ReplayOff: return marker;
  }
  return fail(Error::Unknown);
}

}  // namespace rove
