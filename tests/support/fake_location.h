// The location service of many nodes in memory: for simulations that are too large for the real OpenDHT.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <vector>

#include "core/base/time.h"
#include "core/location/location_service.h"
#include "tests/support/seeded_random.h"

namespace rove {

struct FakeLocationOptions {
  std::uint64_t seed = 1;
  Duration delay = std::chrono::milliseconds{25};  // one way
  double loss = 0;                                 // of a datagram, which is sent again a second later
};

class FakeLocation;

// Behaves towards its users as DhtEngine does (tests/support/location_conformance.h), with three
// simplifications: records are not verified, whoever is cut off knows it at once, and a record is either
// on all nodes that its publisher could reach or on none.
class FakeLocationNetwork {
 public:
  explicit FakeLocationNetwork(FakeLocationOptions options = {});
  ~FakeLocationNetwork();

  // Stays valid as long as the network.
  FakeLocation& add_node();
  [[nodiscard]] FakeLocation& node(std::size_t number) { return *nodes_.at(number); }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }

  // Delivers what is due. Time never goes back; calls on a service happen at the last time given here.
  void advance(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  // Only nodes of the same group reach each other. At first all are in group 0.
  void set_group(std::size_t node, int group);
  // The process dies: what it published runs out, and it starts anew with nothing.
  void restart(std::size_t node);

 private:
  friend class FakeLocation;

  // One record under one key. While `slot` is set its publisher keeps it alive.
  struct Value {
    StoredRecord record;
    std::size_t publisher = 0;
    std::optional<std::uint64_t> slot;
    TimePoint expires{};
    std::vector<std::optional<TimePoint>> known_from;  // by node
  };
  struct Action {
    TimePoint when{};
    std::uint64_t order = 0;
    std::function<void()> run;
    bool operator<(const Action& other) const { return std::pair{when, order} > std::pair{other.when, other.order}; }
  };

  void publish(std::size_t node, const LocationKey& key, std::uint64_t slot, StoredRecord record);
  void withdraw(std::size_t node, const LocationKey& key, std::uint64_t slot);
  void lookup(std::size_t node, const LocationKey& key, LookupId id);
  void watch(std::size_t node, const LocationKey& key);

  void schedule(Duration delay, std::function<void()> run);
  // Of `hops` datagrams one after the other.
  [[nodiscard]] Duration travel_time(int hops);
  void spread(const LocationKey& key, Value& value);
  void report_all(std::size_t node, const LocationKey& key, std::optional<LookupId> lookup, bool own);
  void report_status();
  [[nodiscard]] std::size_t reachable(std::size_t node) const;
  [[nodiscard]] bool is_known(const Value& value, std::size_t node) const;
  void drop_expired(const LocationKey& key);

  FakeLocationOptions options_;
  SeededRandom random_;
  TimePoint now_{};
  std::vector<std::unique_ptr<FakeLocation>> nodes_;
  std::map<LocationKey, std::vector<Value>> values_;
  std::priority_queue<Action> actions_;
  std::uint64_t scheduled_ = 0;
};

class FakeLocation final : public LocationService {
 public:
  void publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) override;
  void withdraw(const LocationKey& key, std::uint64_t slot) override;
  LookupId lookup(const LocationKey& key, bool fresh) override;
  void watch(const LocationKey& key) override;
  void unwatch(const LocationKey& key) override;
  void add_certificate(const NodeId&, Bytes) override {}  // nothing is verified here
  std::optional<LocationEvent> poll_event() override;

  [[nodiscard]] bool has_event() const { return !events_.empty(); }
  [[nodiscard]] std::uint64_t lookups() const { return last_lookup_; }

 private:
  friend class FakeLocationNetwork;
  FakeLocation(FakeLocationNetwork& network, std::size_t number) : network_(network), number_(number) {}

  FakeLocationNetwork& network_;
  std::size_t number_;
  int group_ = 0;
  std::uint64_t life_ = 0;  // answers to an earlier one are lost
  std::uint64_t last_lookup_ = 0;
  std::set<LocationKey> watches_;
  std::deque<LocationEvent> events_;
  std::optional<LocationStatus> reported_;
};

}  // namespace rove
