// The system's clocks, read once per loop turn.
#pragma once

#include "core/base/time.h"

namespace rove {

// CLOCK_BOOTTIME, which also runs while the host is suspended (sessions do expire then), and CLOCK_REALTIME.
[[nodiscard]] Now read_clocks();
// Only the former: cheaper, for the packet path.
[[nodiscard]] TimePoint read_steady_clock();

}  // namespace rove
