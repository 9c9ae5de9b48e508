#include "tap/tap_device.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>

#include "core/forward/batch.h"
#include "core/wire/checksum.h"
#include "tap/links.h"
#include "tests/support/private_network.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_superframe.h"

namespace rove {
namespace {

const MacAddress kGuest = mac_of("02:00:00:00:00:0a");
const MacAddress kOther = mac_of("02:00:00:00:00:0b");

Bytes test_frame(std::size_t size, std::uint8_t octet) {
  return ethernet_frame(kOther, kGuest, 0x88b5, Bytes(size - 14, octet));  // local experimental ethertype
}

// The next frame that `queue` gives; empty when none comes.
Bytes read_frame(TapQueue& queue) {
  Bytes buffer(kFrameSizeMax);
  std::size_t size = 0;
  while (size == 0 && wait_readable(queue.fd())) size = queue.read(buffer).size;
  buffer.resize(size);
  return buffer;
}

std::string read_setting(const std::string& path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

std::string message_of(const TapOptions& options) {
  try {
    const TapDevice device = open_tap(options);
    return "no error";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("open_tap: two TAPs in one new bridge exchange frames of every size") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  TapDevice near = open_tap({.name = "rovetap0", .mtu = 9000, .bridge = "vmbridge"});
  TapDevice far = open_tap({.name = "rovetap1", .mtu = 9000, .bridge = "vmbridge"});

  CHECK(near.bridge_created);
  CHECK_FALSE(far.bridge_created);
  CHECK(near.bridge_ifindex == far.bridge_ifindex);
  CHECK(near.ifindex != far.ifindex);
  for (const std::size_t size : {14, 60, 1414, 9014}) {
    const Bytes frame = test_frame(size, static_cast<std::uint8_t>(size));
    CHECK(near.queue.write(frame));
    CHECK(read_frame(far.queue) == frame);
  }
  const Bytes tagged = with_vlan_tag(test_frame(9014, 1), 7);
  CHECK(tagged.size() == kFrameSizeMax);
  CHECK(near.queue.write(tagged));
  CHECK(read_frame(far.queue) == tagged);
}

TEST_CASE("open_tap: the bridge that it makes has a private MAC, forwards at once and keeps quiet") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  SeededRandom random{5};
  SeededRandom same_random{5};
  std::array<std::uint8_t, 6> expected = same_random.bytes<6>();
  expected[0] = static_cast<std::uint8_t>((expected[0] & 0xfc) | 2);

  TapDevice device = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "vmbridge"}, random);

  CHECK(device.bridge_mac == MacAddress{expected});
  const auto bridge = find_link("vmbridge");
  REQUIRE(bridge);
  CHECK(bridge->kind == "bridge");
  CHECK(bridge->mac == device.bridge_mac);
  CHECK(bridge->mtu == 1400);
  CHECK(find_link("rovetap0")->mtu == 1400);
  CHECK(find_link("rovetap0")->mac == device.mac);
  CHECK(read_setting("/proc/sys/net/ipv6/conf/vmbridge/accept_ra") == "0");
  CHECK(read_setting("/proc/sys/net/ipv6/conf/rovetap0/disable_ipv6") == "1");
  // Neither neighbour discovery nor listener reports come out of the host itself.
  CHECK_FALSE(wait_readable(device.queue.fd(), std::chrono::milliseconds{200}));
}

TEST_CASE("open_tap: a bridge that exists keeps its MAC, whatever joins and leaves") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  network.ip("link add vmbridge type bridge");
  network.ip("link add guest0 address fe:00:00:00:00:01 type veth peer name guest1");
  network.ip("link set guest0 master vmbridge");
  const MacAddress before = find_link("vmbridge")->mac;

  {
    const TapDevice device = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "vmbridge"});
    CHECK(device.bridge_mac == before);
    CHECK_FALSE(device.bridge_created);
    network.ip("link add low0 address 02:00:00:00:00:01 type veth peer name low1");
    network.ip("link set low0 master vmbridge");
    CHECK(find_link("vmbridge")->mac == before);
  }

  CHECK_FALSE(find_link("rovetap0"));
  REQUIRE(find_link("vmbridge"));
  CHECK(find_link("vmbridge")->mac == before);
}

TEST_CASE("open_tap: what a VM answers to the probing MAC comes to the TAP, what it sends to the TAP's own does not") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  TapDevice device = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "vmbridge"});
  TapDevice guest = open_tap({.name = "guesttap", .mtu = 1400, .bridge = "vmbridge"});
  const auto from_to = [](const MacAddress& source, const MacAddress& destination) {
    Bytes frame = test_frame(60, 1);
    std::copy(destination.octets.begin(), destination.octets.end(), frame.begin());
    std::copy(source.octets.begin(), source.octets.end(), frame.begin() + 6);
    return frame;
  };
  const MacAddress vm = mac_of("52:54:00:00:00:01");
  const Bytes question = from_to(device.probe_mac, vm);
  const Bytes answer = from_to(vm, device.probe_mac);

  CHECK(device.probe_mac != device.mac);
  CHECK(device.queue.write(question));
  CHECK(read_frame(guest.queue) == question);
  CHECK(guest.queue.write(from_to(vm, device.mac)));
  CHECK(guest.queue.write(answer));
  CHECK(read_frame(device.queue) == answer);
}

TEST_CASE("open_tap: a snooping bridge with a querier still gives the TAP all multicast") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  network.ip("link add vmbridge type bridge mcast_snooping 1 mcast_querier 1 mcast_startup_query_interval 1");
  network.ip("link set vmbridge up");
  TapDevice guest = open_tap({.name = "guesttap", .mtu = 1400, .bridge = "vmbridge"});
  TapDevice device = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "vmbridge"});

  // To the solicited-node group of a VM that is elsewhere.
  const Bytes solicitation = ipv6_frame(mac_of("33:33:ff:00:00:05"), kGuest, ip_of("fd00::1"), ip_of("ff02::1:ff00:5"),
                                        58, Bytes(24, 0x87), 255);
  CHECK(guest.queue.write(solicitation));

  Bytes seen;
  do {
    seen = read_frame(device.queue);
  } while (!seen.empty() && seen != solicitation);  // the bridge's own queries come too
  CHECK(seen == solicitation);
}

TEST_CASE("TapQueue: nothing to read is 0; a frame that is too short or for a device that is down is refused") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  TapDevice device = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = ""});
  Bytes buffer(kFrameSizeMax);

  CHECK(device.queue.read(buffer).size == 0);
  CHECK_FALSE(device.queue.write(Bytes(13)));
  CHECK(device.queue.write(test_frame(60, 1)));
  network.ip("link set rovetap0 down");
  CHECK_FALSE(device.queue.write(test_frame(60, 1)));
  CHECK(device.queue.read(buffer).size == 0);
  network.ip("link set rovetap0 up");
  CHECK(device.queue.write(test_frame(60, 1)));
}

TEST_CASE("TapQueue: reading throws when the device was deleted") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  TapDevice device = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = ""});
  Bytes buffer(kFrameSizeMax);

  network.ip("link delete rovetap0");

  CHECK(wait_readable(device.queue.fd()));
  CHECK_THROWS_AS(static_cast<void>(device.queue.read(buffer).size), std::system_error);
}

TEST_CASE("TapQueue: a frame with a partial checksum arrives with a complete one") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  TapDevice near = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "vmbridge"});
  TapDevice far = open_tap({.name = "rovetap1", .mtu = 1400, .bridge = "vmbridge"});
  Bytes udp(8);
  store_be<std::uint16_t>(&udp[0], 7);
  store_be<std::uint16_t>(&udp[2], 9);
  store_be<std::uint16_t>(&udp[4], 8);
  // Pseudo-header: 10.77.0.1, 10.77.0.2, protocol 17, length 8, not complemented.
  store_be<std::uint16_t>(&udp[6], 0x0a4d + 0x0001 + 0x0a4d + 0x0002 + 17 + 8);
  Bytes frame = ipv4_frame(kOther, kGuest, ip_of("10.77.0.1"), ip_of("10.77.0.2"), udp);
  // Bridges with netfilter drop packets whose header checksum is wrong.
  store_be(&frame[24], internet_checksum({BytesView{frame}.subspan(14, 20)}));

  CHECK(near.queue.write(frame, true));
  const Bytes received = read_frame(far.queue);

  REQUIRE(received.size() == frame.size());
  // The complement of the sum of pseudo-header and UDP header (RFC 768).
  const auto sum = static_cast<std::uint16_t>(0x0a4d + 1 + 0x0a4d + 2 + 17 + 8 + 7 + 9 + 8);
  CHECK(load_be<std::uint16_t>(&received[40]) == static_cast<std::uint16_t>(~sum));
  CHECK_FALSE(near.queue.write(test_frame(60, 1), true));  // no TCP or UDP in it
}

TEST_CASE("TapQueue: a superframe arrives as one where that is wanted, and else in frames with complete checksums") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  constexpr TapOffloads kAll{.checksum = true, .tcp = true, .udp = true};
  TapDevice near = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "vmbridge", .offloads = kAll});
  REQUIRE(near.queue.offloads().tcp);
  for (const bool wanted : {true, false}) {
    for (const PacketShape shape : {PacketShape{}, PacketShape{.v4 = false}, PacketShape{.tagged = true},
                                    PacketShape{.tcp = false}, PacketShape{.v4 = false, .tcp = false}}) {
      if (!shape.tcp && !near.queue.offloads().udp) continue;  // before Linux 6.2
      CAPTURE(wanted);
      CAPTURE(shape.v4);
      CAPTURE(shape.tcp);
      CAPTURE(shape.tagged);
      TapDevice far =
          open_tap({.name = "rovetap1", .mtu = 1400, .bridge = "vmbridge", .offloads = wanted ? kAll : TapOffloads{}});
      const Bytes whole = transport_packet(shape, 20000, kTcpAck | kTcpPush);
      const JoinedFrame joined{whole, 1300};

      REQUIRE(near.queue.write_superframe(joined.entry()));

      Bytes buffer(kSuperframeSizeMax);
      std::size_t payload = 0;
      while (payload < 20000 && wait_readable(far.queue.fd())) {
        const TapQueue::Frame frame = far.queue.read(buffer);
        const BytesView view = BytesView{buffer}.first(frame.size);
        if (!std::equal(whole.begin(), whole.begin() + 12, view.begin())) continue;  // the bridge's own
        if (wanted) {
          CHECK(frame.offload.segment_size == 1300);
          CHECK(frame.offload.needs_checksum);
          CHECK(frame.offload.checksum_start == shape.transport_at());
          CHECK(Bytes{view.begin(), view.end()} == whole);
        } else {
          CHECK(frame.offload == TapOffload{});
          CHECK(frame.size <= shape.header_size() + 1300);
          const std::uint16_t rest = internet_checksum({view.subspan(shape.transport_at())});
          CHECK(static_cast<std::uint16_t>(~rest + pseudo_sum_of(shape, view)) % 0xffff == 0);
        }
        payload += frame.size - shape.header_size();
      }
      CHECK(payload == 20000);
    }
  }
}

TEST_CASE("TapQueue: the kernel takes as many datagrams in one superframe as are ever joined") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  TapDevice near = open_tap({.name = "rovetap0",
                             .mtu = 1400,
                             .bridge = "vmbridge",
                             .offloads = {.checksum = true, .tcp = true, .udp = true}});
  if (!near.queue.offloads().udp) return;  // before Linux 6.2
  const PacketShape shape{.tcp = false};
  const JoinedFrame joined{transport_packet(shape, kJoinedDatagramsMax * 64), 64};
  REQUIRE(joined.segments() == kJoinedDatagramsMax);

  CHECK(near.queue.write_superframe(joined.entry()));
}

TEST_CASE("TapQueue: offloads that depend on others are left out with them") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  const auto open = [](const TapOffloads& wanted) {
    return open_tap({.name = "rovetap0", .mtu = 1400, .bridge = "", .offloads = wanted}).queue.offloads();
  };
  CHECK(open({}) == TapOffloads{});
  CHECK(open({.checksum = false, .tcp = true, .udp = true}) == TapOffloads{});
  CHECK(open({.checksum = true}) == TapOffloads{.checksum = true});
  CHECK(open({.checksum = true, .tcp = true}) == TapOffloads{.checksum = true, .tcp = true});
}

TEST_CASE("open_tap: an error says what was tried, why it failed and what to do") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  network.ip("link add taken0 type veth peer name taken1");
  const TapDevice held = open_tap({.name = "rovetap0", .mtu = 1400, .bridge = ""});

  CHECK(message_of({.name = "rovetap0", .mtu = 1400, .bridge = ""})
            .find("create the TAP device rovetap0: Device or resource busy: another program holds it") == 0);
  CHECK(message_of({.name = "taken0", .mtu = 1400, .bridge = ""}) ==
        "create the TAP device taken0: Invalid argument: a device of this name exists and is no TAP; choose another "
        "name with `tap`");
  CHECK(message_of({.name = "rovetap1", .mtu = 1400, .bridge = "taken0"}) ==
        "attach to the bridge taken0: this device is a veth: name a bridge with `bridge`, or a name that is free to "
        "have one created");
  CHECK_FALSE(find_link("rovetap1"));
}

TEST_CASE("open_tap: names and sizes that the kernel would refuse or misunderstand are refused first") {
  for (const char* name : {"", "all", "default", "..", "a/b", "a b", "sixteen-octets-x", "tap%d"}) {
    CHECK(message_of({.name = name, .mtu = 1400, .bridge = ""}) ==
          "tap '" + std::string{name} + "': not a name for a network device: use 1 to 15 letters and digits");
  }
  CHECK(message_of({.name = "rovetap0", .mtu = 1279, .bridge = ""}) == "mtu 1279: must be 1280 to 9000");
  CHECK(message_of({.name = "rovetap0", .mtu = 9001, .bridge = ""}) == "mtu 9001: must be 1280 to 9000");
}

}  // namespace rove
