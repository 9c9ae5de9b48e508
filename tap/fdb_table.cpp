#include "tap/fdb_table.h"

namespace rove {

void FdbTable::handle_event(const FdbKey& key, unsigned port) {
  deleted_.erase(key);
  store(key, port, ++clock_);
}

void FdbTable::handle_deletion(const FdbKey& key) {
  ++clock_;
  if (dumping_ && deleted_.size() < entries_max_) deleted_.insert_or_assign(key, clock_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) erase(found);
}

void FdbTable::begin_dump() {
  dumping_ = true;
  dump_started_ = ++clock_;
  deleted_.clear();
}

void FdbTable::handle_dumped(const FdbKey& key, unsigned port) {
  const auto found = entries_.find(key);
  const bool told_since = found != entries_.end() && found->second.told > dump_started_;
  if (!told_since && deleted_.count(key) == 0) store(key, port, dump_started_);
}

void FdbTable::end_dump(bool complete) {
  dumping_ = false;
  deleted_.clear();
  if (!complete) return;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto here = entry++;
    if (here->second.told < dump_started_) erase(here);
  }
}

std::optional<FdbEvent> FdbTable::poll_event() {
  if (events_.empty()) return std::nullopt;
  const FdbEvent event = events_.front();
  events_.pop_front();
  return event;
}

void FdbTable::store(const FdbKey& key, unsigned port, std::uint64_t told) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= entries_max_) {
      ++ignored_;
      return;
    }
    entries_.emplace(key, Entry{port, told});
    events_.push_back({key.mac, port, false});
    return;
  }
  found->second.told = told;
  if (found->second.port == port) return;
  found->second.port = port;
  events_.push_back({key.mac, port, false});
}

void FdbTable::erase(Entries::iterator entry) {
  const FdbEvent event{entry->first.mac, entry->second.port, true};
  entries_.erase(entry);
  const auto other = entries_.lower_bound(FdbKey{event.mac, 0});
  const bool in_another_vlan = other != entries_.end() && other->first.mac == event.mac;
  if (!in_another_vlan) events_.push_back(event);
}

}  // namespace rove
