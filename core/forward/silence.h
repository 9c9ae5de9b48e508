// Notices who is sent to and says nothing.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "core/base/address.h"
#include "core/base/time.h"

namespace rove {

// Whoever is sent frames and was not heard for this long may be gone. Longer than a round trip between continents
// would be needed to never suspect the living; asking costs one small datagram or frame, so it may err.
inline constexpr std::chrono::milliseconds kSilentAfter{100};
// Told again while it lasts.
inline constexpr std::chrono::milliseconds kSilentAgain{250};

// One party: a VM of this host, or a peer, as one worker sends to it.
class Silence {
 public:
  // Something was sent there; `heard` is when it was heard last, by any worker. True when nothing was for kSilentAfter
  // while more was sent; then again every kSilentAgain.
  [[nodiscard]] bool handle_sent(TimePoint now, TimePoint heard) {
    if (!since_ || heard >= *since_) {
      since_ = now;
      tell_at_ = now + kSilentAfter;
    }
    if (now < tell_at_) return false;
    tell_at_ = now + kSilentAgain;
    return true;
  }

 private:
  std::optional<TimePoint> since_;
  TimePoint tell_at_{};
};

// The VMs of this host that one worker sends to, without allocation. Two whose MACs share a place displace each other:
// then silence is noticed later, or not while both are sent to in turn, and never wrongly.
class VmSilence {
 public:
  [[nodiscard]] bool handle_sent(TimePoint now, const MacAddress& vm, TimePoint heard) {
    Entry& entry = entry_of(vm);
    if (entry.vm != vm) entry = {vm, {}};
    return entry.silence.handle_sent(now, heard);
  }

 private:
  static constexpr unsigned kBits = 12;  // for some hundred VMs of a host, 128 KiB
  struct Entry {
    MacAddress vm{};
    Silence silence;
  };

  [[nodiscard]] Entry& entry_of(const MacAddress& vm) { return entries_[std::hash<MacAddress>{}(vm) >> (64 - kBits)]; }

  std::array<Entry, 1U << kBits> entries_{};
};

}  // namespace rove
