// The engine's tables: what is published, watched and looked up.
#include <doctest/doctest.h>

#include <algorithm>

#include "dht/known_nodes.h"
#include "dht/lookup_table.h"
#include "dht/pacer.h"
#include "dht/publisher.h"
#include "dht/watch_table.h"
#include "tests/support/test_network.h"

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = std::chrono::steady_clock::time_point;

constexpr Time kStart{std::chrono::hours{1}};

LocationKey key_of(std::uint16_t number) {
  LocationKey key;
  store_be<std::uint16_t>(key.octets.data(), number);
  return key;
}

StoredRecord record_of(std::uint8_t content) {
  return {RecordKind::Claim, Bytes(8, content)};
}

std::optional<Publisher::Put> take_put(Publisher& publisher, Time now) {
  const auto order = publisher.poll_order(now);
  if (!order) return std::nullopt;
  REQUIRE(std::holds_alternative<Publisher::Put>(*order));
  return std::get<Publisher::Put>(*order);
}

}  // namespace

TEST_CASE("Pacer: a burst, then a steady rate, and a rest earns a burst again") {
  Pacer pacer{kStart, 10, 3};
  const auto burst_at = [&pacer](Time now) {
    int taken = 0;
    while (pacer.take(now)) ++taken;
    return taken;
  };

  CHECK(burst_at(kStart) == 3);
  CHECK(pacer.next() == kStart + milliseconds{100});
  CHECK(burst_at(kStart + milliseconds{99}) == 0);
  CHECK(burst_at(kStart + milliseconds{100}) == 1);
  CHECK(burst_at(kStart + milliseconds{300}) == 2);
  CHECK(burst_at(kStart + seconds{100}) == 3);
}

TEST_CASE("Publisher: a record is put at once, and permanently a second later") {
  Publisher publisher{kStart};
  publisher.publish(key_of(1), 1, record_of(1));

  const auto first = take_put(publisher, kStart);
  REQUIRE(first);
  CHECK(first->key == key_of(1));
  CHECK(first->record.bytes == record_of(1).bytes);
  CHECK(first->value_id == value_id_of(record_of(1)));
  CHECK_FALSE(first->permanent);
  CHECK_FALSE(publisher.poll_order(kStart));
  REQUIRE(publisher.poll_timeout() == kStart + seconds{1});

  const auto second = take_put(publisher, kStart + seconds{1});
  REQUIRE(second);
  CHECK(second->permanent);
  CHECK_FALSE(publisher.poll_order(kStart + seconds{2}));
  CHECK_FALSE(publisher.poll_timeout());
}

TEST_CASE("Publisher: a record that replaces another cancels it first") {
  Publisher publisher{kStart};
  publisher.publish(key_of(1), 1, record_of(1));
  (void)publisher.poll_order(kStart);
  publisher.publish(key_of(1), 1, record_of(2));

  const auto cancel = publisher.poll_order(kStart);
  REQUIRE(cancel);
  REQUIRE(std::holds_alternative<Publisher::Cancel>(*cancel));
  CHECK(std::get<Publisher::Cancel>(*cancel).value_id == value_id_of(record_of(1)));
  CHECK(take_put(publisher, kStart)->value_id == value_id_of(record_of(2)));
  // Of the first one nothing is left to do.
  CHECK(take_put(publisher, kStart + seconds{1})->value_id == value_id_of(record_of(2)));
  CHECK_FALSE(publisher.poll_order(kStart + seconds{5}));
  CHECK(publisher.size() == 1);
}

TEST_CASE("Publisher: what was never put needs no cancelling") {
  Publisher publisher{kStart};
  publisher.publish(key_of(1), 1, record_of(1));
  publisher.publish(key_of(1), 1, record_of(2));
  publisher.publish(key_of(2), 1, record_of(3));
  publisher.withdraw(key_of(2), 1);

  CHECK(take_put(publisher, kStart)->value_id == value_id_of(record_of(2)));
  CHECK_FALSE(publisher.poll_order(kStart));
}

TEST_CASE("Publisher: a record in two slots is cancelled with the second") {
  Publisher publisher{kStart};
  publisher.publish(key_of(1), 1, record_of(1));
  publisher.publish(key_of(1), 2, record_of(1));
  (void)take_put(publisher, kStart);
  (void)take_put(publisher, kStart);

  publisher.withdraw(key_of(1), 1);
  CHECK_FALSE(publisher.poll_order(kStart));
  publisher.withdraw(key_of(1), 2);
  CHECK(publisher.poll_order(kStart));
}

TEST_CASE("Publisher: the same record again changes nothing") {
  Publisher publisher{kStart};
  publisher.publish(key_of(1), 1, record_of(1));
  (void)take_put(publisher, kStart);
  publisher.publish(key_of(1), 1, record_of(1));

  CHECK_FALSE(publisher.poll_order(kStart));
  CHECK(take_put(publisher, kStart + seconds{1})->permanent);
}

TEST_CASE("Publisher: a replay puts everything, permanently and paced, and lets new records go first") {
  constexpr std::uint16_t kRecords = 500;
  Publisher publisher{kStart};
  Time now = kStart;
  for (std::uint16_t i = 0; i < kRecords; ++i) publisher.publish(key_of(i), 1, record_of(1));
  while (const auto next = publisher.poll_timeout()) {
    now = std::max(now, *next);
    while (publisher.poll_order(now)) {
    }
  }

  now += seconds{1};
  publisher.replay(now);
  publisher.publish(key_of(kRecords), 1, record_of(2));
  const auto first = take_put(publisher, now);
  REQUIRE(first);
  CHECK(first->value_id == value_id_of(record_of(2)));
  std::set<LocationKey> replayed;
  const Time begin = now;
  while (const auto next = publisher.poll_timeout()) {
    now = std::max(now, *next);
    while (const auto put = take_put(publisher, now)) {
      CHECK(put->permanent);
      replayed.insert(put->key);
    }
  }
  CHECK(replayed.size() == kRecords + 1);
  CHECK(now - begin > seconds{2});
  CHECK(now - begin < seconds{4});
}

TEST_CASE("Publisher: find gives all slots of a key and no other key's") {
  Publisher publisher{kStart};
  publisher.publish(key_of(1), 1, record_of(1));
  publisher.publish(key_of(1), ~std::uint64_t{0}, record_of(2));
  publisher.publish(key_of(2), 1, record_of(3));

  CHECK(publisher.find(key_of(1)).size() == 2);
  CHECK(publisher.find(key_of(2)).size() == 1);
  CHECK(publisher.find(key_of(3)).empty());
}

TEST_CASE("WatchTable: a watch listens once and is read again about every minute") {
  WatchTable watches{kStart};
  CHECK(watches.watch(key_of(1)));
  CHECK_FALSE(watches.watch(key_of(1)));

  const auto listen = watches.poll_order(kStart);
  REQUIRE(listen);
  CHECK(std::holds_alternative<WatchTable::Listen>(*listen));
  CHECK_FALSE(watches.poll_order(kStart));

  Time last = kStart;
  for (int i = 0; i < 20; ++i) {
    const auto next = watches.poll_timeout();
    REQUIRE(next);
    if (i > 0) {
      CHECK(*next - last >= seconds{54});
      CHECK(*next - last <= seconds{66});
    }
    last = *next;
    const auto reread = watches.poll_order(last);
    REQUIRE(reread);
    CHECK(std::holds_alternative<WatchTable::Reread>(*reread));
  }
}

TEST_CASE("WatchTable: rereads of keys that were watched together come apart") {
  WatchTable watches{kStart};
  for (std::uint16_t i = 0; i < 60; ++i) (void)watches.watch(key_of(static_cast<std::uint16_t>(i * 1000)));
  while (watches.poll_order(kStart)) {
  }

  int early = 0;
  while (watches.poll_order(kStart + seconds{45})) ++early;

  CHECK(early > 10);
  CHECK(early < 50);
}

TEST_CASE("WatchTable: unwatch cancels the listen, if there is one") {
  WatchTable watches{kStart};
  (void)watches.watch(key_of(1));
  watches.unwatch(key_of(1));
  CHECK_FALSE(watches.poll_order(kStart));

  (void)watches.watch(key_of(1));
  (void)watches.poll_order(kStart);
  watches.unwatch(key_of(1));
  const auto unlisten = watches.poll_order(kStart);
  REQUIRE(unlisten);
  CHECK(std::holds_alternative<WatchTable::Unlisten>(*unlisten));
  CHECK_FALSE(watches.poll_timeout());
  watches.unwatch(key_of(1));
  CHECK(watches.size() == 0);
}

TEST_CASE("WatchTable: a replay listens to everything again, and a gap has everything read at once") {
  WatchTable watches{kStart};
  for (std::uint16_t i = 0; i < 10; ++i) (void)watches.watch(key_of(i));
  const auto count = [&watches](Time now) {
    std::pair<int, int> listens_and_rereads;
    while (const auto order = watches.poll_order(now)) {
      ++(std::holds_alternative<WatchTable::Listen>(*order) ? listens_and_rereads.first : listens_and_rereads.second);
    }
    return listens_and_rereads;
  };

  CHECK(count(kStart) == std::pair{10, 0});
  watches.reread_all(kStart + seconds{1});
  CHECK(count(kStart + seconds{1}) == std::pair{0, 10});
  watches.replay();
  CHECK(count(kStart + seconds{2}) == std::pair{10, 0});
}

TEST_CASE("LookupTable: a value counts once per lookup, and nothing counts after its end") {
  LookupTable lookups;
  const auto number = lookups.start(kStart, LookupId{1}, key_of(1), true);
  REQUIRE(number);
  REQUIRE(lookups.poll_start() != nullptr);
  CHECK(lookups.poll_start() == nullptr);

  CHECK(lookups.note_value(*number, 5));
  CHECK_FALSE(lookups.note_value(*number, 5));
  CHECK(lookups.note_value(*number, 6));
  CHECK(lookups.finish(*number));
  CHECK_FALSE(lookups.finish(*number));
  CHECK_FALSE(lookups.note_value(*number, 7));
}

TEST_CASE("LookupTable: a lookup ends after three seconds, whether it ran or waited") {
  LookupTable lookups;
  (void)lookups.start(kStart, LookupId{1}, key_of(1), true);
  (void)lookups.start(kStart + seconds{1}, LookupId{2}, key_of(2), true);
  (void)lookups.poll_start();

  CHECK(lookups.poll_timeout() == kStart + seconds{3});
  CHECK_FALSE(lookups.poll_timed_out(kStart + milliseconds{2999}));
  CHECK(lookups.poll_timed_out(kStart + seconds{3}));
  CHECK_FALSE(lookups.poll_timed_out(kStart + seconds{3}));
  CHECK(lookups.poll_timed_out(kStart + seconds{4}));
  CHECK_FALSE(lookups.poll_timeout());
}

TEST_CASE("LookupTable: so many run, others wait, more are refused") {
  LookupTable lookups;
  std::size_t running = 0;
  for (std::size_t i = 0; i < LookupTable::kPurposesMax; ++i) {
    REQUIRE(lookups.start(kStart, LookupId{i}, key_of(static_cast<std::uint16_t>(i)), true));
    if (lookups.poll_start() != nullptr) ++running;
  }
  CHECK(running == LookupTable::kRunningMax);
  CHECK_FALSE(lookups.start(kStart, LookupId{0}, key_of(1), true));

  // A place becomes free.
  REQUIRE(lookups.finish(1));
  CHECK(lookups.poll_start() != nullptr);
  CHECK(lookups.start(kStart, LookupId{0}, key_of(1), true));
}

TEST_CASE("LookupTable: lookups of one key that come together are one, until it is asked") {
  LookupTable lookups;
  const auto first = lookups.start(kStart, LookupId{1}, key_of(1), true);
  CHECK(lookups.start(kStart, LookupId{2}, key_of(1), true) == first);
  CHECK(lookups.start(kStart, LookupId{3}, key_of(1), false) != first);
  CHECK(lookups.start(kStart, LookupId{4}, key_of(2), true) != first);

  REQUIRE(lookups.poll_start() != nullptr);
  CHECK(lookups.find(*first)->purposes.size() == 2);
  CHECK(lookups.start(kStart, LookupId{5}, key_of(1), true) != first);

  // Nor later, as its first values have been told.
  lookups.restart_running();
  CHECK(lookups.start(kStart, LookupId{6}, key_of(1), true) != first);
}

TEST_CASE("LookupTable: few lookups of one key run at a time") {
  LookupTable lookups;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < LookupTable::kRunningPerKeyMax; ++i) {
    last = *lookups.start(kStart, LookupId{i}, key_of(1), true);
    REQUIRE(lookups.poll_start() != nullptr);
  }
  (void)lookups.start(kStart, LookupId{99}, key_of(1), true);
  CHECK_FALSE(lookups.has_startable());
  (void)lookups.start(kStart, LookupId{100}, key_of(2), true);
  REQUIRE(lookups.poll_start() != nullptr);
  CHECK_FALSE(lookups.has_startable());

  (void)lookups.finish(last);
  CHECK(lookups.poll_start() != nullptr);
}

TEST_CASE("LookupTable: running lookups can be started over") {
  LookupTable lookups;
  (void)lookups.start(kStart, LookupId{1}, key_of(1), true);
  (void)lookups.poll_start();
  CHECK_FALSE(lookups.has_startable());

  lookups.restart_running();

  REQUIRE(lookups.poll_start() != nullptr);
  CHECK(lookups.take_any());
  CHECK_FALSE(lookups.take_any());
}

TEST_CASE("KnownNodes: good nodes come first, older ones stay behind them, the oldest are forgotten") {
  const auto node = [](std::uint16_t number) {
    return KnownDhtNode{key_of(number), {ip_of("10.0.0.1"), static_cast<std::uint16_t>(number + 1)}};
  };
  KnownNodes known{{node(1), node(2)}};

  known.update({node(3), node(2)});
  CHECK(known.list() == std::vector{node(3), node(2), node(1)});

  std::vector<KnownDhtNode> many;
  for (std::uint16_t i = 100; i < 163; ++i) many.push_back(node(i));
  known.update(many);
  REQUIRE(known.list().size() == KnownNodes::kKnownNodesMax);
  CHECK(known.list().back() == node(3));

  // The same node at a new address, and another node at a known address, replace what was there.
  KnownNodes moved{{node(1)}};
  moved.update({{key_of(1), node(9).endpoint}});
  CHECK(moved.list().size() == 1);
  moved.update({{key_of(8), node(9).endpoint}});
  CHECK(moved.list() == std::vector{KnownDhtNode{key_of(8), node(9).endpoint}});
}

}  // namespace rove
