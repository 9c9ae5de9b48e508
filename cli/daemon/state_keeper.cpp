#include "cli/daemon/state_keeper.h"

#include <exception>
#include <utility>

namespace rove {

StateKeeper::StateKeeper(StateStore store, Log& log, Now now) : store_(std::move(store)), log_(log) {
  StateStore::Loaded loaded = store_.load();
  if (!loaded.damage.empty()) log_.write(LogLevel::Warn, "state-lost", {{"reason", loaded.damage}});
  loaded_ = std::move(loaded.state);
  save(now, loaded_.first_stamp, loaded_.highest_sequence, loaded_.known_nodes);
}

bool StateKeeper::is_due(TimePoint now, const std::vector<KnownDhtNode>& known_nodes) const {
  return now >= next_save_ || (!has_nodes_ && !known_nodes.empty() && problem_.empty());
}

void StateKeeper::save(Now now, std::uint64_t last_stamp, std::uint64_t highest_sequence,
                       std::vector<KnownDhtNode> known_nodes) {
  next_save_ = now.steady + StateStore::kSaveInterval;
  write({.first_stamp = reserve_stamps(last_stamp, now.wall),
         .highest_sequence = highest_sequence,
         .known_nodes = merge_known_nodes(std::move(known_nodes), loaded_.known_nodes)});
}

void StateKeeper::save_at_exit(std::uint64_t last_stamp, std::uint64_t highest_sequence,
                               std::vector<KnownDhtNode> known_nodes) {
  write({.first_stamp = last_stamp,
         .highest_sequence = highest_sequence,
         .known_nodes = merge_known_nodes(std::move(known_nodes), loaded_.known_nodes)});
}

void StateKeeper::write(const NodeState& state) {
  std::string problem;
  try {
    store_.save(state);
    has_nodes_ = !state.known_nodes.empty();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (!problem.empty() && problem_.empty()) {
    log_.write(LogLevel::Warn, "state-not-saved", {{"reason", problem}, {"effect", "tried again every 30 s"}});
  }
  problem_ = std::move(problem);
}

}  // namespace rove
