// Real OpenDHT nodes in virtual time. What every LocationService must do is in location_conformance.cpp;
// here is what is particular to this one.
#include "dht/dht_engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "dht/lookup_table.h"
#include "tests/support/dht_network.h"

namespace rove {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const MacAddress kMac = mac_of("02:00:5e:10:00:01");
const IpAddress kIp = ip_of("10.77.0.5");
constexpr std::uint64_t kSlot = 1;

// What a node has been told since the last time, sorted by kind.
struct Told {
  std::vector<RecordFound> found;
  std::vector<LookupDone> done;
  std::vector<LocationStatus> statuses;

  Told(DhtNetwork& network, std::size_t node) {
    while (auto event = network.poll_event(node)) {
      if (auto* record = std::get_if<RecordFound>(&*event)) found.push_back(std::move(*record));
      if (const auto* end = std::get_if<LookupDone>(&*event)) done.push_back(*end);
      if (const auto* status = std::get_if<LocationStatus>(&*event)) statuses.push_back(*status);
    }
  }
  [[nodiscard]] bool has(const StoredRecord& record) const {
    return std::any_of(found.begin(), found.end(),
                       [&](const RecordFound& each) { return each.record.bytes == record.bytes; });
  }
};

StoredRecord make_claim(const DhtNetwork& network, const TestNode& node, std::uint64_t sequence,
                        const IpAddress& ip = kIp) {
  const SignedClaim claim = const_cast<DhtNetwork&>(network).identities().claim(node, kMac, {ip}, sequence,
                                                                                ClaimState::Live, kTestNow + hours{24});
  return {RecordKind::Claim, claim.encoded};
}

void publish(DhtNetwork& network, std::size_t node, const LocationKey& key, const StoredRecord& record) {
  network.engine(node).publish(key, kSlot, record);
  network.wake(node);
}

void watch(DhtNetwork& network, std::size_t node, const LocationKey& key) {
  network.engine(node).watch(key);
  network.wake(node);
}

// Starts a lookup and runs until it is over.
Told look_up(DhtNetwork& network, std::size_t node, const LocationKey& key, bool fresh = true) {
  (void)Told{network, node};
  (void)network.engine(node).lookup(key, fresh);
  network.wake(node);
  network.run_for(seconds{4});
  return {network, node};
}

// Of the nodes from `begin`, the one that is farthest from `key`, so that it stores nothing under it.
std::size_t farthest(const DhtNetwork& network, const LocationKey& key, std::size_t begin) {
  const auto distance = [&](std::size_t node) {
    LocationKey id = network.keys().dht_node_id(network.identity(node).key());
    for (std::size_t i = 0; i < id.octets.size(); ++i) id.octets[i] ^= key.octets[i];
    return id;
  };
  std::size_t best = begin;
  for (std::size_t node = begin; node < network.size(); ++node) {
    if (distance(node) > distance(best)) best = node;
  }
  return best;
}

}  // namespace

TEST_CASE("DhtEngine: a watcher hears of a move within a round trip, when the mover knows the key already") {
  DhtNetwork network;
  network.grow(40);
  const LocationKey key = network.keys().of(kIp);
  const std::size_t watcher = farthest(network, key, 3);
  publish(network, 1, key, make_claim(network, network.identity(1), 7));
  watch(network, watcher, key);
  network.run_for(seconds{5});
  (void)look_up(network, 2, key);
  REQUIRE(Told{network, watcher}.has(make_claim(network, network.identity(1), 7)));

  const StoredRecord moved = make_claim(network, network.identity(2), 8);
  const TimePoint begin = network.now().steady;
  publish(network, 2, key, moved);
  const bool told = network.run_until([&] { return Told{network, watcher}.has(moved); }, seconds{2});

  CHECK(told);
  CHECK(network.now().steady - begin <= milliseconds{60});  // 25 ms to the store and 25 ms to the watcher
}

TEST_CASE("DhtEngine: the first value comes in a few round trips, also when half of the nodes are dead") {
  DhtNetwork network;
  network.grow(30);
  const LocationKey key = network.keys().of(kIp);
  const StoredRecord claim = make_claim(network, network.identity(1), 7);
  publish(network, 1, key, claim);
  network.run_for(seconds{5});
  for (std::size_t node = 5; node < 20; ++node) network.kill(node);

  const TimePoint begin = network.now().steady;
  (void)network.engine(4).lookup(key, true);
  network.wake(4);

  CHECK(network.run_until([&] { return Told{network, 4}.has(claim); }, seconds{3}));
  CHECK(network.now().steady - begin < milliseconds{1500});
}

TEST_CASE("DhtEngine: with five percent loss everything is found") {
  DhtNetworkOptions options;
  options.loss = 0.05;
  DhtNetwork network{options};
  network.grow(20);
  for (std::size_t node = 0; node < 20; ++node) {
    const IpAddress ip = ip_of("10.77.0." + std::to_string(10 + node));
    publish(network, node, network.keys().of(ip), make_claim(network, network.identity(node), 7, ip));
  }
  network.run_for(seconds{20});

  for (std::size_t node = 0; node < 20; ++node) {
    const IpAddress ip = ip_of("10.77.0." + std::to_string(10 + (node + 7) % 20));
    const Told told = look_up(network, node, network.keys().of(ip));
    CHECK(told.found.size() == 1);
    REQUIRE(told.done.size() == 1);
    CHECK(told.done[0].reached);
  }
}

TEST_CASE("DhtEngine: a fresh lookup asks the network though a watch has the answer, another one need not") {
  DhtNetwork network;
  network.grow(30);
  const LocationKey key = network.keys().of(kIp);
  const std::size_t watcher = farthest(network, key, 3);
  const StoredRecord claim = make_claim(network, network.identity(1), 7);
  publish(network, 1, key, claim);
  watch(network, watcher, key);
  network.run_for(seconds{5});
  std::size_t sent = 0;
  network.set_tap([&](std::size_t from, const Endpoint&, BytesView message) {
    const std::string_view text{reinterpret_cast<const char*>(message.data()), message.size()};
    if (from == watcher && text.find("\xa1q\xa3get") != std::string_view::npos) ++sent;
  });

  const Told cached = look_up(network, watcher, key, /*fresh=*/false);
  CHECK(cached.has(claim));
  CHECK(cached.done.at(0).reached);
  CHECK(sent == 0);

  const Told asked = look_up(network, watcher, key, /*fresh=*/true);
  CHECK(asked.has(claim));
  CHECK(asked.done.at(0).reached);
  CHECK(sent >= 8);
}

TEST_CASE("DhtEngine: a watch's memory does not pass for an answer while the node is cut off") {
  DhtNetwork network;
  network.grow(20);
  const LocationKey key = network.keys().of(kIp);
  const std::size_t watcher = farthest(network, key, 3);
  publish(network, 1, key, make_claim(network, network.identity(1), 7));
  watch(network, watcher, key);
  network.run_for(seconds{10});

  network.cut(watcher);
  network.run_for(seconds{8});
  const Told told = look_up(network, watcher, key, /*fresh=*/false);

  REQUIRE(told.done.size() == 1);
  CHECK_FALSE(told.done[0].reached);
}

TEST_CASE("DhtEngine: forged and foreign records are stored nowhere") {
  DhtNetwork network;
  network.grow(10);
  const LocationKey key = network.keys().of(kIp);
  StoredRecord forged = make_claim(network, network.identity(1), 7);
  forged.bytes[30] ^= 1;
  TestNetwork other{99};
  const TestNode& foreigner = other.add_node("foreigner");
  const StoredRecord foreign{RecordKind::Claim, other.claim(foreigner, kMac, {kIp}, 9).encoded};

  publish(network, 1, key, forged);
  publish(network, 2, key, foreign);
  publish(network, 3, network.keys().of(ip_of("10.77.0.6")), make_claim(network, network.identity(3), 7));
  network.run_for(seconds{5});

  // Whoever forges also answers with it, but nobody else does.
  for (std::size_t node = 1; node <= 3; ++node) network.kill(node);
  CHECK(look_up(network, 5, key).found.empty());
  CHECK(look_up(network, 5, network.keys().of(ip_of("10.77.0.6"))).found.empty());
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  for (std::size_t node = 4; node < 10; ++node) {
    accepted += network.engine(node).counters().stores_accepted;
    refused += network.engine(node).counters().stores_refused;
  }
  CHECK(accepted == 0);
  CHECK(refused >= 10);
}

TEST_CASE("DhtEngine: a certificate that forbids a claim is fetched and enforced") {
  DhtNetwork network;
  network.grow(10);
  // Node 10 may claim only 10.77.9.0/24.
  (void)network.identities().add_node("node10", {prefix_of("10.77.9.0/24")});
  const TestNode& mallory = network.identities().nodes()[10];
  const LocationKey key = network.keys().of(kIp);
  publish(network, 1, network.keys().of_certificate(mallory.id()),
          {RecordKind::Certificate, mallory.certificate.der()});
  network.run_for(seconds{5});

  publish(network, 1, key, make_claim(network, mallory, 7));
  network.run_for(seconds{5});
  publish(network, 1, key, make_claim(network, mallory, 8));
  network.run_for(minutes{12});
  network.kill(1);  // which answers with it itself

  CHECK(look_up(network, 5, key).found.empty());
}

TEST_CASE("DhtEngine: many members find each other under one key") {
  // More than the places for publishers without a known certificate: their certificates are fetched.
  constexpr std::size_t kMembers = 12;
  DhtNetwork network;
  network.grow(kMembers);
  for (std::size_t node = 0; node < kMembers; ++node) {
    const TestNode& identity = network.identity(node);
    publish(network, node, network.keys().of_certificate(identity.id()),
            {RecordKind::Certificate, identity.certificate.der()});
    const SignedNodeRecord record =
        network.identities().node_record(identity, {network.endpoint(node)}, 1, kTestNow + hours{24});
    publish(network, node, network.keys().of_members(), {RecordKind::NodeRecord, record.encoded});
  }
  network.run_for(seconds{10});

  const std::size_t newcomer = network.add_node();
  network.run_for(seconds{1});
  CHECK(look_up(network, newcomer, network.keys().of_members()).found.size() == kMembers);
}

TEST_CASE("DhtEngine: after an outage everything that was published and watched is in order again") {
  for (const seconds outage : {seconds{30}, seconds{120}, seconds{1800}}) {
    CAPTURE(outage.count());
    DhtNetwork network;
    network.grow(20);
    std::vector<IpAddress> ips;
    for (int i = 0; i < 20; ++i) ips.push_back(ip_of("10.77.1." + std::to_string(i)));
    for (const IpAddress& ip : ips) watch(network, 7, network.keys().of(ip));
    const IpAddress own = ip_of("10.77.2.1");
    publish(network, 7, network.keys().of(own), make_claim(network, network.identity(7), 1, own));
    network.run_for(seconds{10});

    network.cut(7);
    for (const IpAddress& ip : ips) (void)network.engine(7).lookup(network.keys().of(ip), true);
    const IpAddress during = ip_of("10.77.2.2");
    publish(network, 7, network.keys().of(during), make_claim(network, network.identity(7), 2, during));
    network.run_for(outage);
    CHECK(network.engine(7).counters().rebuilds >= 1);
    network.cut(7, false);
    network.run_for(seconds{15});
    const Told statuses{network, 7};
    REQUIRE_FALSE(statuses.statuses.empty());
    CHECK(statuses.statuses.back().connected);

    // Watches: each is told of what comes now.
    for (const IpAddress& ip : ips) {
      publish(network, 3, network.keys().of(ip), make_claim(network, network.identity(3), 5, ip));
    }
    network.run_for(seconds{5});
    const Told told{network, 7};
    for (const IpAddress& ip : ips) CHECK(told.has(make_claim(network, network.identity(3), 5, ip)));
    // Publications: that from before and that from within.
    CHECK(look_up(network, 4, network.keys().of(own)).found.size() == 1);
    CHECK(look_up(network, 4, network.keys().of(during)).found.size() == 1);
  }
}

TEST_CASE("DhtEngine: when every other node restarts, one after the other, nothing is lost") {
  DhtNetwork network;
  network.grow(12);
  const LocationKey key = network.keys().of(kIp);
  publish(network, 3, key, make_claim(network, network.identity(3), 1));
  watch(network, 4, key);
  network.run_for(seconds{10});
  for (std::size_t node = 0; node < 12; ++node) {
    if (node == 3 || node == 4) continue;
    network.kill(node);
    network.run_for(seconds{5});
    network.start(node);
    network.run_for(seconds{5});
  }
  network.run_for(minutes{1});

  // Those that node 4 listened at have forgotten it; at the latest it reads again after a minute.
  publish(network, 3, key, make_claim(network, network.identity(3), 2));
  network.run_for(seconds{70});
  CHECK(Told{network, 4}.has(make_claim(network, network.identity(3), 2)));
  CHECK(look_up(network, 9, key).has(make_claim(network, network.identity(3), 2)));
}

TEST_CASE("DhtEngine: with the bootstrap nodes dead, known nodes from the last run are enough") {
  DhtNetwork network;
  network.grow(10);
  const LocationKey key = network.keys().of(kIp);
  publish(network, 4, key, make_claim(network, network.identity(4), 7));
  network.run_for(seconds{15});
  const std::vector<KnownDhtNode> saved = network.engine(9).known_nodes();
  REQUIRE(saved.size() >= 5);

  for (std::size_t node = 0; node < 3; ++node) network.kill(node);
  network.kill(9);
  network.run_for(seconds{20});
  network.start(9, [&](DhtConfig& config) { config.known_nodes = saved; });
  network.run_for(seconds{2});

  const Told told = look_up(network, 9, key);
  CHECK(told.has(make_claim(network, network.identity(4), 7)));
  CHECK(told.done.at(0).reached);
}

TEST_CASE("DhtEngine: a node whose bootstrap is unreachable says so, at first late, then at once, and joins later") {
  DhtNetwork network;
  (void)network.add_node();
  network.kill(0);
  const std::size_t node = network.add_node([&](DhtConfig& config) { config.bootstrap = {network.endpoint(0)}; });
  (void)network.engine(node).lookup(network.keys().of(kIp), false);
  network.wake(node);
  network.run_for(seconds{2});
  Told told{network, node};
  CHECK(told.done.empty());
  REQUIRE_FALSE(told.statuses.empty());
  CHECK_FALSE(told.statuses.back().connected);

  network.run_for(seconds{2});
  told = Told{network, node};
  REQUIRE(told.done.size() == 1);
  CHECK_FALSE(told.done[0].reached);
  (void)network.engine(node).lookup(network.keys().of(kIp), false);
  network.wake(node);
  network.run_for(milliseconds{1});
  CHECK(Told{network, node}.done.size() == 1);

  network.run_for(hours{1});
  network.start(0);
  network.run_for(seconds{6});
  told = Told{network, node};
  REQUIRE_FALSE(told.statuses.empty());
  CHECK(told.statuses.back().connected);
}

TEST_CASE("DhtEngine: the bootstrap may be given later") {
  DhtNetwork network;
  network.grow(3);
  const std::size_t node = network.add_node([](DhtConfig& config) { config.bootstrap.clear(); });
  network.run_for(minutes{1});
  CHECK(Told{network, node}.statuses.back().nodes == 0);

  network.engine(node).set_bootstrap({network.endpoint(0)});
  network.wake(node);
  network.run_for(seconds{1});

  CHECK(Told{network, node}.statuses.back().nodes >= 1);
}

TEST_CASE("DhtEngine: two halves of a network that was cut for long find each other again") {
  // Nodes 5 to 9 know only each other and node 5 as a seed; then they are told of node 0.
  DhtNetwork network;
  network.grow(5);
  for (int i = 0; i < 5; ++i) {
    (void)network.add_node([&](DhtConfig& config) { config.bootstrap = {network.endpoint(5)}; });
    network.run_for(seconds{1});
  }
  const LocationKey key = network.keys().of(kIp);
  publish(network, 1, key, make_claim(network, network.identity(1), 7));
  network.run_for(minutes{5});
  REQUIRE(look_up(network, 8, key).found.empty());

  network.engine(6).set_bootstrap({network.endpoint(0), network.endpoint(5)});
  network.wake(6);
  network.run_for(minutes{12});

  CHECK(look_up(network, 8, key).has(make_claim(network, network.identity(1), 7)));
}

TEST_CASE("DhtEngine: hundreds of records are published in a few seconds, and all of them stay") {
  constexpr int kRecords = 400;
  DhtNetwork network;
  network.grow(15);
  network.engine(1).add_certificate(network.identity(1).id(), network.identity(1).certificate.der());
  std::vector<IpAddress> ips;
  for (int i = 0; i < kRecords; ++i) {
    ips.push_back(ip_of("10.77." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1)));
    publish(network, 1, network.keys().of(ips.back()), make_claim(network, network.identity(1), 7, ips.back()));
  }
  network.run_for(seconds{15});
  network.run_for(minutes{11});

  CHECK(network.engine(1).counters().published == kRecords);
  CHECK(network.engine(1).counters().datagrams_out_dropped == 0);
  std::map<std::uint64_t, int> found;
  for (const IpAddress& ip : ips) (void)network.engine(8).lookup(network.keys().of(ip), true);
  network.wake(8);
  network.run_for(seconds{4});
  const Told told{network, 8};
  for (const RecordFound& record : told.found) ++found[record.lookup->value];
  CHECK(found.size() == kRecords);
  CHECK(told.done.size() == kRecords);
}

TEST_CASE("DhtEngine: too many lookups at a time end at once, the others end too") {
  constexpr std::size_t kExcess = 100;
  constexpr std::size_t kLookups = LookupTable::kPurposesMax + kExcess;
  DhtNetwork network;
  network.grow(3);
  for (std::size_t i = 0; i < kLookups; ++i) {
    LocationKey key;
    store_be<std::uint64_t>(key.octets.data(), (i + 1) * 0x9e3779b97f4a7c15);
    (void)network.engine(2).lookup(key, true);
  }
  CHECK(network.engine(2).counters().lookups_refused == kExcess);
  network.wake(2);
  network.run_for(seconds{10});

  const Told told{network, 2};
  CHECK(told.done.size() == kLookups);
  const auto reached = std::count_if(told.done.begin(), told.done.end(), [](const auto& done) { return done.reached; });
  CHECK(reached == LookupTable::kPurposesMax);
}

TEST_CASE("DhtEngine: what OpenDHT remembers of lookups is bounded, and forgetting it harms nothing") {
  constexpr std::uint64_t kLookups = 10'500;
  DhtNetwork network;
  network.grow(2);
  const LocationKey key = network.keys().of(kIp);
  watch(network, 1, key);
  for (std::uint64_t i = 1; i <= kLookups; ++i) {
    LocationKey other;
    store_be<std::uint64_t>(other.octets.data(), i * 0x9e3779b97f4a7c15);
    (void)network.engine(1).lookup(other, true);
    if (i % LookupTable::kRunningMax != 0) continue;
    network.wake(1);
    network.run_for(milliseconds{200});
  }
  network.run_for(seconds{20});

  CHECK(network.engine(1).counters().rebuilds == 1);
  CHECK(Told{network, 1}.done.size() == kLookups);
  publish(network, 0, key, make_claim(network, network.identity(0), 7));
  network.run_for(seconds{2});
  CHECK(Told{network, 1}.has(make_claim(network, network.identity(0), 7)));
}

TEST_CASE("DhtEngine: many lookups of one key at a time are few questions") {
  DhtNetwork network;
  network.grow(20);
  const LocationKey key = network.keys().of(kIp);
  const StoredRecord claim = make_claim(network, network.identity(1), 7);
  publish(network, 1, key, claim);
  network.run_for(seconds{3});
  const std::size_t asker = farthest(network, key, 3);
  const std::uint64_t before = network.engine(asker).counters().datagrams_out;

  for (int i = 0; i < 1000; ++i) {
    (void)network.engine(asker).lookup(key, true);
    network.wake(asker);
    network.run_for(milliseconds{1});
  }
  network.run_for(seconds{4});

  const Told told{network, asker};
  CHECK(told.found.size() == 1000);
  CHECK(told.done.size() == 1000);
  CHECK(network.engine(asker).counters().datagrams_out - before < 1500);
}

TEST_CASE("DhtEngine: what is no OpenDHT message is counted and dropped") {
  DhtNetwork network;
  network.grow(3);
  const std::uint64_t before = network.engine(1).counters().datagrams_out;

  network.inject(network.endpoint(0), 1, from_hex("83a16590a179a165a174ce00000005"));
  network.inject(endpoint_of("192.0.2.1:7683"), 1, Bytes(1000, 0x41));
  network.inject(endpoint_of("192.0.2.1:7683"), 1, {});
  network.run_for(milliseconds{30});

  CHECK(network.engine(1).counters().bad_shape == 3);
  CHECK(network.engine(1).counters().datagrams_out == before);
}

TEST_CASE("DhtEngine: nothing is sent to a family that the host does not have") {
  DhtNetworkOptions options;
  options.ipv6 = false;
  DhtNetwork network{options};
  const Endpoint v6 = endpoint_of("[2001:db8::1]:7683");
  bool sent_v6 = false;
  network.set_tap([&](std::size_t, const Endpoint& to, BytesView) { sent_v6 = sent_v6 || to == v6; });
  for (int i = 0; i < 6; ++i) {
    (void)network.add_node([&](DhtConfig& config) { config.bootstrap.push_back(v6); });
    network.run_for(seconds{1});
  }
  const LocationKey key = network.keys().of(kIp);
  watch(network, 2, key);
  publish(network, 1, key, make_claim(network, network.identity(1), 7));
  network.run_for(seconds{10});

  CHECK(Told{network, 2}.has(make_claim(network, network.identity(1), 7)));
  CHECK_FALSE(sent_v6);
}

TEST_CASE("DhtEngine: keeping a watch alive costs about a datagram a second") {
  DhtNetwork network;
  network.grow(10);
  for (std::size_t node = 0; node < 10; ++node) watch(network, node, network.keys().of(kIp));
  network.run_for(minutes{30});
  const std::uint64_t before = network.engine(5).counters().datagrams_out;
  network.run_for(hours{1});
  const std::uint64_t active = network.engine(5).counters().datagrams_out - before;

  CHECK(active < 4000);  // the watch is read again every minute
  CHECK(network.engine(5).counters().rebuilds == 0);
}

TEST_CASE("DhtEngine: an idle network is nearly silent") {
  DhtNetwork network;
  network.grow(10);
  network.run_for(minutes{30});
  const std::uint64_t before = network.engine(5).counters().datagrams_out;
  network.run_for(hours{1});
  const std::uint64_t idle = network.engine(5).counters().datagrams_out - before;

  CHECK(idle < 1000);
  CHECK(network.engine(5).counters().rebuilds == 0);
}

}  // namespace rove
