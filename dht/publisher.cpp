#include "dht/publisher.h"

#include "core/crypto/hash.h"

namespace rove {

std::uint64_t value_id_of(const StoredRecord& record) {
  const RecordId id = record_id_of(record.bytes);
  return load_be<std::uint64_t>(id.octets.data());
}

void Publisher::publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) {
  const std::uint64_t value_id = value_id_of(record);
  Publication& publication = publications_[{key, slot}];
  if (publication.generation != 0) {
    if (publication.value_id == value_id) return;
    cancel(key, publication);
  }
  publication = {std::move(record), value_id, ++last_generation_, /*is_put=*/false};
  new_.push_back({{key, slot}, last_generation_});
}

void Publisher::withdraw(const LocationKey& key, std::uint64_t slot) {
  const auto publication = publications_.find({key, slot});
  if (publication == publications_.end()) return;
  const Publication gone = std::move(publication->second);
  publications_.erase(publication);
  cancel(key, gone);
}

void Publisher::cancel(const LocationKey& key, const Publication& publication) {
  if (!publication.is_put) return;
  // The same record may stand in a second slot of the key.
  for (auto other = publications_.lower_bound({key, 0}); other != publications_.end() && other->first.first == key;
       ++other) {
    if (&other->second != &publication && other->second.value_id == publication.value_id) return;
  }
  cancels_.push_back({key, publication.value_id});
}

void Publisher::replay(Time now) {
  cancels_.clear();
  later_.clear();
  for (auto& [place, publication] : publications_) {
    if (!publication.is_put) continue;  // stands in new_
    publication.is_put = false;
    publication.generation = ++last_generation_;
    later_.emplace(now, Due{place, publication.generation});
  }
}

std::optional<Publisher::Order> Publisher::poll_order(Time now) {
  if (!cancels_.empty()) {
    const Cancel cancel = cancels_.front();
    cancels_.pop_front();
    return cancel;
  }
  drop_void_entries();
  const bool is_new = !new_.empty();
  const bool is_due = is_new || (!later_.empty() && later_.begin()->first <= now);
  if (!is_due || !pacer_.take(now)) return std::nullopt;

  const Due due = is_new ? new_.front() : later_.begin()->second;
  if (is_new) {
    new_.pop_front();
    later_.emplace(now + kPermanentAfter, due);
  } else {
    later_.erase(later_.begin());
  }
  Publication& publication = *find_due(due);
  publication.is_put = true;
  return Put{due.place.first, publication.value_id, publication.record, /*permanent=*/!is_new};
}

std::optional<Publisher::Time> Publisher::poll_timeout() const {
  if (!cancels_.empty() || !new_.empty()) return cancels_.empty() ? pacer_.next() : Time::min();
  if (later_.empty()) return std::nullopt;
  return std::max(later_.begin()->first, pacer_.next());
}

std::vector<StoredRecord> Publisher::find(const LocationKey& key) const {
  std::vector<StoredRecord> found;
  for (auto it = publications_.lower_bound({key, 0}); it != publications_.end() && it->first.first == key; ++it) {
    found.push_back(it->second.record);
  }
  return found;
}

Publisher::Publication* Publisher::find_due(const Due& due) {
  const auto found = publications_.find(due.place);
  return found == publications_.end() || found->second.generation != due.generation ? nullptr : &found->second;
}

void Publisher::drop_void_entries() {
  while (!new_.empty() && find_due(new_.front()) == nullptr) new_.pop_front();
  while (!later_.empty() && find_due(later_.begin()->second) == nullptr) later_.erase(later_.begin());
}

}  // namespace rove
