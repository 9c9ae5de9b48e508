// A token bucket: so many at once, then so many a second.
#pragma once

#include <algorithm>
#include <chrono>

namespace rove {

class Pacer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Pacer(Time now, unsigned per_second, unsigned burst)
      : interval_(std::chrono::nanoseconds{std::chrono::seconds{1}} / per_second),
        slack_(interval_ * (burst - 1)),
        next_(now - slack_) {}

  // True and taken when one may go now.
  [[nodiscard]] bool take(Time now) {
    if (now < next_) return false;
    next_ = std::max(next_, now - slack_) + interval_;
    return true;
  }
  [[nodiscard]] Time next() const { return next_; }

 private:
  std::chrono::nanoseconds interval_;
  std::chrono::nanoseconds slack_;
  Time next_;
};

}  // namespace rove
