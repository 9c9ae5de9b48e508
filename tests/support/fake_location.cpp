#include "tests/support/fake_location.h"

#include <algorithm>

#include "core/base/check.h"

namespace rove {
namespace {

constexpr std::chrono::minutes kLifetime{10};
constexpr std::chrono::seconds kResend{1};
constexpr std::chrono::seconds kUnreachableAfter{3};
// Until a node that can reach others again has put and heard everything.
constexpr std::chrono::seconds kRecovery{2};

}  // namespace

FakeLocationNetwork::FakeLocationNetwork(FakeLocationOptions options) : options_(options), random_(options.seed) {}
FakeLocationNetwork::~FakeLocationNetwork() = default;

FakeLocation& FakeLocationNetwork::add_node() {
  nodes_.push_back(std::unique_ptr<FakeLocation>(new FakeLocation(*this, nodes_.size())));
  for (auto& [key, values] : values_) {
    for (Value& value : values) {
      value.known_from.resize(nodes_.size());
      if (nodes_[value.publisher]->group_ == 0) value.known_from.back() = now_;
    }
  }
  report_status();
  return *nodes_.back();
}

void FakeLocationNetwork::advance(TimePoint now) {
  ROVE_CHECK(now >= now_);
  while (!actions_.empty() && actions_.top().when <= now) {
    const Action action = actions_.top();
    actions_.pop();
    now_ = action.when;
    action.run();
  }
  now_ = now;
}

std::optional<TimePoint> FakeLocationNetwork::poll_timeout() const {
  if (actions_.empty()) return std::nullopt;
  return actions_.top().when;
}

void FakeLocationNetwork::set_group(std::size_t node, int group) {
  nodes_.at(node)->group_ = group;
  report_status();
  schedule(kRecovery, [this] {
    for (auto& [key, values] : values_) {
      for (Value& value : values) {
        if (value.slot) spread(key, value);
      }
    }
  });
}

void FakeLocationNetwork::restart(std::size_t node) {
  FakeLocation& location = *nodes_.at(node);
  ++location.life_;
  location.watches_.clear();
  location.events_.clear();
  location.reported_.reset();
  for (auto& [key, values] : values_) {
    for (Value& value : values) {
      if (value.publisher != node || !value.slot) continue;
      value.slot.reset();
      value.expires = now_ + kLifetime;
    }
  }
  report_status();
}

void FakeLocationNetwork::publish(std::size_t node, const LocationKey& key, std::uint64_t slot, StoredRecord record) {
  drop_expired(key);
  for (const Value& value : values_[key]) {
    const bool is_same = value.publisher == node && value.slot == slot && value.record.bytes == record.bytes;
    if (is_same) return;
  }
  withdraw(node, key, slot);
  Value value{std::move(record), node, slot, {}, {}};
  value.known_from.resize(nodes_.size());
  value.known_from[node] = now_;
  FakeLocation& location = *nodes_[node];
  if (location.watches_.count(key) != 0) location.events_.push_back(RecordFound{key, std::nullopt, value.record});
  spread(key, value);
  values_[key].push_back(std::move(value));
}

void FakeLocationNetwork::withdraw(std::size_t node, const LocationKey& key, std::uint64_t slot) {
  const auto values = values_.find(key);
  if (values == values_.end()) return;
  for (Value& value : values->second) {
    if (value.publisher != node || value.slot != slot) continue;
    value.slot.reset();
    value.expires = now_ + kLifetime;
  }
}

void FakeLocationNetwork::spread(const LocationKey& key, Value& value) {
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    const bool is_reached = nodes_[node]->group_ == nodes_[value.publisher]->group_;
    if (!is_reached || value.known_from[node]) continue;
    const Duration delay = travel_time(1);
    value.known_from[node] = now_ + delay;
    if (nodes_[node]->watches_.count(key) == 0) continue;
    schedule(delay + travel_time(1), [this, node, key, record = value.record] {
      FakeLocation& location = *nodes_[node];
      if (location.watches_.count(key) != 0) location.events_.push_back(RecordFound{key, std::nullopt, record});
    });
  }
}

void FakeLocationNetwork::lookup(std::size_t node, const LocationKey& key, LookupId id) {
  report_all(node, key, id, /*own=*/true);
  const std::uint64_t life = nodes_[node]->life_;
  const auto finish = [this, node, id, life](bool reached) {
    if (nodes_[node]->life_ == life) nodes_[node]->events_.push_back(LookupDone{id, reached});
  };
  if (nodes_.size() == 1) return finish(false);
  if (reachable(node) == 0) return schedule(kUnreachableAfter, [finish] { finish(false); });

  const Duration first = travel_time(2);
  schedule(first, [this, node, key, id, life] {
    if (nodes_[node]->life_ == life) report_all(node, key, id, /*own=*/false);
  });
  schedule(first + travel_time(2), [finish] { finish(true); });
}

void FakeLocationNetwork::watch(std::size_t node, const LocationKey& key) {
  report_all(node, key, std::nullopt, /*own=*/true);
  schedule(travel_time(4), [this, node, key] {
    if (nodes_[node]->watches_.count(key) != 0) report_all(node, key, std::nullopt, /*own=*/false);
  });
}

void FakeLocationNetwork::report_all(std::size_t node, const LocationKey& key, std::optional<LookupId> lookup,
                                     bool own) {
  drop_expired(key);
  const auto values = values_.find(key);
  if (values == values_.end()) return;
  for (const Value& value : values->second) {
    const bool is_own = value.publisher == node && value.slot;
    if (is_own == own && is_known(value, node)) {
      nodes_[node]->events_.push_back(RecordFound{key, lookup, value.record});
    }
  }
}

void FakeLocationNetwork::report_status() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    LocationStatus status;
    status.nodes = static_cast<std::uint32_t>(reachable(i));
    status.connected = status.nodes > 0 || nodes_.size() == 1;
    auto& reported = nodes_[i]->reported_;
    if (reported && reported->connected == status.connected && reported->nodes == status.nodes) continue;
    reported = status;
    nodes_[i]->events_.push_back(status);
  }
}

void FakeLocationNetwork::schedule(Duration delay, std::function<void()> run) {
  actions_.push({now_ + delay, ++scheduled_, std::move(run)});
}

Duration FakeLocationNetwork::travel_time(int hops) {
  Duration time = options_.delay * hops;
  for (int i = 0; i < hops; ++i) {
    while (random_.fraction() < options_.loss) time += kResend;
  }
  return time;
}

std::size_t FakeLocationNetwork::reachable(std::size_t node) const {
  const auto in_group = std::count_if(nodes_.begin(), nodes_.end(),
                                      [&](const auto& other) { return other->group_ == nodes_[node]->group_; });
  return static_cast<std::size_t>(in_group) - 1;
}

bool FakeLocationNetwork::is_known(const Value& value, std::size_t node) const {
  return value.known_from[node] && *value.known_from[node] <= now_;
}

void FakeLocationNetwork::drop_expired(const LocationKey& key) {
  const auto values = values_.find(key);
  if (values == values_.end()) return;
  std::erase_if(values->second, [this](const Value& value) { return !value.slot && value.expires <= now_; });
  if (values->second.empty()) values_.erase(values);
}

void FakeLocation::publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) {
  network_.publish(number_, key, slot, std::move(record));
}

void FakeLocation::withdraw(const LocationKey& key, std::uint64_t slot) {
  network_.withdraw(number_, key, slot);
}

LookupId FakeLocation::lookup(const LocationKey& key, bool) {
  const LookupId id{++last_lookup_};
  network_.lookup(number_, key, id);
  return id;
}

void FakeLocation::watch(const LocationKey& key) {
  if (watches_.insert(key).second) network_.watch(number_, key);
}

void FakeLocation::unwatch(const LocationKey& key) {
  watches_.erase(key);
}

std::optional<LocationEvent> FakeLocation::poll_event() {
  if (events_.empty()) return std::nullopt;
  LocationEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace rove
