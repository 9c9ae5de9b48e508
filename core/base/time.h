// Time as an argument: nothing in core can ask what time it is.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace rove {

// A monotonic clock without now(). The shell converts CLOCK_BOOTTIME, the simulator its own time.
struct MonotonicClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonotonicClock, duration>;
  static constexpr bool is_steady = true;
};

using Duration = MonotonicClock::duration;
using TimePoint = MonotonicClock::time_point;

// Wall-clock time, milliseconds since 1970-01-01 UTC. May jump; used only for sequences, validity
// periods and timestamps that other nodes read.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

[[nodiscard]] constexpr std::uint64_t to_unix_ms(WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}
[[nodiscard]] constexpr WallTime from_unix_ms(std::uint64_t ms) {
  return WallTime{std::chrono::milliseconds{static_cast<std::int64_t>(ms)}};
}

// One reading of both clocks, taken once per loop turn.
struct Now {
  TimePoint steady;
  WallTime wall;
};

}  // namespace rove
