#include "tap/netlink.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/wire/ethernet.h"
#include "tap/links.h"
#include "tap/tap_device.h"
#include "tests/support/private_network.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kGuest = mac_of("02:00:00:00:00:0a");
const MacAddress kOther = mac_of("02:00:00:00:00:0b");

Bytes frame_from(const MacAddress& source) {
  return ethernet_frame(MacAddress::broadcast(), source, 0x88b5, Bytes(46));
}

std::optional<FdbEvent> next_event(FdbMonitor& monitor, std::chrono::milliseconds limit = std::chrono::seconds{5}) {
  while (true) {
    if (const auto event = monitor.poll_event()) return event;
    if (!wait_readable(monitor.fd(), limit)) return std::nullopt;
  }
}

// What is there now, or comes within the limit. Only for "nothing more comes".
constexpr std::chrono::milliseconds kQuiet{100};

MacAddress numbered(unsigned number) {
  MacAddress mac = mac_of("02:11:00:00:00:00");
  store_be<std::uint32_t>(&mac.octets[2], number);
  return mac;
}

// A bridge with two guests' ports.
struct BridgedGuests {
  PrivateNetwork network;
  std::optional<TapDevice> left;
  std::optional<TapDevice> right;

  BridgedGuests() {
    if (!network.permitted()) return;
    left = open_tap({.name = "guesttap0", .mtu = 1400, .bridge = "vmbridge"});
    right = open_tap({.name = "guesttap1", .mtu = 1400, .bridge = "vmbridge"});
  }
};

}  // namespace

TEST_CASE("FdbMonitor: a MAC that the bridge learns, that moves, and whose port goes") {
  BridgedGuests guests;
  if (!guests.network.permitted()) return;
  FdbMonitor monitor{guests.left->bridge_ifindex};

  CHECK(guests.left->queue.write(frame_from(kGuest)));
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.left->ifindex, false});
  CHECK(guests.right->queue.write(frame_from(kGuest)));
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.right->ifindex, false});
  CHECK(guests.right->queue.write(frame_from(kGuest)));  // same port: no event
  CHECK(guests.left->queue.write(frame_from(kOther)));
  CHECK(next_event(monitor) == FdbEvent{kOther, guests.left->ifindex, false});

  const unsigned right = guests.right->ifindex;
  guests.right.reset();
  CHECK(next_event(monitor) == FdbEvent{kGuest, right, true});
  CHECK_FALSE(next_event(monitor, kQuiet));
}

TEST_CASE(
    "FdbWriter: an entry that is held stays where it is, whoever sends from that MAC, until it is told otherwise") {
  BridgedGuests guests;
  if (!guests.network.permitted()) return;
  FdbMonitor monitor{guests.left->bridge_ifindex};
  FdbWriter writer;
  CHECK(writer.set(kGuest, guests.left->ifindex, /*held=*/true) == 0);
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.left->ifindex, false});

  CHECK(guests.right->queue.write(frame_from(kGuest)));
  CHECK_FALSE(next_event(monitor, kQuiet));
  Bytes buffer(kFrameSizeMax);
  REQUIRE(wait_readable(guests.left->queue.fd()));
  REQUIRE(guests.left->queue.read(buffer).size > 0);  // the broadcast
  const Bytes to_guest = ethernet_frame(kGuest, kOther, 0x88b5, Bytes(46));
  CHECK(guests.right->queue.write(to_guest));
  REQUIRE(wait_readable(guests.left->queue.fd()));
  CHECK(guests.left->queue.read(buffer).size == to_guest.size());
  CHECK(next_event(monitor) == FdbEvent{kOther, guests.right->ifindex, false});

  CHECK(writer.set(kGuest, guests.right->ifindex, /*held=*/false) == 0);
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.right->ifindex, false});
  CHECK(guests.left->queue.write(frame_from(kGuest)));
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.left->ifindex, false});

  CHECK(writer.set(kGuest, guests.left->bridge_ifindex, true) != 0);
  CHECK(writer.set(kGuest, 0, false) != 0);
}

TEST_CASE("FdbMonitor: it begins with what the bridge knows already, without the ports' own addresses") {
  BridgedGuests guests;
  if (!guests.network.permitted()) return;
  CHECK(guests.left->queue.write(frame_from(kGuest)));
  CHECK(guests.right->queue.write(frame_from(kOther)));

  FdbMonitor monitor{guests.left->bridge_ifindex};

  std::set<MacAddress> macs;
  while (const auto event = next_event(monitor, kQuiet)) macs.insert(event->mac);
  CHECK(macs == std::set{kGuest, kOther});
}

TEST_CASE("FdbMonitor: another bridge's MACs are nothing to it") {
  BridgedGuests guests;
  if (!guests.network.permitted()) return;
  TapDevice elsewhere = open_tap({.name = "othertap", .mtu = 1400, .bridge = "otherbridge"});
  CHECK(elsewhere.queue.write(frame_from(kOther)));
  FdbMonitor monitor{guests.left->bridge_ifindex};

  CHECK(elsewhere.queue.write(frame_from(numbered(1))));
  CHECK(guests.left->queue.write(frame_from(kGuest)));

  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.left->ifindex, false});
  CHECK_FALSE(next_event(monitor, kQuiet));
}

TEST_CASE("FdbMonitor: more events than the socket holds are repaired by a dump, deletions included") {
  BridgedGuests guests;
  if (!guests.network.permitted()) return;
  constexpr unsigned kMacs = 20'000;
  FdbMonitor monitor{guests.left->bridge_ifindex};
  CHECK(guests.right->queue.write(frame_from(kGuest)));
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.right->ifindex, false});

  // Not read meanwhile: the socket overflows, and the deletion of kGuest is among what is lost.
  for (unsigned i = 0; i < kMacs; ++i) REQUIRE(guests.left->queue.write(frame_from(numbered(i))));
  guests.right.reset();

  std::map<MacAddress, unsigned> known;
  bool guest_gone = false;
  while (known.size() < kMacs || !guest_gone) {
    const auto event = next_event(monitor);
    REQUIRE(event);
    if (event->gone) {
      CHECK(event->mac == kGuest);
      guest_gone = true;
    } else {
      known[event->mac] = event->port_ifindex;
    }
  }
  CHECK(monitor.redumped() > 0);
  CHECK(monitor.ignored() == 0);
  CHECK(known.count(numbered(0)) == 1);
  CHECK(known.count(numbered(kMacs - 1)) == 1);
  CHECK(
      std::all_of(known.begin(), known.end(), [&](const auto& entry) { return entry.second == guests.left->ifindex; }));
  CHECK_FALSE(next_event(monitor, kQuiet));
}

TEST_CASE("FdbMonitor: when the bridge is deleted, everything it knew goes") {
  BridgedGuests guests;
  if (!guests.network.permitted()) return;
  FdbMonitor monitor{guests.left->bridge_ifindex};
  CHECK(guests.left->queue.write(frame_from(kGuest)));
  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.left->ifindex, false});

  guests.network.ip("link delete vmbridge");

  CHECK(next_event(monitor) == FdbEvent{kGuest, guests.left->ifindex, true});
  FdbMonitor of_nothing{guests.left->bridge_ifindex};
  CHECK_FALSE(next_event(of_nothing, kQuiet));
}

TEST_CASE("AddressMonitor: an address or a link that comes or goes is a change") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  network.ip("link add uplink0 type veth peer name uplink1");
  AddressMonitor monitor;
  CHECK_FALSE(monitor.poll_changed());

  const auto changed_after = [&](const std::string& command) {
    network.ip(command);
    return wait_readable(monitor.fd()) && monitor.poll_changed();
  };
  CHECK(changed_after("address add 192.0.2.1/24 dev uplink0"));
  CHECK(changed_after("link set uplink0 up"));
  CHECK(changed_after("address del 192.0.2.1/24 dev uplink0"));
  CHECK(changed_after("link delete uplink0"));
}

TEST_CASE("underlay_addresses: usable addresses, IPv4 first, those with a default route in front") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  const auto exclude = std::vector{*parse_prefix("10.77.0.0/24"), *parse_prefix("fd77::/64")};
  CHECK(underlay_addresses(exclude, {}).empty());
  network.ip("link add docker0 type veth peer name docker1");
  network.ip("link add uplink0 type veth peer name uplink1");
  network.ip("link add vmbridge type bridge");
  network.ip("link add down0 type veth peer name down1");
  for (const char* name : {"docker0", "docker1", "uplink0", "uplink1", "vmbridge"})
    network.ip(std::string{"link set up dev "} + name);
  network.ip("address add 172.17.0.1/16 dev docker0");
  network.ip("address add 192.0.2.1/24 dev uplink0");
  network.ip("address add 169.254.1.1/16 dev uplink0");
  network.ip("address add 10.77.0.5/24 dev uplink0");
  network.ip("address add 198.51.100.1/24 dev vmbridge");
  network.ip("address add 203.0.113.1/24 dev down0");
  network.ip("route add default via 192.0.2.254");
  network.ip("address add 2001:db8::1/64 dev uplink0 nodad");
  network.ip("address add fd77::1/64 dev uplink0 nodad");
  network.ip("address add 2001:db8:1::1/64 dev uplink0 nodad preferred_lft 0");
  network.ip("address add 2001:db8::2 peer 2001:db8::3 dev docker0 nodad");

  std::string found;
  for (const IpAddress& address : underlay_addresses(exclude, {find_link("vmbridge")->ifindex})) {
    found += to_string(address) + " ";
  }

  CHECK(found == "192.0.2.1 172.17.0.1 2001:db8::1 2001:db8::2 ");
}

}  // namespace rove
