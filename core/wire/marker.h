// Markers: what a sender says about the order of its frames for a VM that moved, among the frames themselves.
// docs/protocol.md §2.1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"

namespace rove {

enum class MarkerKind : std::uint8_t {
  ReplayEnd = 1,    // old host → new host: what waited here for the VM has all been sent on
  PathSwitch = 2,   // sender → old host, which sends it on to the new one: nothing more of mine comes this way
  SwitchAhead = 3,  // sender → new host: a PathSwitch of mine is on its way to you by the old host
  ReplayAhead = 4,  // present host → where it is expected: its hypervisor has stopped; what it will not read follows
  ReplayKept = 5,   // the answer: kept until the VM is here. Back: what you had sent here for it has gone to you
  ReplayOff = 6  // present host → …: it goes on here; the other way: no room, hand over everything as if not expected
};

struct Marker {
  MarkerKind kind = MarkerKind::ReplayEnd;
  MacAddress vm;
  NodeId origin;  // who made it; the session tells who brought it
  bool operator==(const Marker&) const = default;
};

inline constexpr std::size_t kMarkerSize = 1 + 6 + NodeId::kSize;

// The plaintext of a data datagram with kFlagMarker.
[[nodiscard]] Bytes encode_marker(const Marker& marker);
// Errors: Truncated, Malformed (longer), Unknown (kind).
[[nodiscard]] Result<Marker> decode_marker(BytesView plaintext);

}  // namespace rove
