// Hybrid logical clock for the sequences of claims and node records (Kulkarni et al., "Logical
// Physical Clocks", 2014). docs/protocol.md §6.1.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/result.h"
#include "core/base/time.h"

namespace rove {

inline constexpr std::chrono::hours kSequenceLeadMax{24};

// True when the clock part of `sequence` is more than kSequenceLeadMax ahead of `now`.
[[nodiscard]] bool is_from_the_future(std::uint64_t sequence, WallTime now);

// max(highest, now in ms << 16) + 1. A `highest` from the future is ignored, as every reader ignores it: our own
// clock may have gone back.
[[nodiscard]] std::uint64_t next_sequence(std::uint64_t highest, WallTime now);

}  // namespace rove
