#include "core/node/claim_pusher.h"

#include <algorithm>

namespace rove {

bool ClaimPusher::push(TimePoint now, const NodeId& peer, const SignedClaim& claim) {
  const Key key{peer, claim.claim.mac};
  const auto it = pending_.find(key);
  if (it == pending_.end() && pending_.size() >= kPushesMax) {
    once_.push_back({peer, claim.claim.mac, claim.encoded});
    return false;
  }
  if (it != pending_.end()) {
    if (it->second.id == claim.id) return true;
    by_record_.erase({peer, it->second.id});
  }
  pending_[key] = Pending{claim.id, claim.encoded, 0, now};
  by_record_[{peer, claim.id}] = claim.claim.mac;
  due_.emplace(now, key);
  return true;
}

std::optional<MacAddress> ClaimPusher::handle_ack(const NodeId& peer, const RecordId& id) {
  const auto it = by_record_.find({peer, id});
  if (it == by_record_.end()) return std::nullopt;
  const MacAddress vm = it->second;
  pending_.erase({peer, vm});
  by_record_.erase(it);
  return vm;
}

void ClaimPusher::restart(TimePoint now, const NodeId& peer) {
  for (auto it = pending_.lower_bound({peer, MacAddress{}}); it != pending_.end() && it->first.first == peer; ++it) {
    it->second.sent = 0;
    it->second.next = now;
    due_.emplace(now, it->first);
  }
}

void ClaimPusher::forget_peer(const NodeId& peer) {
  for (auto it = pending_.lower_bound({peer, MacAddress{}}); it != pending_.end() && it->first.first == peer;) {
    by_record_.erase({peer, it->second.id});
    it = pending_.erase(it);
    ++abandoned_;
  }
}

std::vector<ClaimPusher::Push> ClaimPusher::take_due(TimePoint now) {
  std::vector<Push> out = std::move(once_);
  once_.clear();
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto [at, key] = *due_.begin();
    due_.erase(due_.begin());
    const auto it = pending_.find(key);
    if (it == pending_.end() || it->second.next != at) continue;
    Pending& pending = it->second;
    out.push_back({key.first, key.second, pending.record});
    pending.next = now + kPushIntervals[pending.sent];
    pending.sent = std::min(pending.sent + 1, kPushIntervals.size() - 1);
    due_.emplace(pending.next, key);
  }
  return out;
}

std::optional<TimePoint> ClaimPusher::poll_timeout() const {
  if (!once_.empty()) return TimePoint{};
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

}  // namespace rove
