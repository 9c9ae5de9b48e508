#include "dht/watch_table.h"

#include "core/base/bytes.h"

namespace rove {

bool WatchTable::watch(const LocationKey& key) {
  if (!watches_.try_emplace(key).second) return false;
  to_listen_.insert(key);
  return true;
}

void WatchTable::unwatch(const LocationKey& key) {
  const auto watch = watches_.find(key);
  if (watch == watches_.end()) return;
  if (watch->second.is_listening) {
    rereads_.erase({watch->second.next_reread, key});
    to_unlisten_.insert(key);
  }
  to_listen_.erase(key);
  watches_.erase(watch);
}

void WatchTable::replay() {
  to_unlisten_.clear();
  rereads_.clear();
  for (auto& [key, watch] : watches_) {
    watch.is_listening = false;
    to_listen_.insert(key);
  }
}

void WatchTable::reread_all(Time now) {
  for (auto& [key, watch] : watches_) {
    if (watch.is_listening) schedule_reread(key, watch, now);
  }
}

std::optional<WatchTable::Order> WatchTable::poll_order(Time now) {
  if (!to_unlisten_.empty()) return Unlisten{to_unlisten_.extract(to_unlisten_.begin()).value()};
  if (!to_listen_.empty() && listen_pacer_.take(now)) {
    const LocationKey key = to_listen_.extract(to_listen_.begin()).value();
    Watch& watch = watches_.at(key);
    watch.is_listening = true;
    // The phase comes out of the key, which is a hash: random enough, and the same in every run.
    const auto phase = std::chrono::milliseconds{load_be<std::uint16_t>(key.octets.data())} / 2;
    schedule_reread(key, watch, now + kRereadInterval / 2 + phase);
    return Listen{key};
  }
  if (!rereads_.empty() && rereads_.begin()->first <= now && reread_pacer_.take(now)) {
    const LocationKey key = rereads_.begin()->second;
    const std::chrono::nanoseconds interval = kRereadInterval;
    const auto spread = (key.octets[2] + ++rereads_done_) % 256;
    schedule_reread(key, watches_.at(key), now + interval * 9 / 10 + interval / 5 * spread / 255);
    return Reread{key};
  }
  return std::nullopt;
}

std::optional<WatchTable::Time> WatchTable::poll_timeout() const {
  if (!to_unlisten_.empty()) return Time::min();
  std::optional<Time> next;
  if (!to_listen_.empty()) next = listen_pacer_.next();
  if (!rereads_.empty()) {
    const Time reread = std::max(rereads_.begin()->first, reread_pacer_.next());
    if (!next || reread < *next) next = reread;
  }
  return next;
}

void WatchTable::schedule_reread(const LocationKey& key, Watch& watch, Time when) {
  rereads_.erase({watch.next_reread, key});
  watch.next_reread = when;
  rereads_.insert({when, key});
}

}  // namespace rove
