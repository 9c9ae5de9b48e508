// Frames for VMs that move: sent on by the previous owner, accepted from it alone.
//
//   a has a VM that talks to `vm_b`; vm_b moves from b to c, and on to d.
#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

constexpr std::chrono::seconds kForwarding{30};
constexpr std::chrono::seconds kTakeover{60};

struct Migration : Pair {
  Migration() {
    maker.connect(b, c);
    // Everybody but a has heard that vm_b moved from b to c.
    VmView left = remote_vm(c, {ip_b});
    left.forward_until = kStart + kForwarding;
    b.snapshot.vms[vm_b] = left;
    b.publish();
    VmView arrived = local_vm({ip_b});
    arrived.previous_owner = b.id;
    arrived.takeover_until = kStart + kTakeover;
    c.snapshot.vms[vm_b] = arrived;
    c.publish();
  }

  // a, that knows nothing yet, sends to b; b sends on.
  void send_to_b() {
    a.take_frame(frame());
    b.take_datagram_of(a);
  }
  [[nodiscard]] static Bytes first_relayed(const Host& host) {
    const BytesView datagram = host.relayed.slots()[0].bytes();
    return {datagram.begin(), datagram.end()};
  }

  Host c{3};
};

TEST_CASE("Forwarder: a frame for a VM that left lately is sent on to its owner and not written to the TAP") {
  Migration m;

  m.send_to_b();

  CHECK(m.b.delivered.empty());
  REQUIRE(m.b.relayed.slots().size() == 1);
  CHECK(m.b.relayed.slots()[0].to == m.c.endpoint);
  CHECK(parse_header(m.b.relayed.slots()[0].bytes())->flags == (kFlagForwarded | 0x10));
  CHECK(m.b.forwarder.counters().frames_forwarded == 1);
  CHECK(m.b.all_drops() == 0);

  m.c.take_datagram(m.b.endpoint, Migration::first_relayed(m.b));
  REQUIRE(m.c.delivered.frames().size() == 1);
  const Bytes sent = m.frame();
  const BytesView delivered = m.c.delivered.frames()[0].frame;
  CHECK(std::equal(delivered.begin(), delivered.end(), sent.begin(), sent.end()));
}

TEST_CASE("Forwarder: the sender of a misdirected frame is told of, once per VM and 100 ms") {
  Migration m;
  m.send_to_b();
  m.send_to_b();
  const std::vector<MisdirectedFrame> told = m.b.take_events_of<MisdirectedFrame>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].peer == m.a.id);
  CHECK(told[0].vm == m.vm_b);
  CHECK(told[0].forwarded);

  m.b.now += std::chrono::milliseconds{100};
  m.send_to_b();
  CHECK(m.b.take_events_of<MisdirectedFrame>().size() == 1);
  CHECK(m.b.forwarder.counters().frames_forwarded == 3);
}

TEST_CASE("Forwarder: after the forwarding time a misdirected frame is dropped, and the sender told of") {
  Migration m;
  m.b.now = kStart + kForwarding;

  m.send_to_b();

  CHECK(m.b.relayed.empty());
  CHECK(m.b.delivered.empty());
  CHECK(m.b.drops(DropReason::Misdirected) == 1);
  const std::vector<MisdirectedFrame> told = m.b.take_events_of<MisdirectedFrame>();
  REQUIRE(told.size() == 1);
  CHECK_FALSE(told[0].forwarded);
}

TEST_CASE("Forwarder: without a session to the new owner a frame cannot be sent on") {
  Migration m;
  m.b.snapshot.current.erase(m.c.id);
  m.b.publish();

  m.send_to_b();

  CHECK(m.b.relayed.empty());
  CHECK(m.b.drops(DropReason::NoSession) == 1);
  CHECK_FALSE(m.b.take_events_of<MisdirectedFrame>().at(0).forwarded);
}

TEST_CASE("Forwarder: flags of the frame survive forwarding, those of a superframe do not") {
  Migration m;
  m.b.take_datagram(m.a.endpoint, m.forged(kFlagNeedsChecksum | kFlagSuperframe | kFlagLast, m.frame()));
  REQUIRE(m.b.relayed.slots().size() == 1);
  CHECK(parse_header(m.b.relayed.slots()[0].bytes())->flags == (kFlagForwarded | kFlagNeedsChecksum | 0x10));
}

TEST_CASE("Forwarder: packed frames are sorted into those for here and those to send on") {
  Migration m;
  Bytes buffer(1400);
  FramePacker packer{buffer};
  REQUIRE(packer.append(m.frame("gone"), true));
  const MacAddress source = beside(m.vm_b);  // a broadcast is of its source's shard
  m.b.snapshot.vms[source] = remote_vm(m.a, {m.ip_a});
  m.b.publish();
  REQUIRE(packer.append(ipv4_frame(MacAddress::broadcast(), source, m.ip_a, m.ip_b, Bytes(8)), false));
  REQUIRE(packer.append(m.frame("gone too"), false));

  m.b.take_datagram(m.a.endpoint, m.forged(kFlagPacked, packer.plaintext()));

  CHECK(m.b.delivered.frames().size() == 1);
  REQUIRE(m.b.relayed.slots().size() == 2);
  CHECK(parse_header(m.b.relayed.slots()[0].bytes())->flags == (kFlagForwarded | kFlagNeedsChecksum | 0x10));
  CHECK(parse_header(m.b.relayed.slots()[1].bytes())->flags == (kFlagForwarded | 0x10));
}

TEST_CASE("Forwarder: first frames for a VM that came here lately are told of, forwarded and direct ones apart") {
  Migration m;
  m.send_to_b();
  m.c.take_datagram(m.b.endpoint, Migration::first_relayed(m.b));
  const std::vector<TakeoverFrame> forwarded = m.c.take_events_of<TakeoverFrame>();
  REQUIRE(forwarded.size() == 1);
  CHECK(forwarded[0].peer == m.b.id);
  CHECK(forwarded[0].vm == m.vm_b);
  CHECK(forwarded[0].forwarded);

  // a has heard of the move by now.
  m.maker.connect(m.a, m.c);
  m.a.snapshot.vms[m.vm_b] = remote_vm(m.c, {m.ip_b});
  m.a.publish();
  m.c.snapshot.vms[m.vm_a] = remote_vm(m.a, {m.ip_a});
  m.c.publish();
  const auto told_of_direct = [&m] {
    m.a.take_frame(m.frame());
    m.c.take_datagram_of(m.a);
    return m.c.take_events_of<TakeoverFrame>();
  };
  const std::vector<TakeoverFrame> direct = told_of_direct();
  REQUIRE(direct.size() == 1);
  CHECK(direct[0].peer == m.a.id);
  CHECK_FALSE(direct[0].forwarded);
  CHECK(told_of_direct().empty());
  m.c.now += std::chrono::milliseconds{100};
  CHECK(told_of_direct().size() == 1);
  m.c.now = kStart + kTakeover;
  CHECK(told_of_direct().empty());
}

TEST_CASE("Forwarder: forwarded frames are accepted from the previous owner only, and only for a while") {
  Migration m;
  const auto refused = [&](Host& host, const Endpoint& from, const Bytes& datagram) {
    const std::uint64_t before = host.drops(DropReason::BadForward);
    host.take_datagram(from, datagram);
    CHECK(host.delivered.empty());
    CHECK(host.relayed.empty());
    CHECK(host.drops(DropReason::BadForward) == before + 1);
    CHECK(host.take_events_of<UnprovenFrame>().empty());
  };

  SUBCASE("not from another peer") {
    // b itself holds vm_b again, without a previous owner.
    m.b.snapshot.vms[m.vm_b] = local_vm({m.ip_b});
    m.b.publish();
    refused(m.b, m.a.endpoint, m.forged(kFlagForwarded | 0x10, m.frame()));
  }
  SUBCASE("not after the takeover time") {
    m.send_to_b();
    m.c.now = kStart + kTakeover;
    refused(m.c, m.b.endpoint, Migration::first_relayed(m.b));
  }
  SUBCASE("not to a group") {
    refused(m.b, m.a.endpoint,
            m.forged(kFlagForwarded | 0x10, ipv4_frame(MacAddress::broadcast(), m.vm_a, m.ip_a, m.ip_b, Bytes(8))));
  }
  SUBCASE("not to an unknown MAC") {
    refused(m.b, m.a.endpoint,
            m.forged(kFlagForwarded | 0x10, ipv4_frame(mac_of("02:00:5e:10:00:99"), m.vm_a, m.ip_a, m.ip_b, Bytes(8))));
  }
}

TEST_CASE("Forwarder: a forwarded frame from a source that lives here goes to the VM's port, not to the TAP") {
  Migration m;
  m.c.snapshot.vms[m.vm_a] = local_vm({m.ip_a});
  m.c.snapshot.vms[m.vm_b].port = 7;
  m.c.publish();
  m.send_to_b();
  m.c.take_datagram(m.b.endpoint, Migration::first_relayed(m.b));

  CHECK(m.c.delivered.empty());
  REQUIRE(m.c.forwarder.has_released(m.c.now));
  const auto released = m.c.forwarder.release(m.c.now, m.c.sent);
  REQUIRE(released.has_value());
  CHECK(released->port == 7);
  CHECK(released->frame == m.frame());
  CHECK(m.c.all_drops() == 0);

  // Nobody has told where it is.
  m.c.snapshot.vms[m.vm_b].port = 0;
  m.c.publish();
  m.send_to_b();
  m.c.take_datagram(m.b.endpoint, Migration::first_relayed(m.b));
  CHECK_FALSE(m.c.forwarder.has_released(m.c.now));
  CHECK(m.c.drops(DropReason::NoPort) == 1);
}

TEST_CASE("Forwarder: a VM that moves twice is followed over two hops, and no further") {
  Migration m;
  Host d{4};
  m.maker.connect(m.c, d);
  VmView passing = remote_vm(d, {m.ip_b});
  passing.previous_owner = m.b.id;
  passing.takeover_until = kStart + kTakeover;
  passing.forward_until = kStart + kForwarding;
  m.c.snapshot.vms[m.vm_b] = passing;
  m.c.publish();
  VmView arrived = local_vm({m.ip_b});
  arrived.previous_owner = m.c.id;
  arrived.takeover_until = kStart + kTakeover;
  d.snapshot.vms[m.vm_b] = arrived;
  d.publish();

  m.send_to_b();
  m.c.take_datagram(m.b.endpoint, Migration::first_relayed(m.b));
  REQUIRE(m.c.relayed.slots().size() == 1);
  CHECK(m.c.relayed.slots()[0].to == d.endpoint);
  CHECK(parse_header(m.c.relayed.slots()[0].bytes())->flags == (kFlagForwarded | 0x20));

  SUBCASE("the second hop's target takes it") {
    d.take_datagram(m.c.endpoint, Migration::first_relayed(m.c));
    CHECK(d.delivered.frames().size() == 1);
  }
  SUBCASE("a third hop is refused") {
    VmView left = passing;
    left.owner = m.a.id;
    left.previous_owner = m.c.id;
    d.snapshot.vms[m.vm_b] = left;
    d.publish();
    d.take_datagram(m.c.endpoint, Migration::first_relayed(m.c));
    CHECK(d.relayed.empty());
    CHECK(d.drops(DropReason::TooManyHops) == 1);
    CHECK_FALSE(d.take_events_of<MisdirectedFrame>().at(0).forwarded);
  }
}

TEST_CASE("Forwarder: a hop count beyond the limit is refused even where the frame would be delivered") {
  Pair pair;
  pair.b.take_datagram(pair.a.endpoint, pair.forged(kFlagForwarded | 0x30, pair.frame()));
  CHECK(pair.b.drops(DropReason::TooManyHops) == 1);
  CHECK(pair.b.delivered.empty());
}

TEST_CASE("Forwarder: an unproven frame is shown, not sent on") {
  Migration m;
  m.b.take_datagram(m.a.endpoint, m.forged(0, ipv4_frame(m.vm_b, m.vm_a, ip_of("10.77.0.99"), m.ip_b, Bytes(8))));
  CHECK(m.b.relayed.empty());
  CHECK(m.b.take_events_of<UnprovenFrame>().size() == 1);
}

}  // namespace
}  // namespace rove
