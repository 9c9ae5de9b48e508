// Decides when the daemon's state is written down, and what.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/base/log.h"
#include "cli/daemon/state_store.h"
#include "core/base/time.h"

namespace rove {

// Control thread. `log` must outlive it. A disk that cannot be written to is a problem to report, not to fail
// by: the node runs on, and every restart has the clock to go by.
class StateKeeper {
 public:
  // Loads the last state and, at once, writes down that stamps are in use again.
  StateKeeper(StateStore store, Log& log, Now now);

  // What the last run left.
  [[nodiscard]] const NodeState& loaded() const { return loaded_; }
  // Every kSaveInterval, and as soon as there are nodes to remember where there were none: a node that is killed
  // early must find the others again.
  [[nodiscard]] bool is_due(TimePoint now, const std::vector<KnownDhtNode>& known_nodes) const;
  // `last_stamp` and `highest_sequence` as Node says, `known_nodes` as DhtLocation does.
  void save(Now now, std::uint64_t last_stamp, std::uint64_t highest_sequence, std::vector<KnownDhtNode> known_nodes);
  // The same for the last time: nothing will be sent any more.
  void save_at_exit(std::uint64_t last_stamp, std::uint64_t highest_sequence, std::vector<KnownDhtNode> known_nodes);

  // Why the last save failed; empty when it did not.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void write(const NodeState& state);

  StateStore store_;
  Log& log_;
  NodeState loaded_;
  TimePoint next_save_{};
  bool has_nodes_ = false;  // in the file
  std::string problem_;
};

}  // namespace rove
