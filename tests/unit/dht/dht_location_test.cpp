// Real threads and the real clock: nothing here depends on how long anything takes.
#include "dht/dht_location.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/crypto/hash.h"
#include "core/location/location_keys.h"
#include "tests/support/test_network.h"

namespace rove {
namespace {

const MacAddress kMac = mac_of("02:00:5e:10:00:01");
const IpAddress kIp = ip_of("10.77.0.5");
// Only reached when something is broken.
constexpr std::chrono::seconds kGiveUp{60};

// Some DhtLocations and a control thread (the test's) that carries datagrams between them.
class Cluster {
 public:
  explicit Cluster(std::size_t size) : keys_(derive_naming_key(network_.key())) {
    for (std::size_t i = 0; i < size; ++i) {
      const TestNode& identity = network_.add_node("node" + std::to_string(i));
      DhtConfig config{keys_.dht_node_id(identity.key()),
                       network_.id(),
                       network_.anchor(),
                       derive_naming_key(network_.key()),
                       {},
                       {},
                       {}};
      if (i > 0) config.bootstrap = {endpoint(0)};
      config.local_endpoints = {endpoint(i)};
      locations_.push_back(std::make_unique<DhtLocation>(std::move(config), [this] { wake(); }));
      events_.emplace_back();
    }
  }
  ~Cluster() { locations_.clear(); }  // before what wake() uses

  // Carries datagrams and collects events until `done`; false when that takes too long.
  bool run_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + kGiveUp;
    for (;;) {
      carry();
      if (done()) return true;
      if (std::chrono::steady_clock::now() > limit) return false;
      // Counters change without a wake.
      std::unique_lock lock(mutex_);
      condition_.wait_for(lock, std::chrono::milliseconds{10}, [this] { return is_woken_; });
      is_woken_ = false;
    }
  }

  [[nodiscard]] bool has_found(std::size_t node, std::optional<LookupId> lookup, const SignedClaim& claim) const {
    for (const LocationEvent& event : events_[node]) {
      const auto* found = std::get_if<RecordFound>(&event);
      if (found != nullptr && found->lookup == lookup && found->record.bytes == claim.encoded) return true;
    }
    return false;
  }
  [[nodiscard]] std::size_t done_count(std::size_t node) const {
    std::size_t count = 0;
    for (const LocationEvent& event : events_[node]) count += std::holds_alternative<LookupDone>(event);
    return count;
  }
  [[nodiscard]] bool is_joined(std::size_t node) const {
    bool joined = false;
    for (const LocationEvent& event : events_[node]) {
      if (const auto* status = std::get_if<LocationStatus>(&event)) joined = status->nodes > 0;
    }
    return joined;
  }
  [[nodiscard]] SignedClaim claim(std::size_t node, std::uint64_t sequence) const {
    // The threads judge by the system's clock.
    const WallTime later = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now()) +
                           std::chrono::hours{1};
    return network_.claim(network_.nodes()[node], kMac, {kIp}, sequence, ClaimState::Live, later);
  }
  [[nodiscard]] DhtLocation& operator[](std::size_t node) { return *locations_[node]; }
  [[nodiscard]] LocationKey key() const { return keys_.of(kIp); }
  [[nodiscard]] static Endpoint endpoint(std::size_t node) {
    return {ip_of("10.1.0.1"), static_cast<std::uint16_t>(1000 + node)};
  }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      is_woken_ = true;
    }
    condition_.notify_one();
  }
  void carry() {
    for (std::size_t node = 0; node < locations_.size(); ++node) {
      while (auto datagram = locations_[node]->poll_transmit()) {
        const std::size_t to = datagram->to.port - 1000u;
        if (to < locations_.size()) locations_[to]->deliver(endpoint(node), std::move(datagram->bytes));
      }
      while (auto event = locations_[node]->poll_event()) events_[node].push_back(std::move(*event));
    }
  }

  TestNetwork network_;
  LocationKeys keys_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_woken_ = false;  // guarded by mutex_
  std::vector<std::vector<LocationEvent>> events_;
  std::vector<std::unique_ptr<DhtLocation>> locations_;
};

}  // namespace

TEST_CASE("DhtLocation: nodes on threads of their own find each other's records") {
  Cluster cluster{4};
  for (std::size_t node = 0; node < 4; ++node) {
    REQUIRE(cluster.run_until([&] { return cluster.is_joined(node); }));
  }
  const SignedClaim claim = cluster.claim(1, 7);

  cluster[3].watch(cluster.key());
  cluster[1].publish(cluster.key(), 1, {RecordKind::Claim, claim.encoded});
  REQUIRE(cluster.run_until([&] { return cluster.has_found(3, std::nullopt, claim); }));
  const LookupId id = cluster[2].lookup(cluster.key(), true);
  REQUIRE(cluster.run_until([&] { return cluster.has_found(2, id, claim); }));
  REQUIRE(cluster.run_until([&] { return cluster.done_count(2) == 1; }));
  CHECK(cluster.run_until([&] { return cluster[2].known_nodes().size() >= 2; }));
  CHECK(cluster.run_until([&] { return cluster[1].counters().published == 1; }));

  cluster[3].unwatch(cluster.key());
  cluster[1].withdraw(cluster.key(), 1);
  CHECK(cluster.run_until([&] { return cluster[1].counters().published == 0; }));
  CHECK(cluster.run_until([&] { return cluster[3].counters().watches == 0; }));
}

TEST_CASE("DhtLocation: commands are not lost, however many come at a time") {
  // More than the mailbox holds.
  constexpr std::uint64_t kCommands = 20'000;
  Cluster cluster{1};
  LookupId last;
  for (std::uint64_t i = 0; i < kCommands; ++i) last = cluster[0].lookup(cluster.key(), false);

  CHECK(last.value == kCommands);
  CHECK(cluster.run_until([&] { return cluster.done_count(0) == kCommands; }));
}

TEST_CASE("DhtLocation: datagrams that come too fast are dropped and counted, and the thread goes on") {
  Cluster cluster{1};
  constexpr std::uint64_t kDatagrams = 50'000;
  for (std::uint64_t i = 0; i < kDatagrams; ++i) cluster[0].deliver(Cluster::endpoint(5), Bytes{0xff});

  CHECK(cluster.run_until([&] {
    const DhtCounters counters = cluster[0].counters();
    return counters.bad_shape + counters.datagrams_in_dropped == kDatagrams;
  }));
}

TEST_CASE("DhtLocation: it may go at any moment") {
  for (int i = 0; i < 20; ++i) {
    Cluster cluster{3};
    cluster[1].watch(cluster.key());
    (void)cluster[2].lookup(cluster.key(), true);
    for (int turn = 0; turn < i; ++turn) (void)cluster.run_until([] { return true; });
  }
}

}  // namespace rove
