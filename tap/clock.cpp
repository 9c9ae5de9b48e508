#include "tap/clock.h"

#include <time.h>

#include "core/base/check.h"

namespace rove {
namespace {

std::chrono::nanoseconds read(clockid_t clock) {
  timespec now{};
  ROVE_CHECK(clock_gettime(clock, &now) == 0);  // fails for unknown clocks only
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

}  // namespace

TimePoint read_steady_clock() {
  return TimePoint{read(CLOCK_BOOTTIME)};
}

Now read_clocks() {
  return {read_steady_clock(), WallTime{std::chrono::duration_cast<std::chrono::milliseconds>(read(CLOCK_REALTIME))}};
}

}  // namespace rove
