// Frames from the TAP: what is sealed at once, and what is left to the control thread.
#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>

#include "core/wire/neighbor.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

void check_punted(Host& host, const Bytes& frame) {
  (void)host.take_events();  // of earlier frames
  host.take_frame(frame);
  CHECK(host.sent.empty());
  const std::vector<PuntedFrame> punted = host.take_events_of<PuntedFrame>();
  REQUIRE(punted.size() == 1);
  CHECK(punted[0].frame == frame);
}

void check_sealed(Host& host, const Bytes& frame) {
  host.take_frame(frame);
  CHECK(host.sent.slots().size() == 1);
  CHECK(host.take_events_of<PuntedFrame>().empty());
}

TEST_CASE("Forwarder: a frame between known VMs is sealed, sent, opened and delivered unchanged") {
  for (const AeadAlgorithm algorithm : {AeadAlgorithm::ChaCha20Poly1305, AeadAlgorithm::Aes256Gcm}) {
    Pair pair{algorithm};
    for (std::size_t size : {0u, 1u, 46u, 1400u, 8984u}) {
      const Bytes frame = ipv4_frame(pair.vm_b, pair.vm_a, pair.ip_a, pair.ip_b, Bytes(size, 0x5a));

      pair.a.take_frame(frame);
      REQUIRE(pair.a.sent.slots().size() == 1);
      const DatagramBatch::Slot& slot = pair.a.sent.slots()[0];
      CHECK(slot.to == pair.b.endpoint);
      CHECK(slot.size == frame.size() + kDataOverhead);
      pair.b.take_datagram_of(pair.a);

      REQUIRE(pair.b.delivered.frames().size() == 1);
      const BytesView delivered = pair.b.delivered.frames()[0].frame;
      CHECK(std::equal(delivered.begin(), delivered.end(), frame.begin(), frame.end()));
      CHECK_FALSE(pair.b.delivered.frames()[0].needs_checksum);
    }
    CHECK(pair.a.all_drops() + pair.b.all_drops() == 0);
    CHECK(pair.a.forwarder.counters().datagrams_sealed == 5);
    CHECK(pair.b.forwarder.counters().datagrams_opened == 5);
    CHECK(pair.b.forwarder.counters().frames_out == 5);
    CHECK(pair.b.forwarder.counters().bytes_out == pair.a.forwarder.counters().bytes_in);
  }
}

TEST_CASE("Forwarder: the datagram shows nothing of the frame, and each has its own counter on the worker's lane") {
  Pair pair;
  const Bytes first = pair.sealed(pair.frame("a pattern of twelve and more"));
  const Bytes second = pair.sealed(pair.frame("a pattern of twelve and more"));

  const BytesView pattern = as_bytes("pattern");
  CHECK(std::search(first.begin(), first.end(), pattern.begin(), pattern.end()) == first.end());
  CHECK(Bytes(first.begin() + kHeaderSize, first.end()) != Bytes(second.begin() + kHeaderSize, second.end()));
  CHECK(parse_header(first)->counter == PacketCounter{1, 0});
  CHECK(parse_header(second)->counter == PacketCounter{1, 1});
  CHECK(parse_header(first)->receiver == pair.session.first.remote_index);
}

TEST_CASE("Forwarder: group destinations and RARP are punted") {
  Pair pair;
  check_punted(pair.a, ipv4_frame(MacAddress::broadcast(), pair.vm_a, pair.ip_a, ip_of("10.77.0.255"), Bytes(8)));
  check_punted(pair.a, make_arp_request({pair.vm_a, pair.ip_a}, pair.ip_b));
  check_punted(pair.a, make_neighbor_solicitation({pair.vm_a, pair.ip6_a}, pair.ip6_b));
  check_punted(pair.a, make_rarp_announce(pair.vm_a));
  Bytes unicast_rarp = make_rarp_announce(pair.vm_a);
  std::copy(pair.vm_b.octets.begin(), pair.vm_b.octets.end(), unicast_rarp.begin());
  check_punted(pair.a, unicast_rarp);
  CHECK(pair.a.forwarder.counters().frames_punted == 5);
}

TEST_CASE("Forwarder: neighbour messages to one VM go the fast way") {
  Pair pair;
  check_sealed(pair.a, make_arp_reply({pair.vm_a, pair.ip_a}, {pair.vm_b, pair.ip_b}));
  check_sealed(pair.a, make_arp_request({pair.vm_a, pair.ip_a}, pair.ip_b, pair.vm_b));
  check_sealed(pair.a, make_neighbor_advertisement({pair.vm_a, pair.ip6_a}, {pair.vm_b, pair.ip6_b}));
  check_sealed(pair.a, make_neighbor_solicitation({pair.vm_a, pair.ip6_a}, pair.ip6_b, pair.vm_b));
}

TEST_CASE("Forwarder: a source that is no local VM with that address is punted, so that it can be learned") {
  Pair pair;
  const MacAddress stranger = mac_of("02:00:5e:10:00:99");
  check_punted(pair.a, ipv4_frame(pair.vm_b, stranger, pair.ip_a, pair.ip_b, Bytes(8)));
  check_punted(pair.a, ipv4_frame(pair.vm_b, pair.vm_a, ip_of("10.77.0.99"), pair.ip_b, Bytes(8)));
  check_punted(pair.a, make_arp_reply({pair.vm_a, ip_of("10.77.0.99")}, {pair.vm_b, pair.ip_b}));
  // A VM that moved away and speaks here again.
  check_punted(pair.b, ipv4_frame(pair.vm_b, pair.vm_a, pair.ip_a, pair.ip_b, Bytes(8)));
}

TEST_CASE("Forwarder: link-local sources and frames without IP need the MAC only") {
  Pair pair;
  check_sealed(pair.a, ipv6_frame(pair.vm_b, pair.vm_a, ip_of("fe80::a"), pair.ip6_b, 17, Bytes(8)));
  check_sealed(pair.a, ethernet_frame(pair.vm_b, pair.vm_a, 0x88b5, Bytes(46)));
}

TEST_CASE("Forwarder: an unknown destination and a VM without a session are punted") {
  Pair pair;
  check_punted(pair.a, ipv4_frame(mac_of("02:00:5e:10:00:99"), pair.vm_a, pair.ip_a, pair.ip_b, Bytes(8)));

  pair.a.now = kStart + kSessionLife;
  check_punted(pair.a, pair.frame());

  pair.a.now = kStart;
  pair.a.snapshot.current.clear();
  pair.a.publish();
  check_punted(pair.a, pair.frame());
}

TEST_CASE("Forwarder: a frame between two local VMs is the bridge's affair") {
  Pair pair;
  const MacAddress neighbour = mac_of("02:00:5e:10:00:0c");
  pair.a.snapshot.vms[neighbour] = local_vm({ip_of("10.77.0.12")});
  pair.a.publish();

  pair.a.take_frame(ipv4_frame(neighbour, pair.vm_a, pair.ip_a, ip_of("10.77.0.12"), Bytes(8)));

  CHECK(pair.a.sent.empty());
  CHECK(pair.a.take_events().empty());
  CHECK(pair.a.all_drops() == 0);
}

TEST_CASE("Forwarder: a frame that does not parse is dropped and counted") {
  Pair pair;
  pair.a.take_frame(Bytes(13));
  pair.a.take_frame(ethernet_frame(pair.vm_b, MacAddress::broadcast(), 0x88b5, Bytes(46)));
  pair.a.take_frame(Bytes(kFrameSizeMax + 1, 2));

  CHECK(pair.a.drops(DropReason::BadFrame) == 3);
  CHECK(pair.a.all_drops() == 3);
  CHECK(pair.a.take_events().empty());
}

TEST_CASE("Forwarder: use of a route is told once per VM and 5 s") {
  Pair pair;
  pair.a.take_frame(pair.frame());
  pair.a.take_frame(pair.frame());
  std::vector<RouteUsed> used = pair.a.take_events_of<RouteUsed>();
  REQUIRE(used.size() == 1);
  CHECK(used[0].vm == pair.vm_b);

  pair.a.now += std::chrono::seconds{5};
  pair.a.take_frame(pair.frame());
  CHECK(pair.a.take_events_of<RouteUsed>().size() == 1);
}

TEST_CASE("Forwarder: punted frames beyond half of the queue are dropped and counted") {
  Pair pair;
  Host host{9, {.events_max = 8}};
  for (int i = 0; i < 6; ++i) host.take_frame(pair.frame());

  CHECK(host.forwarder.counters().frames_punted == 4);
  CHECK(host.drops(DropReason::EventsFull) == 2);
  CHECK(host.take_events_of<PuntedFrame>().size() == 4);

  host.take_frame(pair.frame());
  CHECK(host.forwarder.counters().frames_punted == 5);
}

TEST_CASE("Forwarder: SendFrame seals in the peer's session, with the flags given") {
  Pair pair;
  const MacAddress stranger = mac_of("02:00:5e:10:00:99");
  const Bytes frame = ipv4_frame(MacAddress::broadcast(), stranger, pair.ip_a, pair.ip_b, Bytes(8));
  pair.a.forwarder.handle_command(kStart, SendFrame{pair.b.id, kFlagForwarded | 0x10, frame}, pair.a.sent);

  REQUIRE(pair.a.sent.slots().size() == 1);
  CHECK(pair.a.sent.slots()[0].to == pair.b.endpoint);
  CHECK(parse_header(pair.a.sent.slots()[0].bytes())->flags == (kFlagForwarded | 0x10));
}

TEST_CASE("Forwarder: SendFrame without a session, or of what is no frame, is dropped and counted") {
  Pair pair;
  NodeId stranger;
  stranger.octets[0] = 77;
  pair.a.forwarder.handle_command(kStart, SendFrame{stranger, 0, pair.frame()}, pair.a.sent);
  CHECK(pair.a.drops(DropReason::NoSession) == 1);
  pair.a.forwarder.handle_command(kStart, SendFrame{pair.b.id, 0, Bytes(5)}, pair.a.sent);
  CHECK(pair.a.drops(DropReason::BadFrame) == 1);
  CHECK(pair.a.sent.empty());
}

}  // namespace
}  // namespace rove
