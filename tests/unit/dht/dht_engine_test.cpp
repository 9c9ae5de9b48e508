#include "dht/dht_engine.h"

#include <doctest/doctest.h>

#include "tests/support/dht_network.h"

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const MacAddress kMac = mac_of("02:00:5e:10:00:01");
const IpAddress kIp = ip_of("10.77.0.5");
constexpr std::uint64_t kSlot = 1;

StoredRecord stored(const SignedClaim& claim) {
  return {RecordKind::Claim, claim.encoded};
}

// What one node has been told, sorted by kind.
struct Told {
  std::vector<RecordFound> found;
  std::vector<LookupDone> done;
  std::vector<LocationStatus> statuses;
};

Told take_events(DhtNetwork& network, std::size_t node) {
  Told told;
  while (auto event = network.poll_event(node)) {
    if (auto* found = std::get_if<RecordFound>(&*event)) told.found.push_back(std::move(*found));
    if (auto* done = std::get_if<LookupDone>(&*event)) told.done.push_back(*done);
    if (auto* status = std::get_if<LocationStatus>(&*event)) told.statuses.push_back(*status);
  }
  return told;
}

}  // namespace

TEST_CASE("DhtEngine: what one node publishes another finds") {
  DhtNetwork network;
  network.grow(10);
  const LocationKey key = network.keys().of(kIp);
  const SignedClaim claim = network.identities().claim(network.identity(1), kMac, {kIp}, 7);

  network.engine(1).publish(key, kSlot, stored(claim));
  network.wake(1);
  network.run_for(seconds{3});
  (void)take_events(network, 4);
  const LookupId id = network.engine(4).lookup(key, false);
  network.wake(4);
  network.run_for(seconds{3});

  const Told told = take_events(network, 4);
  REQUIRE(told.found.size() == 1);
  CHECK(told.found[0].lookup == id);
  CHECK(told.found[0].key == key);
  CHECK(told.found[0].record.bytes == claim.encoded);
  REQUIRE(told.done.size() == 1);
  CHECK(told.done[0].reached);
}

}  // namespace rove
