// Datagrams from the network: one test per reason to refuse, and what the control thread is told.
#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>

#include "core/wire/replay_window.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

void check_dropped(Host& host, const Endpoint& from, const Bytes& datagram, DropReason reason) {
  const std::uint64_t before = host.drops(reason);
  const std::uint64_t all_before = host.all_drops();
  host.take_datagram(from, datagram);
  CHECK(host.drops(reason) == before + 1);
  CHECK(host.all_drops() == all_before + 1);
  CHECK(host.delivered.empty());
  CHECK(host.relayed.empty());
}

TEST_CASE("Forwarder: every first octet but the three kinds is an unknown type") {
  Pair pair;
  Bytes datagram = pair.sealed(pair.frame());
  for (unsigned type = 0; type < 256; ++type) {
    if (type >= 1 && type <= 3) continue;
    datagram[0] = static_cast<std::uint8_t>(type);
    check_dropped(pair.b, pair.a.endpoint, datagram, DropReason::UnknownType);
  }
  check_dropped(pair.b, pair.a.endpoint, {}, DropReason::UnknownType);
}

TEST_CASE("Forwarder: a data datagram that is too short, too long or has reserved bits set is malformed") {
  Pair pair;
  const Bytes datagram = pair.sealed(pair.frame());
  for (std::size_t size = 1; size < kDataOverhead; ++size) {
    check_dropped(pair.b, pair.a.endpoint, {datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(size)},
                  DropReason::Malformed);
  }
  Bytes too_long = datagram;
  too_long.resize(kDatagramSizeMax + 1);
  check_dropped(pair.b, pair.a.endpoint, too_long, DropReason::Malformed);
  Bytes reserved = datagram;
  reserved[3] = 1;
  check_dropped(pair.b, pair.a.endpoint, reserved, DropReason::Malformed);
}

TEST_CASE("Forwarder: data on lane 0 is refused, and more lanes than a session may have") {
  Pair pair;
  Bytes lane_0 = pair.sealed(pair.frame());
  lane_0[kLaneAt] = 0;
  check_dropped(pair.b, pair.a.endpoint, lane_0, DropReason::BadLane);

  const auto lane = [&](unsigned number) { return Pair::other_lane(pair.shard, number); };
  for (unsigned number = 0; number < 16; ++number) {
    pair.b.take_datagram(pair.a.endpoint, pair.forged(0, pair.frame(), {lane(number), 0}));
    CHECK(pair.b.delivered.frames().size() == 1);
  }
  check_dropped(pair.b, pair.a.endpoint, pair.forged(0, pair.frame(), {lane(16), 0}), DropReason::BadLane);
  pair.b.take_datagram(pair.a.endpoint, pair.forged(0, pair.frame(), {lane(15), 1}));
  CHECK(pair.b.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: a frame or a marker on a lane of another shard is refused: another thread may have its VM") {
  Pair pair;
  for (unsigned other = 0; other < kShards; ++other) {
    const Bytes datagram = pair.forged(0, pair.frame(), {lane_of(other), 0});
    if (other == pair.shard) {
      pair.b.take_datagram(pair.a.endpoint, datagram);
      CHECK(pair.b.delivered.frames().size() == 1);
    } else {
      check_dropped(pair.b, pair.a.endpoint, datagram, DropReason::BadLane);
    }
  }
  const Bytes marker = encode_marker({MarkerKind::ReplayEnd, pair.vm_b, pair.a.id});
  check_dropped(pair.b, pair.a.endpoint, pair.forged(kFlagMarker, marker, {lane_of(pair.shard + 1), 7}),
                DropReason::BadLane);
}

TEST_CASE("Forwarder: a lane costs nothing before a datagram of it verified") {
  Pair pair;
  for (unsigned lane = 1; lane < 256; ++lane) {
    Bytes forged = pair.forged(0, pair.frame(), {static_cast<std::uint8_t>(lane), 0});
    forged.back() ^= 1;
    check_dropped(pair.b, pair.a.endpoint, forged, DropReason::Undecryptable);
  }
  pair.b.take_datagram(pair.a.endpoint, pair.forged(0, pair.frame(), {Pair::other_lane(pair.shard, 30), 0}));
  CHECK(pair.b.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: an unknown session is dropped, and told once per address and second") {
  Pair pair;
  Host stranger{3};
  const Bytes datagram = pair.sealed(pair.frame());
  check_dropped(stranger, pair.a.endpoint, datagram, DropReason::UnknownSession);
  check_dropped(stranger, pair.a.endpoint, datagram, DropReason::UnknownSession);
  CHECK(stranger.take_events_of<SessionUnknown>().size() == 1);

  stranger.now += std::chrono::seconds{1};
  check_dropped(stranger, pair.a.endpoint, datagram, DropReason::UnknownSession);
  check_dropped(stranger, pair.b.endpoint, datagram, DropReason::UnknownSession);
  const std::vector<SessionUnknown> told = stranger.take_events_of<SessionUnknown>();
  REQUIRE(told.size() == 2);
  CHECK(told[0].from == pair.a.endpoint);
  CHECK(told[1].from == pair.b.endpoint);
}

TEST_CASE("Forwarder: unknown sessions from invented addresses fill a bounded table only") {
  Pair pair;
  Host stranger{3};
  const Bytes datagram = pair.sealed(pair.frame());
  for (unsigned i = 0; i < 3000; ++i) {
    const std::array<std::uint8_t, 4> ip{198, 18, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
    stranger.take_datagram({IpAddress::v4(ip.data()), 1000}, datagram);
  }
  CHECK(stranger.take_events_of<SessionUnknown>().size() == 1024);
  CHECK(stranger.drops(DropReason::UnknownSession) == 3000);
}

TEST_CASE("Forwarder: an expired session is refused") {
  Pair pair;
  const Bytes datagram = pair.sealed(pair.frame());
  pair.b.now = kStart + kSessionLife - std::chrono::nanoseconds{1};
  pair.b.take_datagram(pair.a.endpoint, datagram);
  CHECK(pair.b.delivered.frames().size() == 1);

  pair.b.now = kStart + kSessionLife;
  check_dropped(pair.b, pair.a.endpoint, pair.sealed(pair.frame()), DropReason::SessionExpired);
}

TEST_CASE("Forwarder: a changed octet anywhere behind the session index is noticed") {
  Pair pair;
  const Bytes datagram = pair.sealed(pair.frame());
  for (std::size_t at = kLaneAt; at < datagram.size(); ++at) {
    Bytes changed = datagram;
    changed[at] ^= at == kLaneAt ? 0x02 : 0x80;
    pair.b.take_datagram(pair.a.endpoint, changed);
    CHECK(pair.b.delivered.empty());
  }
  CHECK(pair.b.drops(DropReason::Undecryptable) == datagram.size() - kLaneAt);

  Bytes forwarded = datagram;
  forwarded[1] = kFlagForwarded;
  check_dropped(pair.b, pair.a.endpoint, forwarded, DropReason::Undecryptable);
  pair.b.take_datagram(pair.a.endpoint, datagram);
  CHECK(pair.b.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: a datagram is accepted once, from whatever address it comes again") {
  Pair pair;
  const Bytes first = pair.sealed(pair.frame("first"));
  const Bytes second = pair.sealed(pair.frame("second"));
  pair.b.take_datagram(pair.a.endpoint, second);
  pair.b.take_datagram(pair.a.endpoint, first);
  CHECK(pair.b.delivered.frames().size() == 1);

  check_dropped(pair.b, pair.a.endpoint, first, DropReason::Replayed);
  check_dropped(pair.b, Endpoint{ip_of("198.51.100.1"), 1}, second, DropReason::Replayed);
}

TEST_CASE("Forwarder: lanes have replay windows of their own, and old counters of each are refused") {
  Pair pair;
  const std::uint8_t one = Pair::other_lane(pair.shard, 5);
  const std::uint8_t other = Pair::other_lane(pair.shard, 6);
  const Bytes low = pair.forged(0, pair.frame(), {one, 0});
  const Bytes in_window = pair.forged(0, pair.frame(), {one, 1});
  pair.b.take_datagram(pair.a.endpoint, pair.forged(0, pair.frame(), {one, ReplayWindow::kSize}));
  pair.b.take_datagram(pair.a.endpoint, pair.forged(0, pair.frame(), {other, 0}));
  CHECK(pair.b.delivered.frames().size() == 1);

  check_dropped(pair.b, pair.a.endpoint, low, DropReason::Replayed);
  pair.b.take_datagram(pair.a.endpoint, in_window);
  CHECK(pair.b.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: a reflected datagram does not open") {
  Pair pair;
  Bytes datagram = pair.sealed(pair.frame());
  store_be(datagram.data() + 4, pair.session.first.local_index.value);

  check_dropped(pair.a, pair.b.endpoint, datagram, DropReason::Undecryptable);
}

TEST_CASE("Forwarder: raw frames and foreign overlays at the port deliver nothing (V13)") {
  Pair pair;
  SeededRandom random{9};
  const Bytes frame = pair.frame("injected");
  Bytes vxlan = from_hex("0800000000000100");
  vxlan.insert(vxlan.end(), frame.begin(), frame.end());
  Bytes plain_data = from_hex("01000000");
  plain_data.resize(kHeaderSize);
  store_be(plain_data.data() + 4, pair.session.second.local_index.value);
  plain_data[kLaneAt] = 1;
  plain_data.insert(plain_data.end(), frame.begin(), frame.end());

  for (const Bytes& datagram : {frame, vxlan, plain_data}) {
    pair.b.take_datagram(pair.a.endpoint, datagram);
    CHECK(pair.b.delivered.empty());
  }
  const Bytes recorded = pair.sealed(pair.frame());
  for (int round = 0; round < 20000; ++round) {
    Bytes mutated = recorded;
    for (int i = 0; i < 2; ++i)
      mutated[random.below(mutated.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
    if (mutated == recorded) continue;
    mutated.resize(mutated.size() - random.below(3));
    pair.b.take_datagram(pair.a.endpoint, mutated);
    CHECK(pair.b.delivered.empty());
    CHECK(pair.b.relayed.empty());
  }
  CHECK(pair.b.forwarder.counters().datagrams_opened == 0);
}

TEST_CASE("Forwarder: a frame inside that does not parse is dropped") {
  Pair pair;
  check_dropped(pair.b, pair.a.endpoint, pair.forged(0, {}), DropReason::BadFrame);
  check_dropped(pair.b, pair.a.endpoint, pair.forged(0, Bytes(13)), DropReason::BadFrame);
  check_dropped(pair.b, pair.a.endpoint,
                pair.forged(0, ethernet_frame(pair.vm_b, MacAddress::broadcast(), 0x88b5, Bytes(46))),
                DropReason::BadFrame);
}

TEST_CASE("Forwarder: packed frames are delivered in order, each with its own checksum flag") {
  Pair pair;
  Bytes buffer(1400);
  FramePacker packer{buffer};
  REQUIRE(packer.append(pair.frame("one"), false));
  REQUIRE(packer.append(pair.frame("two"), true));
  REQUIRE(packer.append(pair.frame("three"), false));

  pair.b.take_datagram(pair.a.endpoint, pair.forged(kFlagPacked, packer.plaintext()));

  const auto frames = pair.b.delivered.frames();
  REQUIRE(frames.size() == 3);
  const Bytes expected[] = {pair.frame("one"), pair.frame("two"), pair.frame("three")};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(std::equal(frames[i].frame.begin(), frames[i].frame.end(), expected[i].begin(), expected[i].end()));
    CHECK(frames[i].needs_checksum == (i == 1));
  }
}

TEST_CASE("Forwarder: packing with a wrong layout delivers none of its frames") {
  Pair pair;
  Bytes buffer(1400);
  FramePacker packer{buffer};
  REQUIRE(packer.append(pair.frame("one"), false));
  REQUIRE(packer.append(pair.frame("two"), false));
  const BytesView cut = packer.plaintext().first(packer.plaintext().size() - 1);

  check_dropped(pair.b, pair.a.endpoint, pair.forged(kFlagPacked, cut), DropReason::Malformed);
  check_dropped(pair.b, pair.a.endpoint, pair.forged(kFlagPacked, {}), DropReason::Malformed);
}

TEST_CASE("Forwarder: one bad frame among packed ones is dropped alone") {
  Pair pair;
  Bytes buffer(1400);
  FramePacker packer{buffer};
  REQUIRE(packer.append(pair.frame("one"), false));
  REQUIRE(packer.append(ethernet_frame(pair.vm_b, MacAddress{}, 0x88b5, {}), false));
  REQUIRE(packer.append(pair.frame("three"), false));

  pair.b.take_datagram(pair.a.endpoint, pair.forged(kFlagPacked, packer.plaintext()));

  CHECK(pair.b.delivered.frames().size() == 2);
  CHECK(pair.b.drops(DropReason::BadFrame) == 1);
}

TEST_CASE("Forwarder: the needs-checksum flag travels to the TAP") {
  Pair pair;
  pair.b.take_datagram(pair.a.endpoint, pair.forged(kFlagNeedsChecksum, pair.frame()));
  REQUIRE(pair.b.delivered.frames().size() == 1);
  CHECK(pair.b.delivered.frames()[0].needs_checksum);
}

TEST_CASE("Forwarder: group and unknown destinations of a known source go to the TAP") {
  Pair pair;
  for (const MacAddress& to : {MacAddress::broadcast(), mac_of("02:00:5e:10:00:99")}) {
    pair.b.take_datagram(pair.a.endpoint, pair.forged(0, ipv4_frame(to, pair.vm_a, pair.ip_a, pair.ip_b, Bytes(8))));
    CHECK(pair.b.delivered.frames().size() == 1);
  }
}

TEST_CASE("Forwarder: control and sealed datagrams are handed over whole, with their sender") {
  Pair pair;
  for (const std::uint8_t type : {std::uint8_t{2}, std::uint8_t{3}}) {
    Bytes datagram(80, 0xab);
    datagram[0] = type;
    pair.b.take_datagram(pair.a.endpoint, datagram);
    const std::vector<ControlDatagram> handed = pair.b.take_events_of<ControlDatagram>();
    REQUIRE(handed.size() == 1);
    CHECK(handed[0].from == pair.a.endpoint);
    CHECK(handed[0].datagram == datagram);
  }
  CHECK(pair.b.all_drops() == 0);
}

TEST_CASE("Forwarder: control and sealed datagrams of impossible sizes are malformed") {
  Pair pair;
  Bytes control(31);
  control[0] = 2;
  check_dropped(pair.b, pair.a.endpoint, control, DropReason::Malformed);
  control.resize(1200 + 32 + 1);
  check_dropped(pair.b, pair.a.endpoint, control, DropReason::Malformed);
  Bytes sealed(66);
  sealed[0] = 3;
  check_dropped(pair.b, pair.a.endpoint, sealed, DropReason::Malformed);
  sealed.resize(4097);
  check_dropped(pair.b, pair.a.endpoint, sealed, DropReason::Malformed);
  CHECK(pair.b.take_events().empty());
}

TEST_CASE("Forwarder: a flood of strangers' datagrams leaves room for the guests' frames") {
  Pair pair;
  Host host{9, {.events_max = 8}};
  Bytes sealed(100);
  sealed[0] = 3;
  for (int i = 0; i < 10; ++i) host.take_datagram(pair.a.endpoint, sealed);
  host.take_frame(pair.frame());

  CHECK(host.drops(DropReason::EventsFull) == 6);
  CHECK(host.forwarder.counters().frames_punted == 1);
  CHECK(host.take_events().size() == 5);
}

TEST_CASE("Forwarder: notices that find the queue full are counted") {
  Pair pair;
  Host host{9, {.events_max = 0}};
  host.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));

  CHECK(host.forwarder.counters().events_dropped == 1);
  CHECK(host.take_events().empty());
}

TEST_CASE("Forwarder: a session is heard at once, then once per second, and when its address changes") {
  Pair pair;
  const Endpoint roamed{ip_of("198.51.100.1"), 4000};
  pair.b.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
  pair.b.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
  std::vector<SessionHeard> heard = pair.b.take_events_of<SessionHeard>();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].local_index == pair.session.second.local_index);
  CHECK(heard[0].from == pair.a.endpoint);

  pair.b.now += std::chrono::milliseconds{10};
  pair.b.take_datagram(roamed, pair.sealed(pair.frame()));
  heard = pair.b.take_events_of<SessionHeard>();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].from == roamed);

  pair.b.now += std::chrono::milliseconds{999};
  pair.b.take_datagram(roamed, pair.sealed(pair.frame()));
  CHECK(pair.b.take_events_of<SessionHeard>().empty());
  pair.b.now += std::chrono::milliseconds{1};
  pair.b.take_datagram(roamed, pair.sealed(pair.frame()));
  CHECK(pair.b.take_events_of<SessionHeard>().size() == 1);
}

TEST_CASE("Forwarder: an address that changes with every datagram is told at most once per 10 ms") {
  Pair pair;
  for (std::uint16_t port = 1; port <= 100; ++port) {
    pair.b.take_datagram({pair.a.endpoint.address, port}, pair.sealed(pair.frame()));
  }
  CHECK(pair.b.take_events_of<SessionHeard>().size() == 1);
}

TEST_CASE("Forwarder: what does not verify is never heard") {
  Pair pair;
  Bytes forged = pair.sealed(pair.frame());
  forged.back() ^= 1;
  pair.b.take_datagram(pair.a.endpoint, forged);
  CHECK(pair.b.take_events().empty());
}

TEST_CASE("DropReason: each has a name of its own") {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kDropReasons; ++i) names.push_back(to_string(static_cast<DropReason>(i)));
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(std::find(names.begin(), names.end(), "unknown") == names.end());
}

}  // namespace
}  // namespace rove
