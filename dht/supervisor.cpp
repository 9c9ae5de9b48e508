#include "dht/supervisor.h"

#include <algorithm>

namespace rove {

Supervisor::Supervisor(Time now)
    : searching_since_(now),
      next_seed_ping_(now),
      next_merge_ping_(now + kMergeInterval),
      last_received_(now),
      last_keepalive_(now) {}

void Supervisor::handle_sent(Time now, const Endpoint& to) {
  if (!unanswered_since_) unanswered_since_ = now;
  if (unanswered_.size() < kWitnessesMax &&
      std::find(unanswered_.begin(), unanswered_.end(), to) == unanswered_.end()) {
    unanswered_.push_back(to);
  }
}

void Supervisor::handle_received(Time now) {
  if (connected_ && unanswered_since_ && is_witnessed() && now - *unanswered_since_ > kGapHarmless) {
    orders_.push_back(Order::Reread);
  }
  unanswered_since_.reset();
  unanswered_.clear();
  last_received_ = now;
}

void Supervisor::handle_status(Time now, unsigned good_nodes) {
  good_nodes_ = good_nodes;
  if (good_nodes == 0) {
    if (!no_good_node_since_) no_good_node_since_ = now;
    return;
  }
  no_good_node_since_.reset();
  if (connected_) return;
  connected_ = true;
  next_merge_ping_ = now + kMergeInterval;
  orders_.push_back(Order::Attach);
}

void Supervisor::handle_defect(Time now) {
  orders_.push_back(Order::Rebuild);
  start_searching(now);
}

void Supervisor::handle_new_seeds(Time now) {
  next_seed_ping_ = now;
  next_merge_ping_ = now;
}

void Supervisor::handle_timeout(Time now, bool anything_to_keep_alive) {
  if (!connected_) {
    if (now < next_seed_ping_) return;
    orders_.push_back(Order::PingSeeds);
    next_seed_ping_ = now + kSeedPingInterval;
    return;
  }

  const bool disconnected = no_good_node_since_ && now - *no_good_node_since_ > kDisconnectedMax;
  const bool isolated = unanswered_since_ && is_witnessed() && now - *unanswered_since_ > kIsolatedMax;
  if (disconnected || isolated) {
    handle_defect(now);
    return handle_timeout(now, anything_to_keep_alive);
  }
  send_keepalives(now, anything_to_keep_alive);
  if (now >= next_merge_ping_) {
    orders_.push_back(Order::MergePing);
    next_merge_ping_ = now + kMergeInterval;
  }
}

void Supervisor::send_keepalives(Time now, bool anything_to_keep_alive) {
  keeps_alive_ = anything_to_keep_alive;
  const bool idle = keeps_alive_ && now - last_received_ >= kKeepaliveAfter && now - last_keepalive_ >= kKeepaliveAfter;
  const bool doubt = is_in_doubt(now) && now - last_keepalive_ >= kDoubtInterval;
  if (!idle && !doubt) return;
  orders_.push_back(Order::Keepalive);
  last_keepalive_ = now;
}

std::optional<Supervisor::Order> Supervisor::poll_order() {
  if (orders_.empty()) return std::nullopt;
  const Order order = orders_.front();
  orders_.pop_front();
  return order;
}

Supervisor::Time Supervisor::poll_timeout() const {
  if (!connected_) return next_seed_ping_;
  // A nanosecond later, as the comparisons above are for "longer than".
  constexpr std::chrono::nanoseconds kThen{1};
  Time next = next_merge_ping_;
  if (keeps_alive_) next = std::min(next, std::max(last_received_, last_keepalive_) + kKeepaliveAfter);
  if (no_good_node_since_) next = std::min(next, *no_good_node_since_ + kDisconnectedMax + kThen);
  if (unanswered_since_) {
    next = std::min(next, std::max(*unanswered_since_, last_keepalive_) + kDoubtInterval + kThen);
    if (is_witnessed()) next = std::min(next, *unanswered_since_ + kIsolatedMax + kThen);
  }
  return next;
}

bool Supervisor::is_in_doubt(Time now) const {
  return unanswered_since_ && now - *unanswered_since_ > kDoubtInterval;
}

bool Supervisor::is_witnessed() const {
  return unanswered_.size() >= std::clamp<std::size_t>(good_nodes_, 1, kWitnessesMax);
}

void Supervisor::start_searching(Time now) {
  connected_ = false;
  searching_since_ = now;
  next_seed_ping_ = now;
  good_nodes_ = 0;
  no_good_node_since_.reset();
  unanswered_since_.reset();
  unanswered_.clear();
  last_received_ = now;
  last_keepalive_ = now;
}

}  // namespace rove
