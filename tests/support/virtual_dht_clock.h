// Virtual time for the real OpenDHT. libopendht calls std::chrono::{steady,system}_clock::now() and
// std::random_device through the PLT, so that definitions in the executable take their place:
// link rove_virtual_dht_clock (an object library) into the test executable itself.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/base/time.h"

namespace rove {

// While one of these exists, the clocks of the process stand still but for advance(), and
// std::random_device is a generator that starts from the seed. Otherwise both are the system's.
// At most one at a time. Not with threads that wait: DhtLocation's would never wake.
class VirtualDhtClock {
 public:
  explicit VirtualDhtClock(std::uint64_t seed);
  ~VirtualDhtClock();
  VirtualDhtClock(const VirtualDhtClock&) = delete;
  VirtualDhtClock& operator=(const VirtualDhtClock&) = delete;

  // Never goes back.
  void advance_to(std::chrono::steady_clock::time_point time);
  void advance(Duration step);

  [[nodiscard]] std::chrono::steady_clock::time_point steady() const;
  // The same moment as core's types have it. The wall clock starts at kTestNow of tests/support/test_network.h.
  [[nodiscard]] Now now() const;
};

[[nodiscard]] inline TimePoint to_time_point(std::chrono::steady_clock::time_point time) {
  return TimePoint{time.time_since_epoch()};
}
[[nodiscard]] inline std::chrono::steady_clock::time_point to_steady(TimePoint time) {
  return std::chrono::steady_clock::time_point{time.time_since_epoch()};
}

}  // namespace rove
