// Whether the packet path's thread is to go before all ordinary ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"

namespace rove {

// Going first is what a lone frame wants, and a superframe. Of small frames in quick succession it makes lone ones: the
// first wakes this thread, which takes the sender's processor before a second one is sent, so none share a datagram,
// and each costs two changes of threads. Then this thread goes with the others until there are fewer. (64-octet
// datagrams from a guest behind a bridge, 2 processors, Linux 6.18, 2026-11-28: 76,000 to 310,000 a second came through
// when it went first, 380,000 to 490,000 when it did not.)
class Precedence {
 public:
  static constexpr std::chrono::milliseconds kPeriod{10};
  // Arrivals within a period: more than a busy TCP flow's acknowledgements, and so few that nobody is kept waiting.
  static constexpr std::uint64_t kMany = 500;
  static constexpr std::uint64_t kFew = 200;
  // With more than so many in a turn they come together already.
  static constexpr std::uint64_t kTogether = 4;
  // For so long there have to be few.
  static constexpr std::chrono::milliseconds kQuiet{100};

  [[nodiscard]] bool first() const { return first_; }

  // After a turn: how many frames and datagrams by themselves it found. True when first() has changed.
  [[nodiscard]] bool handle_turn(TimePoint now, std::size_t arrivals) {
    ++turns_;
    arrivals_ += arrivals;
    if (now < period_end_) return false;
    const bool paused = now - period_end_ >= kQuiet;  // what was counted is of before
    const bool few = paused || arrivals_ < kFew;
    const bool single = !paused && arrivals_ >= kMany && arrivals_ < turns_ * kTogether;
    if (!few) busy_at_ = now;
    const bool before = first_;
    first_ = first_ ? !single : few && now - busy_at_ >= kQuiet;
    period_end_ = now + kPeriod;
    turns_ = arrivals_ = 0;
    return first_ != before;
  }

 private:
  bool first_ = true;
  TimePoint period_end_{};
  TimePoint busy_at_{};
  std::uint64_t turns_ = 0;
  std::uint64_t arrivals_ = 0;
};

}  // namespace rove
