#include "tests/support/virtual_dht_clock.h"

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <random>

#include "core/base/check.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace {

constexpr std::int64_t kStart = 100'000'000'000'000;  // ns; a host that is up for a day

// Atomics, as threads of other tests in the executable read the real clock.
std::atomic<bool> is_virtual{false};
std::atomic<std::int64_t> virtual_steady{kStart};
rove::SeededRandom device{0};

std::int64_t read_system(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

std::int64_t virtual_wall() {
  return rove::kTestNow.time_since_epoch() / std::chrono::nanoseconds{1} + (virtual_steady - kStart);
}

}  // namespace

// Same names and types as libstdc++'s own.
namespace std {
namespace chrono {
inline namespace _V2 {

steady_clock::time_point steady_clock::now() noexcept {
  return time_point{duration{is_virtual ? virtual_steady.load() : read_system(CLOCK_MONOTONIC)}};
}

system_clock::time_point system_clock::now() noexcept {
  return time_point{duration{is_virtual ? virtual_wall() : read_system(CLOCK_REALTIME)}};
}

}  // namespace _V2
}  // namespace chrono

random_device::result_type random_device::_M_getval() {
  if (is_virtual) return device.u32();
  result_type value = 0;
  ROVE_CHECK(getentropy(&value, sizeof value) == 0);
  return value;
}

}  // namespace std

namespace rove {

VirtualDhtClock::VirtualDhtClock(std::uint64_t seed) {
  ROVE_CHECK(!is_virtual);
  device = SeededRandom{seed};
  virtual_steady = kStart;
  is_virtual = true;
}

VirtualDhtClock::~VirtualDhtClock() {
  is_virtual = false;
}

void VirtualDhtClock::advance_to(std::chrono::steady_clock::time_point time) {
  const std::int64_t target = time.time_since_epoch().count();
  ROVE_CHECK(target >= virtual_steady);
  virtual_steady = target;
}

void VirtualDhtClock::advance(Duration step) {
  advance_to(steady() + step);
}

std::chrono::steady_clock::time_point VirtualDhtClock::steady() const {
  return std::chrono::steady_clock::now();
}

Now VirtualDhtClock::now() const {
  return {to_time_point(steady()), WallTime{std::chrono::milliseconds{virtual_wall() / 1'000'000}}};
}

}  // namespace rove
