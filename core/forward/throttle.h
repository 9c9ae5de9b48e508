// "At most one per key and period", in a bounded table.
#pragma once

#include <cstddef>
#include <unordered_map>

#include "core/base/time.h"

namespace rove {

// One thread. When `keys_max` keys are within their period, further keys are not admitted: what is throttled here
// are hints, that come again.
template <typename Key>
class Throttle {
 public:
  Throttle(Duration period, std::size_t keys_max) : period_(period), keys_max_(keys_max) {}

  [[nodiscard]] bool admit(TimePoint now, const Key& key) {
    const auto it = last_.find(key);
    if (it != last_.end()) {
      if (now - it->second < period_) return false;
      it->second = now;
      return true;
    }
    if (last_.size() >= keys_max_) purge(now);
    if (last_.size() >= keys_max_) return false;
    last_.emplace(key, now);
    return true;
  }

 private:
  // At most once per period, so that a full table costs no scan per packet.
  void purge(TimePoint now) {
    if (now < next_purge_) return;
    next_purge_ = now + period_;
    std::erase_if(last_, [&](const auto& entry) { return now - entry.second >= period_; });
  }

  Duration period_;
  std::size_t keys_max_;
  std::unordered_map<Key, TimePoint> last_;
  TimePoint next_purge_ = TimePoint::min();
};

}  // namespace rove
