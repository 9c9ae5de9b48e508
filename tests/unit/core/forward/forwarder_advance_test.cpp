// What is handed over to a host before its VM is there.
//
//   b has vm_b, which is expected at a, where vm_a is; vm_c, elsewhere, talks to vm_b too.
#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <vector>

#include "core/forward/advance_table.h"
#include "core/wire/neighbor.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kPort = 7;  // vm_b's at a
constexpr std::uint8_t kHandedOver = kFlagForwarded | 1U << kFlagHopsShift;

struct Expecting : Pair {
  explicit Expecting(bool detoured = false) {
    a.snapshot.own_id = a.id;
    a.snapshot.vms[vm_b].expected = true;
    a.snapshot.vms[vm_b].port = kPort;
    a.snapshot.vms[vm_b].detoured = detoured;
    a.publish();
    b.publish();
  }

  // b's command, and what a's worker says to what comes of it.
  void command_b(WorkerCommand command) {
    b.sent.clear();
    b.forwarder.handle_command(b.now, std::move(command), b.sent);
    REQUIRE(b.sent.slots().size() == 1);
    a.take_datagram_of(b);
    const std::vector<DatagramBatch::Slot> answers{a.relayed.slots().begin(), a.relayed.slots().end()};
    for (const auto& answer : answers) b.take_datagram(a.endpoint, answer.bytes());
  }
  void mark(MarkerKind kind) { command_b(SendMarker{a.id, {kind, vm_b, b.id}}); }
  // a's own, come back from b.
  void mark_switch() { command_b(SendMarker{a.id, {MarkerKind::PathSwitch, vm_b, a.id}}); }
  void hand_over(std::string_view text) { command_b(SendFrame{a.id, kHandedOver, from_c(text)}); }
  // What vm_a had sent there.
  void hand_back(std::string_view text) { command_b(SendFrame{a.id, kHandedOver, frame(text)}); }
  [[nodiscard]] Bytes from_c(std::string_view text) const { return ipv4_frame(vm_b, vm_c, ip_c, ip_b, as_bytes(text)); }
  // vm_b runs at a: QEMU announces it.
  void show() { a.take_frame(make_rarp_announce(vm_b)); }
  // … and control has heard of it. Its old host's replay takes 40 ms at most.
  void claim_detoured() {
    VmView& view = a.snapshot.vms[vm_b];
    view = local_vm({ip_b});
    view.port = kPort;
    view.detoured = true;
    view.previous_owner = b.id;
    view.takeover_until = kStart + 30s;
    view.hold = {1, kStart + 40ms, kStart + 80ms, false};
    a.publish();
  }
  // What a lets go: to its TAP; to vm_b's port, in brackets; to b, with an arrow.
  [[nodiscard]] std::string released() {
    std::string texts;
    while (a.forwarder.has_released(a.now)) {
      a.relayed.clear();
      if (const auto frame = a.forwarder.release(a.now, a.relayed)) {
        const char last = static_cast<char>(frame->frame.back());
        const std::string text{last == 0 ? '-' : last};  // the filler ends with a zero
        CHECK((frame->port == 0 || frame->port == kPort));
        texts += frame->port == 0 ? text : "[" + text + "]";
      }
      for (const auto& slot : a.relayed.slots()) {
        b.take_datagram(a.endpoint, slot.bytes());
        REQUIRE(b.delivered.frames().size() == 1);
        texts += std::string{"→"} + static_cast<char>(b.delivered.frames()[0].frame.back());
      }
    }
    return texts;
  }
  [[nodiscard]] std::vector<bool> answers() {
    std::vector<bool> kept;
    for (const AdvanceAnswered& answered : b.take_events_of<AdvanceAnswered>()) {
      CHECK(answered.peer == a.id);
      CHECK(answered.vm == vm_b);
      kept.push_back(answered.kept);
    }
    return kept;
  }

  const MacAddress vm_c = mac_of("02:00:5e:10:00:0c");
  const IpAddress ip_c = ip_of("10.77.0.12");
};

}  // namespace

TEST_CASE("Forwarder: gives a VM what was handed over for it at its first sign, then what its new neighbours sent") {
  Expecting e;
  e.mark(MarkerKind::ReplayAhead);
  CHECK(e.answers() == std::vector{true});

  e.hand_over("1");
  e.a.take_frame(e.frame("2"));
  e.hand_over("3");
  CHECK(e.a.sent.empty());
  CHECK(e.a.delivered.empty());
  CHECK(e.released().empty());
  CHECK(e.a.forwarder.counters().frames_kept_ahead == 3);

  e.show();
  CHECK(e.released() == "13[2]");
  // Until control has heard of it as well.
  e.hand_over("4");
  CHECK(e.a.delivered.frames().size() == 1);
  e.a.take_frame(e.frame("5"));
  CHECK(e.released() == "[5]");
  CHECK(e.a.all_drops() == 0);
}

TEST_CASE("Forwarder: gives a VM that control has claimed what was handed over for it") {
  Expecting e;
  e.mark(MarkerKind::ReplayAhead);
  e.hand_over("1");

  e.a.snapshot.vms[e.vm_b] = local_vm({e.ip_b});
  e.a.publish();

  CHECK(e.released() == "1");
}

TEST_CASE("Forwarder: leaves everything to the queue of a known port, neighbours' frames behind what they had sent") {
  Expecting e{true};
  e.mark(MarkerKind::ReplayAhead);
  CHECK(e.released() == "[-]");

  e.a.take_frame(e.frame("2"));
  e.hand_over("x");
  e.hand_back("1");
  CHECK(e.released() == "[x][1]");
  e.mark(MarkerKind::ReplayKept);  // nothing of a's is on its way to b any more
  CHECK(e.released() == "[2]");
  e.a.take_frame(e.frame("3"));
  CHECK(e.released() == "[3]");

  e.show();
  CHECK(e.released().empty());
  e.a.take_frame(e.frame("4"));
  CHECK(e.released() == "[4]");
  CHECK(e.a.delivered.empty());
  CHECK(e.a.all_drops() == 0);
}

TEST_CASE("Forwarder: neighbours' frames wait for what they had sent before, also when the VM is there by then") {
  Expecting e{true};
  e.mark(MarkerKind::ReplayAhead);
  e.a.take_frame(e.frame("2"));
  e.hand_back("0");
  e.show();
  CHECK(e.released() == "[-][0]");
  std::string expected;

  SUBCASE("until all of that has come back") {
    e.hand_back("1");
    e.a.take_frame(e.frame("3"));
    CHECK(e.released() == "[1]");
    e.mark(MarkerKind::ReplayKept);
    expected = "[2][3]";
  }
  SUBCASE("until all that they had sent has come back, once it is claimed") {
    e.claim_detoured();
    e.hand_back("1");
    e.a.take_frame(e.frame("3"));
    CHECK(e.released() == "[1]");
    e.mark(MarkerKind::ReplayEnd);
    CHECK(e.released().empty());
    e.hand_back("1");  // what the old host had held
    CHECK(e.released() == "[1]");
    e.mark_switch();
    expected = "[2][3]";
  }
  SUBCASE("not longer than that may take") {
    e.claim_detoured();
    REQUIRE(e.a.forwarder.poll_timeout() == kStart + 40ms);
    e.a.now += 40ms;
    e.a.take_frame(e.frame("3"));
    expected = "[2][3]";
  }
  SUBCASE("twice as long when the old host is heard of") {
    e.claim_detoured();
    e.hand_back("1");
    CHECK(e.released() == "[1]");
    e.a.now += 79ms;
    CHECK(e.released().empty());
    e.a.now += 1ms;
    expected = "[2]";
  }
  SUBCASE("not long, while control does not know") {
    REQUIRE(e.a.forwarder.poll_timeout() == kStart + kAdvanceReturnTime);
    e.a.now += kAdvanceReturnTime;
    expected = "[2]";
  }

  CHECK(e.released() == expected);
  e.a.take_frame(e.frame("4"));
  CHECK(e.released() == "[4]");
}

TEST_CASE("Forwarder: gives everything to the port of a VM that has come, until the bridge does") {
  Expecting e{true};
  e.mark(MarkerKind::ReplayAhead);
  e.mark(MarkerKind::ReplayKept);
  e.claim_detoured();
  (void)e.released();

  e.hand_over("1");  // by its old host
  REQUIRE(e.a.delivered.frames().size() == 1);
  CHECK(e.a.delivered.frames()[0].port == kPort);
  CHECK(e.a.forwarder.port_for(e.frame("q")) == kPort);  // control's own
  e.a.take_frame(e.frame("2"));
  CHECK(e.released() == "[2]");

  e.a.snapshot.vms[e.vm_b].detoured = false;
  e.a.snapshot.vms[e.vm_b].home_until = kStart + 1s;
  e.a.snapshot.vms[e.vm_b].hold = {};
  e.a.publish();
  e.hand_over("3");
  REQUIRE(e.a.delivered.frames().size() == 1);
  CHECK(e.a.delivered.frames()[0].port == 0);
  CHECK(e.a.forwarder.port_for(e.frame("q")) == 0);
  // The bridge had given it to the TAP before.
  e.a.take_frame(e.frame("4"));
  CHECK(e.released() == "[4]");
  e.a.now += 1s;
  e.a.take_frame(e.frame("5"));
  CHECK(e.released().empty());
  CHECK(e.a.all_drops() == 0);
}

TEST_CASE("Forwarder: neighbours' frames wait for the replay of a VM that came to its port without a word ahead") {
  Expecting e{true};
  e.claim_detoured();
  e.a.take_frame(e.frame("2"));
  e.hand_back("1");
  CHECK(e.released() == "[1]");

  e.mark(MarkerKind::ReplayEnd);
  CHECK(e.released().empty());
  e.mark_switch();

  CHECK(e.released() == "[2]");
}

TEST_CASE("Forwarder: a VM that came before its old host began to hand over gets each frame once") {
  Expecting e;
  e.claim_detoured();
  e.mark(MarkerKind::ReplayAhead);
  e.hand_over("1");
  CHECK(e.a.delivered.frames().size() == 1);
  e.hand_over("1");  // another one like it
  CHECK(e.a.delivered.frames().size() == 1);

  e.mark(MarkerKind::ReplayOff);
  e.hand_over("0");
  CHECK(e.a.delivered.frames().size() == 1);
  e.hand_over("1");
  CHECK(e.a.delivered.empty());
  CHECK(e.a.drops(DropReason::Returned) == 1);
  e.hand_over("1");  // sent since
  CHECK(e.a.delivered.frames().size() == 1);
}

TEST_CASE("Forwarder: keeps nothing for a VM that came and has moved on") {
  Expecting e{true};
  e.mark(MarkerKind::ReplayAhead);
  e.claim_detoured();
  e.a.take_frame(e.frame("1"));
  (void)e.released();

  e.a.snapshot.vms[e.vm_b] = remote_vm(e.b, {e.ip_b});
  e.a.publish();

  CHECK(e.released() == "→1");
  e.a.take_frame(e.frame("2"));
  CHECK(e.a.sent.slots().size() == 1);
}

TEST_CASE("Forwarder: a VM that goes on at its old host gets from there what its neighbours-to-be sent, and once") {
  for (const bool detoured : {false, true}) {
    CAPTURE(detoured);
    Expecting e{detoured};
    e.mark(MarkerKind::ReplayAhead);
    e.hand_over("1");
    e.a.take_frame(e.frame("2"));
    e.mark(MarkerKind::ReplayKept);
    (void)e.released();
    (void)e.released();

    e.mark(MarkerKind::ReplayOff);

    CHECK(e.released() == "→2");
    e.a.take_frame(e.frame("3"));
    CHECK(e.a.sent.slots().size() == 1);
    e.show();
    CHECK(e.released().empty());
  }
}

TEST_CASE("Forwarder: neighbours-to-be wait a second at most for a VM that is only paused") {
  Expecting e;
  e.mark(MarkerKind::ReplayAhead);
  e.a.take_frame(e.frame("1"));
  REQUIRE(e.a.forwarder.poll_timeout() == kStart + kAdvanceLocalTime);

  e.a.now += kAdvanceLocalTime;

  CHECK(e.released() == "→1");
  e.a.take_frame(e.frame("2"));
  CHECK(e.a.sent.slots().size() == 1);
  // What b hands over is still kept: b leaves it out when the VM is claimed.
  e.hand_over("3");
  e.show();
  CHECK(e.released() == "3");
}

TEST_CASE("Forwarder: keeps nothing for a VM that is not expected, or of whom it is not") {
  Expecting e;
  e.command_b(SendMarker{e.a.id, {MarkerKind::ReplayAhead, e.vm_b, e.a.id}});
  e.command_b(SendMarker{e.a.id, {MarkerKind::ReplayAhead, e.vm_a, e.b.id}});
  e.a.snapshot.vms[e.vm_b].expected = false;
  e.a.publish();
  e.mark(MarkerKind::ReplayAhead);
  CHECK(e.a.drops(DropReason::BadMarker) == 3);
  CHECK(e.answers().empty());

  e.hand_over("1");
  CHECK(e.a.drops(DropReason::BadForward) == 1);
  e.show();
  CHECK(e.released().empty());
}

TEST_CASE("Forwarder: a VM that is not expected any more gets nothing of what was handed over") {
  Expecting e;
  e.mark(MarkerKind::ReplayAhead);
  e.hand_over("1");
  e.a.take_frame(e.frame("2"));

  e.a.snapshot.vms[e.vm_b].expected = false;
  e.a.publish();

  CHECK(e.released() == "→2");
  e.show();
  CHECK(e.released().empty());
}

TEST_CASE("Forwarder: says so when it cannot keep more, and keeps nothing then") {
  Expecting e;
  e.mark(MarkerKind::ReplayAhead);
  CHECK(e.answers() == std::vector{true});
  for (std::size_t i = 0; i < kAdvanceForwardedMax; ++i) e.hand_over("1");
  (void)e.answers();
  e.b.now += 1s;  // the same answers are told once in 100 ms

  e.hand_over("2");

  CHECK(e.answers() == std::vector{false});
  e.show();
  CHECK(e.released().empty());
}

TEST_CASE("AdvanceTable: has room for so many VMs and so much of each, and forgets what nobody came for") {
  AdvanceTable table;
  const NodeId peer{};
  const auto mac = [](std::uint8_t number) { return MacAddress{{2, 0, 0, 0, 0, number}}; };
  for (std::uint8_t i = 0; i < kAdvancesMax; ++i) CHECK(table.begin(kStart, mac(i), peer, false));
  CHECK_FALSE(table.begin(kStart, mac(kAdvancesMax), peer, false));

  CHECK(table.begin(kStart + 1s, mac(0), peer, false));  // it stopped once more
  using Answer = AdvanceTable::Answer;
  CHECK(table.keep_forwarded(mac(0), peer, 0, Bytes(100)) == Answer::Kept);
  CHECK(table.keep_forwarded(mac(kAdvancesMax), peer, 0, Bytes(100)) == Answer::None);
  const Bytes large(9'000);
  std::size_t kept = 0;
  while (table.keep_local(mac(0), large) == Answer::Kept) ++kept;
  CHECK(kept == kAdvanceLocalMax);
  CHECK(table.has_released());  // onward, all of them
  std::size_t onward = 0;
  while (const auto frame = table.take_released()) onward += frame->onward ? 1 : 0;
  CHECK(onward == kept);

  table.expire(kStart + kAdvanceKeptTime);
  CHECK_FALSE(table.empty());  // that one began later
  table.expire(kStart + 1s + kAdvanceKeptTime);
  CHECK(table.empty());
  CHECK_FALSE(table.has_released());
  CHECK_FALSE(table.show(kStart + 1min, mac(0)));
}

}  // namespace rove
