// The test supports that simulations rely on.
#include "tests/support/dht_network.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/support/fake_location.h"

namespace rove {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const MacAddress kMac = mac_of("02:00:5e:10:00:01");

// A hash over all that is sent in a busy quarter of an hour.
std::size_t run_and_hash(std::uint64_t seed) {
  DhtNetworkOptions options;
  options.seed = seed;
  options.loss = 0.02;
  DhtNetwork network{options};
  std::size_t hash = 0;
  network.set_tap(
      [&](std::size_t from, const Endpoint&, BytesView message) { hash = hash_bytes(message, hash + from); });
  network.grow(12);
  for (std::size_t node = 0; node < network.size(); ++node) {
    const IpAddress ip = ip_of("10.77.0." + std::to_string(node + 1));
    const SignedClaim claim = network.identities().claim(network.identity(node), kMac, {ip}, 1);
    network.engine(node).publish(network.keys().of(ip), 1, {RecordKind::Claim, claim.encoded});
    network.engine((node + 3) % network.size()).watch(network.keys().of(ip));
  }
  for (std::size_t node = 0; node < network.size(); ++node) network.wake(node);
  network.run_for(minutes{15});
  return hash;
}

StoredRecord record_of(std::uint8_t content) {
  return {RecordKind::Claim, Bytes(8, content)};
}

std::size_t found_count(FakeLocation& location) {
  std::size_t count = 0;
  while (const auto event = location.poll_event()) count += std::holds_alternative<RecordFound>(*event);
  return count;
}

// What was found, each once: a watch may tell of a record more than once, as OpenDHT's does.
std::set<std::uint8_t> found_contents(FakeLocation& location) {
  std::set<std::uint8_t> contents;
  while (const auto event = location.poll_event()) {
    if (const auto* found = std::get_if<RecordFound>(&*event)) contents.insert(found->record.bytes.at(0));
  }
  return contents;
}

}  // namespace

TEST_CASE("DhtNetwork: a seed replays a run to the octet") {
  const std::size_t first = run_and_hash(1);

  CHECK(run_and_hash(1) == first);
  CHECK(run_and_hash(2) != first);
}

TEST_CASE("VirtualDhtClock: time stands still but for advance, and is the system's afterwards") {
  const auto real_before = std::chrono::steady_clock::now();
  {
    VirtualDhtClock clock{1};
    const Now begin = clock.now();
    CHECK(clock.now().steady == begin.steady);
    clock.advance(seconds{90});
    CHECK(clock.now().steady - begin.steady == seconds{90});
    CHECK(clock.now().wall - begin.wall == seconds{90});
    CHECK(begin.wall == kTestNow);
    CHECK(to_steady(clock.now().steady) == std::chrono::steady_clock::now());
  }
  CHECK(std::chrono::steady_clock::now() >= real_before);
  CHECK(std::chrono::steady_clock::now() - real_before < std::chrono::hours{1});
}

TEST_CASE("FakeLocationNetwork: what a dead node published runs out") {
  FakeLocationNetwork network;
  FakeLocation& dead = network.add_node();
  FakeLocation& asker = network.add_node();
  const LocationKey key{};
  TimePoint now{};
  dead.publish(key, 1, record_of(1));
  network.advance(now += seconds{1});
  network.restart(0);
  CHECK(dead.has_event());  // its status

  (void)asker.lookup(key, true);
  network.advance(now += seconds{1});
  CHECK(found_count(asker) == 1);
  network.advance(now += minutes{10});
  (void)asker.lookup(key, true);
  network.advance(now += seconds{1});
  CHECK(found_count(asker) == 0);
}

TEST_CASE("FakeLocationNetwork: nodes of different groups do not hear of each other's records until they meet") {
  FakeLocationNetwork network;
  for (int i = 0; i < 4; ++i) (void)network.add_node();
  const LocationKey key{};
  TimePoint now{};
  network.set_group(2, 1);
  network.set_group(3, 1);
  network.node(0).publish(key, 1, record_of(1));
  network.node(2).watch(key);
  network.node(3).publish(key, 1, record_of(2));
  network.advance(now += seconds{10});
  CHECK(found_contents(network.node(2)) == std::set<std::uint8_t>{2});

  network.set_group(2, 0);
  network.set_group(3, 0);
  network.advance(now += seconds{10});
  CHECK(found_contents(network.node(2)) == std::set<std::uint8_t>{1});
  (void)network.node(1).lookup(key, true);
  network.advance(now += seconds{1});
  CHECK(found_contents(network.node(1)) == std::set<std::uint8_t>{1, 2});
}

TEST_CASE("FakeLocationNetwork: it says when it wants to be called, and loss only delays") {
  FakeLocationOptions options;
  options.loss = 0.3;
  FakeLocationNetwork network{options};
  FakeLocation& publisher = network.add_node();
  FakeLocation& asker = network.add_node();
  publisher.publish(LocationKey{}, 1, record_of(1));
  network.advance(TimePoint{minutes{1}});
  (void)found_count(asker);
  CHECK_FALSE(network.poll_timeout());

  for (int i = 0; i < 100; ++i) {
    (void)asker.lookup(LocationKey{}, false);
    std::size_t found = 0;
    while (const auto next = network.poll_timeout()) {
      network.advance(*next);
      found += found_count(asker);
    }
    CHECK(found == 1);
  }
}

}  // namespace rove
