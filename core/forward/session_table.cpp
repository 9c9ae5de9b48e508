#include "core/forward/session_table.h"

#include <algorithm>
#include <unordered_set>

#include "core/base/check.h"

namespace rove {

bool PeerBudget::take_unproven(TimePoint now) {
  if (now >= period_end_) {
    period_end_ = now + kPeriod;
    unproven_ = 0;
  }
  if (unproven_ == kUnprovenMax) return false;
  ++unproven_;
  return true;
}

WorkerSession::WorkerSession(const SessionView& view, unsigned worker, PeerBudget& budget)
    : peer_(view.peer),
      local_index_(view.local_index),
      remote_index_(view.remote_index),
      endpoint_(view.endpoint),
      takes_segments_(view.segments),
      expires_(view.expires),
      budget_(budget),
      traffic_(view.traffic ? view.traffic : std::make_shared<PeerTraffic>()),
      meter_(traffic_->meter(worker)),
      sealing_(view.algorithm, *view.seal_key),
      opening_(view.algorithm, *view.open_key) {}

void WorkerSession::handle_view(const SessionView& view) {
  ROVE_CHECK(view.peer == peer_ && view.local_index == local_index_ && view.remote_index == remote_index_);
  endpoint_ = view.endpoint;
  takes_segments_ = view.segments;
  expires_ = view.expires;
}

bool WorkerSession::seal(unsigned shard, std::uint8_t flags, std::uint8_t index, BytesView plaintext,
                         std::uint8_t* to) {
  const std::optional<std::uint64_t> count = sent_.at(shard).take();
  if (!count) return false;
  const Header header{.type = DatagramType::Data,
                      .flags = flags,
                      .index = index,
                      .receiver = remote_index_,
                      .counter = {.lane = lane_of(shard), .count = *count}};
  store_header(to, header);
  sealing_.seal(header.counter.value(), {to, kHeaderSize}, plaintext, to + kHeaderSize);
  return true;
}

WorkerSession::Opened WorkerSession::open(const Header& header, BytesView datagram, std::uint8_t* to) {
  Lane* lane = find_lane(header.counter.lane);
  if (lane == nullptr && lanes_.size() == kLanesPerSessionMax) return {{}, DropReason::BadLane};
  if (lane != nullptr && !lane->window.may_accept(header.counter.count)) return {{}, DropReason::Replayed};

  const BytesView sealed = datagram.subspan(kHeaderSize);
  if (!opening_.open(header.counter.value(), datagram.first(kHeaderSize), sealed, to)) {
    return {{}, DropReason::Undecryptable};
  }
  if (lane == nullptr) lane = &lanes_.emplace_back(Lane{header.counter.lane, {}});
  if (!lane->window.accept(header.counter.count)) return {{}, DropReason::Replayed};
  return {{to, sealed.size() - kAeadTagSize}, std::nullopt};
}

bool WorkerSession::take_heard(TimePoint now, const Endpoint& from) {
  const Duration quiet = from == heard_from_ ? Duration{kHeardPeriod} : Duration{kHeardChangePeriod};
  if (heard_from_ && now - heard_at_ < quiet) return false;
  heard_from_ = from;
  heard_at_ = now;
  return true;
}

WorkerSession::Lane* WorkerSession::find_lane(std::uint8_t number) {
  const auto it = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& lane) { return lane.number == number; });
  return it == lanes_.end() ? nullptr : &*it;
}

void SessionTable::handle_snapshot(TimePoint now, const Snapshot& snapshot) {
  std::erase_if(retired_, [&](const auto& entry) { return now >= entry.second; });
  by_index_.clear();
  current_.clear();
  found_ = nullptr;

  std::unordered_set<std::uint64_t> present;
  std::unordered_set<NodeId> peers;
  for (const auto& [index, view] : snapshot.sessions) {
    ROVE_CHECK(index == view.local_index);
    by_index_.emplace(index, &adopt(view));
    present.insert(view.serial);
    peers.insert(view.peer);
  }
  for (const auto& [peer, index] : snapshot.current) {
    const auto it = by_index_.find(index);
    ROVE_CHECK(it != by_index_.end() && it->second->peer() == peer);
    current_.emplace(peer, it->second);
  }

  for (const auto& [serial, session] : sessions_) {
    if (!present.contains(serial)) retired_.emplace(serial, session->expires());
  }
  std::erase_if(sessions_, [&](const auto& entry) { return !present.contains(entry.first); });
  std::erase_if(budgets_, [&](const auto& entry) { return !peers.contains(entry.first); });
}

WorkerSession* SessionTable::find(SessionIndex local_index) const {
  if (found_ != nullptr && found_index_ == local_index) return found_;
  const auto it = by_index_.find(local_index);
  if (it == by_index_.end()) return nullptr;
  found_index_ = local_index;
  return found_ = it->second;
}

WorkerSession* SessionTable::find_current(TimePoint now, const NodeId& peer) const {
  const auto it = current_.find(peer);
  return it == current_.end() || it->second->is_expired(now) ? nullptr : it->second;
}

WorkerSession& SessionTable::adopt(const SessionView& view) {
  if (const auto it = sessions_.find(view.serial); it != sessions_.end()) {
    it->second->handle_view(view);
    return *it->second;
  }
  ROVE_CHECK(!retired_.contains(view.serial));
  ROVE_CHECK(view.seal_key != nullptr && view.open_key != nullptr);
  std::unique_ptr<PeerBudget>& budget = budgets_[view.peer];
  if (!budget) budget = std::make_unique<PeerBudget>();
  return *sessions_.emplace(view.serial, std::make_unique<WorkerSession>(view, worker_, *budget)).first->second;
}

}  // namespace rove
