#include "dht/lookup_table.h"

namespace rove {

std::optional<std::uint64_t> LookupTable::start(Time now, LookupPurpose purpose, const LocationKey& key, bool fresh) {
  if (waiting_.size() >= kWaitingMax) return std::nullopt;
  const std::uint64_t number = ++last_number_;
  lookups_.emplace(number, Lookup{number, std::move(purpose), key, fresh, now, {}});
  waiting_.insert(number);
  return number;
}

const LookupTable::Lookup* LookupTable::poll_start() {
  if (!has_startable()) return nullptr;
  const std::uint64_t number = *waiting_.begin();
  waiting_.erase(waiting_.begin());
  running_.insert(number);
  return find(number);
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
  auto lookup = lookups_.extract(number);
  if (lookup.empty()) return std::nullopt;
  waiting_.erase(number);
  running_.erase(number);
  return std::move(lookup.mapped());
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
}

std::optional<LookupTable::Time> LookupTable::poll_timeout() const {
  if (lookups_.empty()) return std::nullopt;
  return lookups_.begin()->second.started + kLookupTimeMax;
}

}  // namespace rove
