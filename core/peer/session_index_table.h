// Our session indexes: which peer each one in use belongs to.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "core/base/ids.h"
#include "core/base/random.h"

namespace rove {

class SessionIndexTable;

// Holds one index for as long as it lives. The table must outlive it.
class SessionIndexLease {
 public:
  SessionIndexLease(SessionIndexLease&& other) noexcept
      : table_(std::exchange(other.table_, nullptr)), index_(other.index_) {}
  SessionIndexLease& operator=(SessionIndexLease&& other) noexcept;
  SessionIndexLease(const SessionIndexLease&) = delete;
  SessionIndexLease& operator=(const SessionIndexLease&) = delete;
  ~SessionIndexLease() { release(); }

  [[nodiscard]] SessionIndex index() const { return index_; }

 private:
  friend class SessionIndexTable;
  SessionIndexLease(SessionIndexTable& table, SessionIndex index) : table_(&table), index_(index) {}
  void release();

  SessionIndexTable* table_;  // nullptr when moved from
  SessionIndex index_;
};

// Bounded by its users: a peer has at most three sessions and one handshake under way.
class SessionIndexTable {
 public:
  // A random one, not 0: who guesses at indexes finds one peer in a million tries with 4096 peers.
  [[nodiscard]] SessionIndexLease lease(Random& random, const NodeId& peer);
  [[nodiscard]] std::optional<NodeId> find(SessionIndex index) const;
  [[nodiscard]] std::size_t size() const { return owners_.size(); }

 private:
  friend class SessionIndexLease;
  std::map<SessionIndex, NodeId> owners_;
};

}  // namespace rove
