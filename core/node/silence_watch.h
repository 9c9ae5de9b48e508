// Who was asked for a sign of life, and who did not give one.
//
//   told that somebody is silent → ask it → heard: good for kTrustTime → or no answer: due, search for what it had
#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "core/base/time.h"

namespace rove {

// Who answered is not asked again for so long: a VM may rightly take frames and send none.
inline constexpr std::chrono::milliseconds kTrustTime{500};
// Between searches for one that stays silent; doubles with each up to the maximum, for a VM that is switched off
// while others go on sending to it.
inline constexpr std::chrono::milliseconds kSearchInterval{250};
inline constexpr std::chrono::seconds kSearchIntervalMax{8};
// Forgotten when nothing was told of it for so long: nobody sends to it any more.
inline constexpr std::chrono::seconds kSilenceMemory{20};
// Silent parties remembered; further ones wait until others are forgotten.
inline constexpr std::size_t kSilentMax = 4096;

// Control thread. Key: a local VM's MAC, or a peer's id.
template <typename Key>
class SilenceWatch {
 public:
  // It is said to be silent. True when it is to be asked now; an answer counts within `answer_time`.
  [[nodiscard]] bool handle_silent(TimePoint now, const Key& key, Duration answer_time) {
    auto it = entries_.find(key);
    if (it == entries_.end()) {
      if (entries_.size() >= kSilentMax) forget_old(now);
      if (entries_.size() >= kSilentMax) return false;
      it = entries_.try_emplace(key).first;
    }
    Entry& entry = it->second;
    if (now - entry.told_at > kSilenceMemory) entry = {};
    entry.told_at = now;
    if (entry.answer_by || now < entry.ask_at) return false;
    entry.asked_at = now;
    entry.answer_by = now + answer_time;
    return true;
  }

  void handle_heard(TimePoint now, const Key& key) {
    const auto it = entries_.find(key);
    if (it == entries_.end() || !(it->second.answer_by || it->second.searches > 0)) return;
    Entry& entry = it->second;
    entry.answer_by.reset();
    entry.searches = 0;
    entry.ask_at = now + kTrustTime;
  }

  struct Due {
    Key key;
    TimePoint asked_at{};
  };
  // Those that did not answer in time; each is reported once for each time it was asked.
  [[nodiscard]] std::vector<Due> take_due(TimePoint now) {
    std::vector<Due> due;
    for (auto& [key, entry] : entries_) {
      if (!entry.answer_by || *entry.answer_by > now) continue;
      due.push_back({key, entry.asked_at});
      entry.answer_by.reset();
      const Duration wait = kSearchInterval * (1U << std::min(entry.searches, 5U));
      entry.ask_at = now + std::min<Duration>(wait, kSearchIntervalMax);
      ++entry.searches;
    }
    return due;
  }

  [[nodiscard]] std::optional<TimePoint> poll_timeout() const {
    std::optional<TimePoint> next;
    for (const auto& [key, entry] : entries_) {
      if (entry.answer_by && (!next || *entry.answer_by < *next)) next = entry.answer_by;
    }
    return next;
  }

  void erase(const Key& key) { entries_.erase(key); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    TimePoint told_at{};
    TimePoint asked_at{};
    TimePoint ask_at{};  // not asked before
    std::optional<TimePoint> answer_by;
    unsigned searches = 0;
  };

  void forget_old(TimePoint now) {
    std::erase_if(entries_, [now](const auto& entry) {
      return !entry.second.answer_by && now - entry.second.told_at > kSilenceMemory;
    });
  }

  std::map<Key, Entry> entries_;
};

}  // namespace rove
