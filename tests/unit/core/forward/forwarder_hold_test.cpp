// The order of frames for a VM that moves: what waits where, and for what.
//
//   a has a VM that talks to `vm_b`; vm_b moves from b to c.
#include <doctest/doctest.h>

#include <ostream>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

using namespace std::chrono_literals;

struct Moving : Pair {
  Moving() {
    maker.connect(b, c);
    maker.connect(a, c);
    VmView left = remote_vm(c, {ip_b});
    left.forward_until = kStart + 30s;
    left.hold = {1, kStart + 20ms, kStart + 20ms, false};
    b.snapshot.vms[vm_b] = left;
    b.publish();
    VmView arrived = local_vm({ip_b});
    arrived.previous_owner = b.id;
    arrived.takeover_until = kStart + 60s;
    arrived.hold = {1, kStart + 40ms, kStart + 80ms, false};
    c.snapshot.vms[vm_b] = arrived;
    c.snapshot.vms[vm_a] = remote_vm(a, {ip_a});
    c.publish();
  }

  // a has heard of the move.
  void tell_a() {
    a.snapshot.vms[vm_b] = remote_vm(c, {ip_b});
    a.publish();
  }
  void send(Host& from, Host& to, WorkerCommand command) {
    from.sent.clear();
    from.forwarder.handle_command(from.now, std::move(command), from.sent);
    for (const auto& slot : from.sent.slots()) to.take_datagram(from.endpoint, slot.bytes());
  }
  // What `host` lets go now: texts for its TAP, and how many datagrams.
  struct Released {
    std::string texts;
    std::size_t datagrams = 0;
  };
  [[nodiscard]] static Released release(Host& host) {
    Released out;
    host.relayed.clear();
    while (host.forwarder.has_released(host.now)) {
      const auto frame = host.forwarder.release(host.now, host.relayed);
      if (frame) out.texts += static_cast<char>(frame->frame.back());
    }
    out.datagrams = host.relayed.slots().size();
    return out;
  }
  [[nodiscard]] Bytes text(std::string_view text) const { return frame(text); }

  Host c{3};
};

TEST_CASE("Forwarder: the old host holds what comes for a VM that left until its replay is over") {
  Moving m;
  m.a.take_frame(m.text("1"));
  m.b.take_datagram_of(m.a);
  CHECK(m.b.relayed.empty());
  CHECK(m.b.forwarder.counters().frames_held == 1);
  CHECK(m.b.take_events_of<MisdirectedFrame>().size() == 1);

  m.b.forwarder.handle_command(m.b.now, EndHold{m.vm_b}, m.b.sent);

  CHECK(m.release(m.b).datagrams == 1);
  m.c.take_datagram(m.b.endpoint, m.b.relayed.slots()[0].bytes());
  CHECK(m.c.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: the new host holds what comes straight from a sender until the old one's replay has ended") {
  Moving m;
  m.tell_a();
  m.a.take_frame(m.text("2"));
  m.c.take_datagram_of(m.a);
  CHECK(m.c.delivered.empty());

  // What the old host sends on is older, and goes first.
  m.send(m.b, m.c, SendFrame{m.c.id, kFlagForwarded | 0x10, m.text("1")});
  CHECK(m.c.delivered.frames().size() == 1);
  CHECK(m.release(m.c).texts.empty());
  m.send(m.b, m.c, SendMarker{m.c.id, {MarkerKind::ReplayEnd, m.vm_b, m.b.id}});

  CHECK(m.release(m.c).texts == "2");
  m.a.take_frame(m.text("3"));
  m.c.take_datagram_of(m.a);
  CHECK(m.c.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: a sender's switch is passed on behind its last frames, and its new ones wait for that") {
  Moving m;
  m.a.take_frame(m.text("1"));
  m.b.take_datagram_of(m.a);
  m.tell_a();
  m.send(m.a, m.c, SendMarker{m.c.id, {MarkerKind::SwitchAhead, m.vm_b, m.a.id}});
  m.send(m.a, m.b, SendMarker{m.b.id, {MarkerKind::PathSwitch, m.vm_b, m.a.id}});
  m.a.take_frame(m.text("2"));
  m.c.take_datagram_of(m.a);
  m.send(m.b, m.c, SendMarker{m.c.id, {MarkerKind::ReplayEnd, m.vm_b, m.b.id}});
  CHECK(m.release(m.c).texts.empty());

  m.b.forwarder.handle_command(m.b.now, EndHold{m.vm_b}, m.b.sent);
  REQUIRE(m.release(m.b).datagrams == 2);
  m.c.take_datagram(m.b.endpoint, m.b.relayed.slots()[0].bytes());
  CHECK(m.c.delivered.frames().size() == 1);
  CHECK(m.release(m.c).texts.empty());
  m.c.take_datagram(m.b.endpoint, m.b.relayed.slots()[1].bytes());

  CHECK(m.release(m.c).texts == "2");
}

TEST_CASE("Forwarder: a hold ends by itself when the old host says nothing") {
  Moving m;
  m.tell_a();
  m.a.take_frame(m.text("1"));
  m.c.take_datagram_of(m.a);
  CHECK(m.c.forwarder.poll_timeout() == kStart + 40ms);

  m.c.now = kStart + 40ms;
  CHECK(m.release(m.c).texts == "1");
}

TEST_CASE("Forwarder: markers of others than those who may make them are dropped") {
  Moving m;
  m.send(m.a, m.c, SendMarker{m.c.id, {MarkerKind::ReplayEnd, m.vm_b, m.b.id}});    // not the old host
  m.send(m.a, m.c, SendMarker{m.c.id, {MarkerKind::SwitchAhead, m.vm_b, m.b.id}});  // for somebody else
  m.send(m.a, m.b, SendMarker{m.b.id, {MarkerKind::PathSwitch, m.vm_b, m.c.id}});
  m.send(m.a, m.c, SendMarker{m.c.id, {MarkerKind::ReplayEnd, mac_of("02:00:5e:10:00:99"), m.a.id}});
  CHECK(m.c.drops(DropReason::BadMarker) == 3);
  CHECK(m.b.drops(DropReason::BadMarker) == 1);

  m.tell_a();
  m.a.take_frame(m.text("1"));
  m.c.take_datagram_of(m.a);
  CHECK(m.c.delivered.empty());  // still held

  m.c.take_datagram(m.a.endpoint, m.forged(kFlagMarker, as_bytes("short")));
}

TEST_CASE("Forwarder: a sender that switches before the old host has heard of the move is told of") {
  Pair pair;
  pair.a.forwarder.handle_command(kStart, SendMarker{pair.b.id, {MarkerKind::PathSwitch, pair.vm_b, pair.a.id}},
                                  pair.a.sent);
  pair.b.take_datagram_of(pair.a);

  const auto early = pair.b.take_events_of<EarlySwitch>();
  REQUIRE(early.size() == 1);
  CHECK(early[0].peer == pair.a.id);
  CHECK(early[0].vm == pair.vm_b);
}

// The old host hears all of it within a round trip when the guest's pause is shorter than one.
TEST_CASE("Forwarder: each step of a move is told of, however soon it follows another one of the same peer") {
  Pair pair;
  const auto mark = [&](MarkerKind kind) {
    pair.a.sent.clear();
    pair.a.forwarder.handle_command(kStart, SendMarker{pair.b.id, {kind, pair.vm_b, pair.a.id}}, pair.a.sent);
    pair.b.take_datagram_of(pair.a);
  };
  for (int i = 0; i < 2; ++i) {  // not twice within a period
    mark(MarkerKind::ReplayKept);
    mark(MarkerKind::PathSwitch);
    mark(MarkerKind::ReplayOff);
  }

  std::string told;
  for (const WorkerEvent& event : pair.b.take_events()) {
    if (const auto* answered = std::get_if<AdvanceAnswered>(&event)) told += answered->kept ? "kept " : "off ";
    if (std::holds_alternative<EarlySwitch>(event)) told += "switch ";
  }
  CHECK(told == "kept switch off ");
}

TEST_CASE("Forwarder: everything for a VM without a hypervisor is held, its neighbours' frames too") {
  Pair pair;
  const MacAddress neighbour = mac_of("02:00:5e:10:00:0c");
  pair.b.snapshot.vms[neighbour] = local_vm({ip_of("10.77.0.12")});
  pair.b.snapshot.vms[pair.vm_b].hold = {1, kStart + 300ms, kStart + 300ms, true};
  pair.b.snapshot.vms[pair.vm_b].port = 7;
  pair.b.publish();

  pair.a.take_frame(pair.frame());
  pair.b.take_datagram_of(pair.a);
  pair.b.take_frame(ipv4_frame(pair.vm_b, neighbour, ip_of("10.77.0.12"), pair.ip_b, Bytes(20)));
  CHECK(pair.b.delivered.empty());
  CHECK(pair.b.forwarder.counters().frames_held == 2);

  // Nobody claims it: they were for here after all. The neighbour's must not come from the TAP.
  pair.b.now = kStart + 300ms;
  REQUIRE(pair.b.forwarder.has_released(pair.b.now));
  const auto first = pair.b.forwarder.release(pair.b.now, pair.b.relayed);
  REQUIRE(first.has_value());
  CHECK(first->port == 0);
  CHECK_FALSE(pair.b.forwarder.release(pair.b.now, pair.b.relayed).has_value());
  REQUIRE(pair.b.forwarder.has_released(pair.b.now));
  const auto second = pair.b.forwarder.release(pair.b.now, pair.b.relayed);
  REQUIRE(second.has_value());
  CHECK(second->port == 7);
  CHECK_FALSE(pair.b.forwarder.has_released(pair.b.now));
}

TEST_CASE("Forwarder: what the bridge floods just before it is known that a VM has no hypervisor is held too") {
  Moving m;
  const MacAddress neighbour = mac_of("02:00:00:00:00:0e");
  m.c.snapshot.vms[neighbour] = local_vm({ip_of("10.77.0.14")});
  m.c.snapshot.vms[m.vm_b].hold = {};
  m.c.publish();
  const auto flood = [&](std::uint8_t number) {
    m.c.take_frame(ipv4_frame(m.vm_b, neighbour, ip_of("10.77.0.14"), m.ip_b, Bytes(8, number)));
  };
  flood('0');
  m.c.now += 21ms;  // too long ago: the VM had it
  flood('1');
  m.c.now += 5ms;
  flood('2');
  CHECK(m.c.forwarder.counters().frames_held == 0);

  m.c.snapshot.vms[m.vm_b].hold = {7, m.c.now + 300ms, m.c.now + 300ms, true};
  m.c.publish();
  flood('3');
  CHECK(m.c.forwarder.counters().frames_held == 3);
  m.c.publish();
  CHECK(m.c.forwarder.counters().frames_held == 3);

  // It went to b.
  VmView left = remote_vm(m.b, {m.ip_b});
  left.forward_until = kStart + 30s;
  left.hold = m.c.snapshot.vms[m.vm_b].hold;
  m.c.snapshot.vms[m.vm_b] = left;
  m.c.publish();
  m.c.forwarder.handle_command(m.c.now, EndHold{m.vm_b}, m.c.sent);
  CHECK(m.release(m.c).datagrams == 3);
}

TEST_CASE("Forwarder: a neighbour's frame that the bridge gave to the TAP before it saw the VM goes to the VM's port") {
  Moving m;
  const MacAddress neighbour = mac_of("02:00:5e:10:00:0c");
  m.c.snapshot.vms[neighbour] = local_vm({ip_of("10.77.0.12")});
  m.c.snapshot.vms[m.vm_b].port = 7;
  m.c.publish();
  const Bytes frame = ipv4_frame(m.vm_b, neighbour, ip_of("10.77.0.12"), m.ip_b, Bytes(20));

  m.c.take_frame(frame);
  REQUIRE(m.c.forwarder.has_released(m.c.now));
  const auto released = m.c.forwarder.release(m.c.now, m.c.sent);
  REQUIRE(released.has_value());
  CHECK(released->port == 7);
  m.c.now = kStart + 80ms;  // long since the bridge has
  m.c.take_frame(frame);
  CHECK_FALSE(m.c.forwarder.has_released(m.c.now));
}

TEST_CASE("Forwarder: what a VM that came back finds in its own queue is not taken from the host that sends it back") {
  Moving m;
  m.c.snapshot.vms[m.vm_b].handed_over = std::make_shared<const FrameHashes>(FrameHashes{hash_bytes(m.text("1"))});
  m.c.publish();

  m.send(m.b, m.c, SendFrame{m.c.id, kFlagForwarded | 0x10, m.text("1")});
  CHECK(m.c.delivered.empty());
  CHECK(m.c.drops(DropReason::Returned) == 1);
  m.send(m.b, m.c, SendFrame{m.c.id, kFlagForwarded | 0x10, m.text("2")});
  CHECK(m.c.delivered.frames().size() == 1);
}

}  // namespace
}  // namespace rove
