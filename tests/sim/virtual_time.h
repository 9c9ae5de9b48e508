// Virtual time: a queue of actions, run in order of time and then of insertion.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace rove::sim {

class VirtualTime {
 public:
  // Wall-clock time at the start: an arbitrary day on which the certificates of the tests are valid.
  explicit VirtualTime(WallTime start) : origin_{TimePoint{std::chrono::seconds{1000}}, start}, now_(origin_.steady) {}

  // Before anything else: where both clocks start, and who is told of every step (another virtual clock).
  void set_origin(const Now& origin) {
    origin_ = origin;
    now_ = origin.steady;
  }
  void set_follower(std::function<void(TimePoint)> follower) { follower_ = std::move(follower); }

  [[nodiscard]] Now now() const { return now(Duration{0}); }
  // What a host reads whose wall clock is off by `skew`.
  [[nodiscard]] Now now(Duration skew) const {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - origin_.steady + skew);
    return {now_, origin_.wall + since};
  }
  [[nodiscard]] TimePoint steady() const { return now_; }

  void at(TimePoint when, std::function<void()> action) {
    queue_.push({std::max(when, now_), sequence_++, std::move(action)});
  }
  void after(Duration delay, std::function<void()> action) { at(now_ + delay, std::move(action)); }

  void run_until(TimePoint end) {
    while (!queue_.empty() && queue_.top().when <= end) {
      // The action may add to the queue, so it is moved out first; the key fields stay intact.
      std::function<void()> action = std::move(const_cast<Entry&>(queue_.top()).action);
      set_now(queue_.top().when);
      queue_.pop();
      action();
      ++actions_;
    }
    set_now(end);
  }
  void run_for(Duration duration) { run_until(now_ + duration); }
  [[nodiscard]] std::uint64_t actions() const { return actions_; }

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t sequence;
    std::function<void()> action;
    bool operator<(const Entry& other) const {  // std::priority_queue gives the largest first
      return when != other.when ? when > other.when : sequence > other.sequence;
    }
  };

  void set_now(TimePoint now) {
    now_ = now;
    if (follower_) follower_(now);
  }

  Now origin_;
  TimePoint now_;  // starts where a host has been up for a while
  std::function<void(TimePoint)> follower_;
  std::uint64_t sequence_ = 0;
  std::uint64_t actions_ = 0;
  std::priority_queue<Entry> queue_;
};

}  // namespace rove::sim
