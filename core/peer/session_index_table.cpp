#include "core/peer/session_index_table.h"

namespace rove {

SessionIndexLease& SessionIndexLease::operator=(SessionIndexLease&& other) noexcept {
  if (this != &other) {
    release();
    table_ = std::exchange(other.table_, nullptr);
    index_ = other.index_;
  }
  return *this;
}

void SessionIndexLease::release() {
  if (table_ != nullptr) table_->owners_.erase(index_);
  table_ = nullptr;
}

SessionIndexLease SessionIndexTable::lease(Random& random, const NodeId& peer) {
  SessionIndex index{random.u32()};
  while (index.value == 0 || owners_.contains(index)) index.value = random.u32();
  owners_.emplace(index, peer);
  return {*this, index};
}

std::optional<NodeId> SessionIndexTable::find(SessionIndex index) const {
  const auto it = owners_.find(index);
  if (it == owners_.end()) return std::nullopt;
  return it->second;
}

}  // namespace rove
