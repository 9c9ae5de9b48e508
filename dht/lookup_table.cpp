#include "dht/lookup_table.h"

#include <algorithm>

#include "core/base/check.h"

namespace rove {

std::optional<std::uint64_t> LookupTable::start(Time now, const LookupPurpose& purpose, const LocationKey& key,
                                                bool fresh) {
  if (purposes_ >= kPurposesMax) return std::nullopt;
  ++purposes_;
  if (const auto other = joinable_.find({key, fresh}); other != joinable_.end()) {
    lookups_.at(other->second).purposes.push_back(purpose);
    return other->second;
  }
  const std::uint64_t number = ++last_number_;
  lookups_.emplace(number, Lookup{number, key, fresh, now, {purpose}, {}, /*is_joinable=*/true});
  joinable_.emplace(std::pair{key, fresh}, number);
  waiting_.insert(number);
  return number;
}

LookupTable::Numbers::const_iterator LookupTable::find_startable() const {
  if (running_.size() >= kRunningMax) return waiting_.end();
  return std::find_if(waiting_.begin(), waiting_.end(), [this](std::uint64_t number) {
    const auto running = running_by_key_.find(lookups_.at(number).key);
    return running == running_by_key_.end() || running->second < kRunningPerKeyMax;
  });
}

const LookupTable::Lookup* LookupTable::poll_start() {
  const auto next = find_startable();
  if (next == waiting_.end()) return nullptr;
  Lookup& lookup = lookups_.at(*next);
  waiting_.erase(next);
  running_.insert(lookup.number);
  ++running_by_key_[lookup.key];
  if (lookup.is_joinable) joinable_.erase({lookup.key, lookup.fresh});
  lookup.is_joinable = false;
  return &lookup;
}

bool LookupTable::note_value(std::uint64_t number, std::uint64_t value_id) {
  const auto lookup = lookups_.find(number);
  if (lookup == lookups_.end() || lookup->second.seen.size() >= kValuesPerLookupMax) return false;
  return lookup->second.seen.insert(value_id).second;
}

const LookupTable::Lookup* LookupTable::find(std::uint64_t number) const {
  const auto lookup = lookups_.find(number);
  return lookup == lookups_.end() ? nullptr : &lookup->second;
}

std::optional<LookupTable::Lookup> LookupTable::finish(std::uint64_t number) {
  auto node = lookups_.extract(number);
  if (node.empty()) return std::nullopt;
  Lookup& lookup = node.mapped();
  waiting_.erase(number);
  forget_running(lookup);
  if (lookup.is_joinable) joinable_.erase({lookup.key, lookup.fresh});
  purposes_ -= lookup.purposes.size();
  return std::move(lookup);
}

void LookupTable::forget_running(const Lookup& lookup) {
  if (running_.erase(lookup.number) == 0) return;
  const auto count = running_by_key_.find(lookup.key);
  ROVE_CHECK(count != running_by_key_.end());
  if (--count->second == 0) running_by_key_.erase(count);
}

std::optional<LookupTable::Lookup> LookupTable::poll_timed_out(Time now) {
  const auto deadline = poll_timeout();
  if (!deadline || now < *deadline) return std::nullopt;
  return finish(lookups_.begin()->first);
}

std::optional<LookupTable::Lookup> LookupTable::take_any() {
  if (lookups_.empty()) return std::nullopt;
  return finish(lookups_.begin()->first);
}

void LookupTable::restart_running() {
  waiting_.merge(running_);
  running_.clear();
  running_by_key_.clear();
}

std::optional<LookupTable::Time> LookupTable::poll_timeout() const {
  if (lookups_.empty()) return std::nullopt;
  return lookups_.begin()->second.started + kLookupTimeMax;
}

}  // namespace rove
