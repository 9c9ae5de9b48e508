// Hybrid logical clock for the sequences of claims and node records (Kulkarni et al., "Logical
// Physical Clocks", 2014). docs/protocol.md §6.1.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/ids.h"
#include "core/base/time.h"

namespace rove {

inline constexpr std::chrono::hours kSequenceLeadMax{24};

// True when the clock part of `sequence` is more than kSequenceLeadMax ahead of `now`.
[[nodiscard]] bool is_from_the_future(std::uint64_t sequence, WallTime now);

// The low 16 bits of a node's sequences, so that two nodes that learn of a VM in one millisecond do not make the same.
[[nodiscard]] std::uint16_t sequence_tag_of(const NodeId& node);

// The lowest above `highest` with this tag and a clock part of at least `now` in ms. A `highest` from the future is
// ignored, as every reader ignores it: our own clock may have gone back.
[[nodiscard]] std::uint64_t next_sequence(std::uint64_t highest, WallTime now, std::uint16_t tag);

}  // namespace rove
