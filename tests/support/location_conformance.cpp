#include "tests/support/location_conformance.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/crypto/hash.h"

namespace rove {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kNodes = 8;
constexpr std::uint64_t kSlot = 42;
// Ten minutes of OpenDHT's expiry, and time for it to be noticed.
constexpr minutes kExpired{12};

// The identities that the harness has, and records of theirs.
class World {
 public:
  World() : keys_(derive_naming_key(network_.key())) {
    for (std::size_t i = 0; i < kNodes; ++i) (void)network_.add_node("node" + std::to_string(i));
  }

  [[nodiscard]] StoredRecord claim(std::size_t node, std::uint64_t sequence) const {
    const SignedClaim signed_claim = network_.claim(network_.nodes()[node], mac_of("02:00:5e:10:00:01"), {ip()},
                                                    sequence, ClaimState::Live, kTestNow + hours{24});
    return {RecordKind::Claim, signed_claim.encoded};
  }
  [[nodiscard]] LocationKey key() const { return keys_.of(ip()); }
  [[nodiscard]] LocationKey other_key() const { return keys_.of(ip_of("10.77.0.99")); }

 private:
  [[nodiscard]] static IpAddress ip() { return ip_of("10.77.0.5"); }

  TestNetwork network_;
  LocationKeys keys_;
};

class Told {
 public:
  Told(LocationHarness& harness, std::size_t node) {
    while (auto event = harness.poll_event(node)) {
      if (auto* found = std::get_if<RecordFound>(&*event)) found_.push_back(std::move(*found));
      if (const auto* done = std::get_if<LookupDone>(&*event)) done_.push_back(*done);
      if (const auto* status = std::get_if<LocationStatus>(&*event)) status_ = *status;
    }
  }

  [[nodiscard]] bool found(std::optional<LookupId> lookup, const StoredRecord& record) const {
    return std::any_of(found_.begin(), found_.end(), [&](const RecordFound& found) {
      return found.lookup == lookup && found.record.bytes == record.bytes && found.record.kind == record.kind;
    });
  }
  [[nodiscard]] bool watched(const StoredRecord& record) const { return found(std::nullopt, record); }
  [[nodiscard]] std::size_t found_count() const { return found_.size(); }
  // -1: not done; 0: done without an answer; 1: done and reached; 2 and more: done more than once.
  [[nodiscard]] int outcome(LookupId lookup) const {
    int outcome = -1;
    for (const LookupDone& done : done_) {
      if (done.lookup == lookup) outcome = outcome == -1 ? int{done.reached} : outcome + 2;
    }
    return outcome;
  }
  [[nodiscard]] const std::optional<LocationStatus>& status() const { return status_; }

 private:
  std::vector<RecordFound> found_;
  std::vector<LookupDone> done_;
  std::optional<LocationStatus> status_;
};

constexpr int kNotReached = 0;
constexpr int kReached = 1;

// What a lookup by `node` finds, all told.
Told look_up(LocationHarness& harness, std::size_t node, const LocationKey& key, LookupId& id) {
  const Told before{harness, node};
  id = harness.service(node).lookup(key, /*fresh=*/true);
  harness.run_for(seconds{4});
  return {harness, node};
}

void check_lookups(const MakeHarness& make, const World& world) {
  LookupId id;

  SUBCASE("what one publishes every other finds") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->run_for(seconds{3});
    for (std::size_t node = 0; node < kNodes; ++node) {
      const Told told = look_up(*harness, node, world.key(), id);
      CHECK(told.found(id, world.claim(1, 7)));
      CHECK(told.found_count() == 1);
      CHECK(told.outcome(id) == kReached);
    }
  }
  SUBCASE("what nobody published is not found, and that is known for sure") {
    const auto harness = make(kNodes);
    const Told told = look_up(*harness, 2, world.other_key(), id);
    CHECK(told.found_count() == 0);
    CHECK(told.outcome(id) == kReached);
  }
  SUBCASE("two publishers under one key are both found") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->service(2).publish(world.key(), kSlot, world.claim(2, 8));
    harness->run_for(seconds{3});
    const Told told = look_up(*harness, 3, world.key(), id);
    CHECK(told.found(id, world.claim(1, 7)));
    CHECK(told.found(id, world.claim(2, 8)));
  }
  SUBCASE("lookups at the same time each end once") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->run_for(seconds{3});
    std::vector<LookupId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(harness->service(4).lookup(world.key(), i % 2 == 0));
    harness->run_for(seconds{4});
    const Told told{*harness, 4};
    for (const LookupId each : ids) {
      CHECK(told.found(each, world.claim(1, 7)));
      CHECK(told.outcome(each) == kReached);
    }
  }
}

void check_publications(const MakeHarness& make, const World& world) {
  LookupId id;

  SUBCASE("a publication is kept alive for hours") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->run_for(hours{2});
    CHECK(look_up(*harness, 5, world.key(), id).found(id, world.claim(1, 7)));
  }
  SUBCASE("a replaced record runs out, its successor stays") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->run_for(seconds{30});
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 8));
    harness->run_for(kExpired);
    const Told told = look_up(*harness, 5, world.key(), id);
    CHECK_FALSE(told.found(id, world.claim(1, 7)));
    CHECK(told.found(id, world.claim(1, 8)));
  }
  SUBCASE("records in different slots stand beside each other") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->service(1).publish(world.key(), kSlot + 1, world.claim(1, 8));
    harness->run_for(kExpired);
    const Told told = look_up(*harness, 5, world.key(), id);
    CHECK(told.found(id, world.claim(1, 7)));
    CHECK(told.found(id, world.claim(1, 8)));
  }
  SUBCASE("a withdrawn record runs out") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->run_for(seconds{30});
    harness->service(1).withdraw(world.key(), kSlot);
    harness->service(1).withdraw(world.other_key(), kSlot);  // never published: nothing happens
    harness->run_for(kExpired);
    const Told told = look_up(*harness, 5, world.key(), id);
    CHECK(told.found_count() == 0);
    CHECK(told.outcome(id) == kReached);
  }
}

void check_watches(const MakeHarness& make, const World& world) {
  SUBCASE("a watch reports what is there and what comes, at the publisher too, until it ends") {
    const auto harness = make(kNodes);
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 7));
    harness->run_for(seconds{3});
    harness->service(3).watch(world.key());
    harness->service(1).watch(world.key());
    harness->service(6).watch(world.other_key());
    harness->run_for(seconds{3});
    CHECK(Told{*harness, 3}.watched(world.claim(1, 7)));
    CHECK(Told{*harness, 1}.watched(world.claim(1, 7)));

    harness->service(2).publish(world.key(), kSlot, world.claim(2, 8));
    harness->run_for(seconds{2});
    CHECK(Told{*harness, 3}.watched(world.claim(2, 8)));
    CHECK(Told{*harness, 1}.watched(world.claim(2, 8)));
    CHECK(Told{*harness, 6}.found_count() == 0);

    harness->service(3).unwatch(world.key());
    harness->run_for(seconds{2});
    (void)Told{*harness, 3};
    harness->service(4).publish(world.key(), kSlot, world.claim(4, 9));
    harness->run_for(minutes{3});
    CHECK(Told{*harness, 3}.found_count() == 0);
    CHECK(Told{*harness, 1}.watched(world.claim(4, 9)));
  }
  SUBCASE("a watch reports a move after hours of silence") {
    const auto harness = make(kNodes);
    harness->service(3).watch(world.key());
    harness->service(3).watch(world.key());  // again: nothing happens
    harness->run_for(hours{2});
    harness->service(2).publish(world.key(), kSlot, world.claim(2, 8));
    harness->run_for(seconds{2});
    CHECK(Told{*harness, 3}.watched(world.claim(2, 8)));
  }
}

void check_outages(const MakeHarness& make, const World& world) {
  LookupId id;

  SUBCASE("a lone node is connected, to itself only, and finds its own records") {
    const auto harness = make(1);
    harness->service(0).publish(world.key(), kSlot, world.claim(0, 7));
    id = harness->service(0).lookup(world.key(), true);
    harness->run_for(seconds{4});
    const Told told{*harness, 0};
    CHECK(told.found(id, world.claim(0, 7)));
    CHECK(told.outcome(id) == kNotReached);
    REQUIRE(told.status());
    CHECK(told.status()->connected);
    CHECK(told.status()->nodes == 0);
  }
  SUBCASE("a node that was cut off knows it, and makes up for everything afterwards") {
    const auto harness = make(kNodes);
    harness->service(3).watch(world.key());
    harness->run_for(seconds{10});
    const Told before{*harness, 3};
    REQUIRE(before.status());
    CHECK(before.status()->connected);

    harness->cut(3, true);
    harness->service(3).publish(world.key(), kSlot, world.claim(3, 8));
    harness->service(1).publish(world.key(), kSlot, world.claim(1, 9));
    harness->run_for(seconds{40});
    const Told during = look_up(*harness, 3, world.key(), id);
    CHECK(during.found(id, world.claim(3, 8)));  // its own
    CHECK_FALSE(during.watched(world.claim(1, 9)));
    CHECK(during.outcome(id) == kNotReached);

    harness->cut(3, false);
    harness->run_for(seconds{20});
    const Told after{*harness, 3};
    CHECK(after.watched(world.claim(1, 9)));
    REQUIRE(after.status());
    CHECK(after.status()->connected);
    CHECK(look_up(*harness, 5, world.key(), id).found(id, world.claim(3, 8)));
    CHECK(look_up(*harness, 3, world.key(), id).outcome(id) == kReached);
  }
}

}  // namespace

void check_location_conformance(const MakeHarness& make) {
  const World world;
  check_lookups(make, world);
  check_publications(make, world);
  check_watches(make, world);
  check_outages(make, world);
}

}  // namespace rove
