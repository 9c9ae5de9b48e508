#include "dht/store_policy.h"

#include <doctest/doctest.h>

#include "core/crypto/hash.h"
#include "dht/publisher.h"
#include "tests/support/test_network.h"

namespace rove {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const MacAddress kMac = mac_of("02:00:5e:10:00:01");
const IpAddress kIp = ip_of("10.77.0.5");
const IpAddress kIp6 = ip_of("fd77::5");
constexpr SteadyTime kStart{hours{1}};

// A policy, a network, and short names for what the tests put.
struct Bench {
  TestNetwork network;
  const TestNode& alice = network.add_node("alice");
  const TestNode& bob = network.add_node("bob");
  LocationKeys keys{derive_naming_key(network.key())};
  StorePolicy policy{network.anchor(), derive_naming_key(network.key())};
  SteadyTime now = kStart;
  WallTime wall = kTestNow;

  StoreVerdict put(const LocationKey& key, const StoredRecord& record) { return put(key, record, value_id_of(record)); }
  StoreVerdict put(const LocationKey& key, const StoredRecord& record, std::uint64_t value_id) {
    Bytes data{static_cast<std::uint8_t>(record.kind)};
    data.insert(data.end(), record.bytes.begin(), record.bytes.end());
    return policy.check(now, wall, key, value_id, data);
  }
  [[nodiscard]] StoredRecord claim(const TestNode& node, std::uint64_t sequence, std::vector<IpAddress> ips = {kIp},
                                   WallTime not_after = kTestNow + hours{1}) const {
    return {RecordKind::Claim,
            network.claim(node, kMac, std::move(ips), sequence, ClaimState::Live, not_after).encoded};
  }
  [[nodiscard]] StoredRecord node_record(const TestNode& node, std::uint64_t sequence) const {
    return {RecordKind::NodeRecord, network.node_record(node, {endpoint_of("192.0.2.1:7683")}, sequence).encoded};
  }
  [[nodiscard]] static StoredRecord certificate(const TestNode& node) {
    return {RecordKind::Certificate, node.certificate.der()};
  }
  void expire(bool is_refreshed = false) {
    policy.expire(now, [is_refreshed](const LocationKey&, std::uint64_t) { return is_refreshed; });
  }
};

}  // namespace

TEST_CASE("StorePolicy: a record is stored under its own keys only") {
  Bench bench;
  const StoredRecord claim = bench.claim(bench.alice, 7, {kIp, kIp6});
  const StoredRecord node = bench.node_record(bench.alice, 7);
  const StoredRecord certificate = Bench::certificate(bench.alice);
  struct Row {
    const char* what;
    LocationKey key;
    const StoredRecord& record;
    StoreVerdict verdict;
  };
  const LocationKeys& keys = bench.keys;
  const NodeId& alice = bench.alice.id();
  const NodeId& bob = bench.bob.id();
  const Row rows[] = {
      {"a claim under its MAC", keys.of(kMac), claim, StoreVerdict::Accepted},
      {"a claim under its IPv4 address", keys.of(kIp), claim, StoreVerdict::Accepted},
      {"a claim under its IPv6 address", keys.of(kIp6), claim, StoreVerdict::Accepted},
      {"a claim under another address", keys.of(ip_of("10.77.0.6")), claim, StoreVerdict::WrongKey},
      {"a claim under its publisher's id", keys.of_node_record(alice), claim, StoreVerdict::WrongKey},
      {"a node record under its id", keys.of_node_record(alice), node, StoreVerdict::Accepted},
      {"a node record among the members", keys.of_members(), node, StoreVerdict::Accepted},
      {"a node record under another's id", keys.of_node_record(bob), node, StoreVerdict::WrongKey},
      {"a node record in the certificate's place", keys.of_certificate(alice), node, StoreVerdict::WrongKey},
      {"a certificate in its place", keys.of_certificate(alice), certificate, StoreVerdict::Accepted},
      {"a certificate in another's place", keys.of_certificate(bob), certificate, StoreVerdict::WrongKey},
      {"a certificate among the members", keys.of_members(), certificate, StoreVerdict::WrongKey},
  };

  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(bench.put(row.key, row.record) == row.verdict);
  }
}

TEST_CASE("StorePolicy: what does not prove itself is refused") {
  Bench bench;
  const StoredRecord good = bench.claim(bench.alice, 7);
  StoredRecord bad = good;

  SUBCASE("an id that is not the record's") {
    CHECK(bench.put(bench.keys.of(kIp), good, value_id_of(good) + 1) == StoreVerdict::WrongId);
  }
  SUBCASE("a changed body") {
    bad.bytes[20] ^= 1;
    CHECK(bench.put(bench.keys.of(kIp), bad) == StoreVerdict::BadSignature);
  }
  SUBCASE("a changed signature") {
    bad.bytes.back() ^= 1;
    CHECK(bench.put(bench.keys.of(kIp), bad) == StoreVerdict::BadSignature);
  }
  SUBCASE("another network's claim") {
    TestNetwork other{99};
    const SignedClaim foreign = other.claim(other.add_node("alice"), kMac, {kIp}, 7);
    CHECK(bench.put(bench.keys.of(kIp), {RecordKind::Claim, foreign.encoded}) == StoreVerdict::BadSignature);
  }
  SUBCASE("another network's certificate") {
    TestNetwork other{99};
    const TestNode& mallory = other.add_node("mallory");
    CHECK(bench.put(bench.keys.of_certificate(mallory.id()), Bench::certificate(mallory)) ==
          StoreVerdict::BadSignature);
  }
  SUBCASE("the wrong kind") {
    bad.kind = RecordKind::NodeRecord;
    CHECK(bench.put(bench.keys.of(kIp), bad) == StoreVerdict::Undecodable);
    bad.kind = static_cast<RecordKind>(9);
    CHECK(bench.put(bench.keys.of(kIp), bad) == StoreVerdict::Undecodable);
  }
  SUBCASE("truncated") {
    while (!bad.bytes.empty()) {
      bad.bytes.pop_back();
      CHECK(bench.put(bench.keys.of(kIp), bad) == StoreVerdict::Undecodable);
    }
  }
  SUBCASE("nothing at all") {
    CHECK(bench.policy.check(bench.now, bench.wall, bench.keys.of(kIp), 1, {}) == StoreVerdict::Undecodable);
  }
  CHECK(bench.policy.stored() == 0);
}

TEST_CASE("StorePolicy: a record may be over by an hour, not more") {
  Bench bench;
  const StoredRecord claim = bench.claim(bench.alice, 7, {kIp}, kTestNow);

  bench.wall = kTestNow + hours{1} + milliseconds{1};
  CHECK(bench.put(bench.keys.of(kIp), claim) == StoreVerdict::Expired);

  bench.wall = kTestNow + hours{1};
  CHECK(bench.put(bench.keys.of(kIp), claim) == StoreVerdict::Accepted);
}

TEST_CASE("StorePolicy: a publisher's sequence under a key never goes back") {
  Bench bench;
  const LocationKey key = bench.keys.of(kIp);
  REQUIRE(bench.put(key, bench.claim(bench.alice, 7)) == StoreVerdict::Accepted);

  SUBCASE("lower") {
    CHECK(bench.put(key, bench.claim(bench.alice, 6)) == StoreVerdict::OldSequence);
  }
  SUBCASE("the same, refreshed") {
    CHECK(bench.put(key, bench.claim(bench.alice, 7, {kIp}, kTestNow + hours{2})) == StoreVerdict::Accepted);
  }
  SUBCASE("higher") {
    CHECK(bench.put(key, bench.claim(bench.alice, 8)) == StoreVerdict::Accepted);
  }
  SUBCASE("lower under another key") {
    CHECK(bench.put(bench.keys.of(kMac), bench.claim(bench.alice, 6)) == StoreVerdict::Accepted);
  }
  SUBCASE("another publisher is not bound by it") {
    CHECK(bench.put(key, bench.claim(bench.bob, 6)) == StoreVerdict::Accepted);
  }
  SUBCASE("lower, after the higher one has run out") {
    bench.now += kStoreLifetime;
    bench.expire();
    REQUIRE(bench.policy.stored() == 0);
    CHECK(bench.put(key, bench.claim(bench.alice, 6)) == StoreVerdict::OldSequence);
  }
  SUBCASE("lower, after the store was emptied") {
    bench.policy.forget_stored();
    CHECK(bench.put(key, bench.claim(bench.alice, 6)) == StoreVerdict::OldSequence);
  }
}

TEST_CASE("StorePolicy: a known certificate must allow the record") {
  Bench bench;
  const TestNode& carol = bench.network.add_node("carol", {prefix_of("10.77.1.0/24")});
  const IpAddress allowed = ip_of("10.77.1.9");
  const StoredRecord mixed = bench.claim(carol, 7, {kIp, allowed});

  SUBCASE("unknown: it cannot be judged") {
    CHECK(bench.put(bench.keys.of(kIp), mixed) == StoreVerdict::Accepted);
  }
  SUBCASE("known") {
    bench.policy.add_certificate(carol.certificate);
    CHECK(bench.put(bench.keys.of(kIp), mixed) == StoreVerdict::NotAllowed);
    CHECK(bench.put(bench.keys.of(allowed), mixed) == StoreVerdict::NotAllowed);
    CHECK(bench.put(bench.keys.of(allowed), bench.claim(carol, 7, {allowed})) == StoreVerdict::Accepted);
  }
  SUBCASE("known from having been stored") {
    REQUIRE(bench.put(bench.keys.of_certificate(carol.id()), Bench::certificate(carol)) == StoreVerdict::Accepted);
    CHECK(bench.policy.knows(carol.id()));
    CHECK(bench.put(bench.keys.of(kIp), mixed) == StoreVerdict::NotAllowed);
  }
  SUBCASE("known, but over") {
    bench.policy.add_certificate(carol.certificate);
    bench.wall = carol.certificate.not_after() + kClockTolerance + milliseconds{1};
    const WallTime later = bench.wall + hours{1};
    CHECK(bench.put(bench.keys.of(allowed), bench.claim(carol, 7, {allowed}, later)) == StoreVerdict::NotAllowed);
    CHECK(bench.put(bench.keys.of_certificate(carol.id()), Bench::certificate(carol)) == StoreVerdict::Expired);
  }
}

TEST_CASE("StorePolicy: certificates that are fetched must be valid and the right node's") {
  Bench bench;
  TestNetwork other{99};
  const TestNode& stranger = other.add_node("alice");

  CHECK_FALSE(bench.policy.add_certificate(bench.alice.id(), bench.bob.certificate.der(), bench.wall));
  CHECK_FALSE(bench.policy.add_certificate(stranger.id(), stranger.certificate.der(), bench.wall));
  CHECK_FALSE(bench.policy.add_certificate(bench.alice.id(), as_bytes("not a certificate"), bench.wall));
  CHECK_FALSE(bench.policy.knows(bench.alice.id()));
  CHECK(bench.policy.add_certificate(bench.alice.id(), bench.alice.certificate.der(), bench.wall));
  CHECK(bench.policy.knows(bench.alice.id()));
}

TEST_CASE("StorePolicy: a publisher has eight values per key") {
  Bench bench;
  bench.policy.add_certificate(bench.alice.certificate);
  for (std::uint64_t sequence = 1; sequence <= kStoredPerPublisherAndKey; ++sequence) {
    REQUIRE(bench.put(bench.keys.of(kIp), bench.claim(bench.alice, sequence)) == StoreVerdict::Accepted);
  }

  CHECK(bench.put(bench.keys.of(kIp), bench.claim(bench.alice, 100)) == StoreVerdict::KeyQuota);
  CHECK(bench.put(bench.keys.of(kMac), bench.claim(bench.alice, 100)) == StoreVerdict::Accepted);
  CHECK(bench.put(bench.keys.of(kIp), bench.claim(bench.bob, 100)) == StoreVerdict::Accepted);

  // Places become free as values run out, not while they are refreshed.
  bench.now += kStoreLifetime;
  bench.expire(/*is_refreshed=*/true);
  CHECK(bench.put(bench.keys.of(kIp), bench.claim(bench.alice, 100)) == StoreVerdict::KeyQuota);
  bench.now += minutes{1};
  bench.expire();
  CHECK(bench.put(bench.keys.of(kIp), bench.claim(bench.alice, 100)) == StoreVerdict::Accepted);
}

TEST_CASE("StorePolicy: strangers share four values per key, until their certificates are known") {
  Bench bench;
  std::vector<const TestNode*> strangers;
  for (int i = 0; i < 5; ++i) strangers.push_back(&bench.network.add_node("stranger" + std::to_string(i)));
  for (std::size_t i = 0; i < kStoredByStrangersPerKey; ++i) {
    REQUIRE(bench.put(bench.keys.of_members(), bench.node_record(*strangers[i], 1)) == StoreVerdict::Accepted);
  }
  const StoredRecord fifth = bench.node_record(*strangers[4], 1);
  REQUIRE(bench.put(bench.keys.of_members(), fifth) == StoreVerdict::StrangerQuota);

  SUBCASE("each is asked for its certificate, the refused one too") {
    std::set<NodeId> wanted;
    while (const auto node = bench.policy.poll_wanted_certificate()) wanted.insert(*node);
    for (const TestNode* stranger : strangers) CHECK(wanted.count(stranger->id()) == 1);
    CHECK(wanted.size() == strangers.size());
  }
  SUBCASE("the certificate of one that is stored makes room") {
    bench.policy.add_certificate(strangers[0]->certificate);
    CHECK(bench.put(bench.keys.of_members(), fifth) == StoreVerdict::Accepted);
  }
  SUBCASE("who is known needs no room") {
    bench.policy.add_certificate(strangers[4]->certificate);
    CHECK(bench.put(bench.keys.of_members(), fifth) == StoreVerdict::Accepted);
  }
}

TEST_CASE("StorePolicy: a value that is put again counts once") {
  Bench bench;
  const StoredRecord claim = bench.claim(bench.alice, 7);

  for (int i = 0; i < 20; ++i) CHECK(bench.put(bench.keys.of(kIp), claim) == StoreVerdict::Accepted);

  CHECK(bench.policy.stored() == 1);
}

TEST_CASE("StorePolicy: expiry comes ten minutes after the store, and is announced") {
  Bench bench;
  CHECK_FALSE(bench.policy.next_expiry());
  REQUIRE(bench.put(bench.keys.of(kIp), bench.claim(bench.alice, 7)) == StoreVerdict::Accepted);
  REQUIRE(bench.policy.next_expiry() == bench.now + kStoreLifetime);

  bench.now += kStoreLifetime - seconds{1};
  bench.expire();
  CHECK(bench.policy.stored() == 1);
  bench.now += seconds{1};
  bench.expire();
  CHECK(bench.policy.stored() == 0);
  CHECK_FALSE(bench.policy.next_expiry());
}

}  // namespace rove
