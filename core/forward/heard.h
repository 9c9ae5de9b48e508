// When somebody was heard last, as all workers know it: one hears, another one sends.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/time.h"

namespace rove {

// Any thread. Exact to kGrain, so that a busy peer or VM does not keep the workers' caches busy.
class Heard {
 public:
  static constexpr std::chrono::milliseconds kGrain{1};

  void note(TimePoint now) {
    const Duration::rep at = now.time_since_epoch().count();
    const Duration::rep before = at_.load(std::memory_order_relaxed);
    if (before == kNever || at - before >= Duration{kGrain}.count()) at_.store(at, std::memory_order_relaxed);
  }
  // TimePoint::min(): never.
  [[nodiscard]] TimePoint last() const { return TimePoint{Duration{at_.load(std::memory_order_relaxed)}}; }

 private:
  static constexpr Duration::rep kNever = TimePoint::min().time_since_epoch().count();

  std::atomic<Duration::rep> at_{kNever};
};

// The VMs of this host, without allocation and locks. Two whose MACs share a place are one here: the silence of the one
// is noticed later then, or not while the other one talks.
class HeardVms {
 public:
  void note(TimePoint now, const MacAddress& vm) { places_[place_of(vm)].note(now); }
  [[nodiscard]] TimePoint last(const MacAddress& vm) const { return places_[place_of(vm)].last(); }

 private:
  static constexpr unsigned kBits = 12;  // for some hundred VMs of a host, 32 KiB

  [[nodiscard]] static std::size_t place_of(const MacAddress& vm) {
    return std::hash<MacAddress>{}(vm) >> (64 - kBits);
  }

  std::array<Heard, 1U << kBits> places_{};
};

}  // namespace rove
