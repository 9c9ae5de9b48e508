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

constexpr std::uint8_t kHandedOver = kFlagForwarded | 1U << kFlagHopsShift;

struct Expecting : Pair {
  explicit Expecting(bool has_port = false) {
    a.snapshot.vms[vm_b].expected = true;
    a.snapshot.vms[vm_b].has_port = has_port;
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
  void hand_over(std::string_view text) { command_b(SendFrame{a.id, kHandedOver, from_c(text)}); }
  // What vm_a had sent there.
  void hand_back(std::string_view text) { command_b(SendFrame{a.id, kHandedOver, frame(text)}); }
  [[nodiscard]] Bytes from_c(std::string_view text) const { return ipv4_frame(vm_b, vm_c, ip_c, ip_b, as_bytes(text)); }
  // vm_b runs at a: QEMU announces it.
  void show() { a.take_frame(make_rarp_announce(vm_b)); }
  // What a lets go: to its TAP; to vm_b's port, in brackets; to b, with an arrow.
  [[nodiscard]] std::string released() {
    std::string texts;
    while (a.forwarder.has_released(a.now)) {
      a.relayed.clear();
      const auto frame = a.forwarder.release(a.now, a.relayed);
      if (frame) texts += static_cast<char>(frame->frame.back());
      texts += to_port();
      for (const auto& slot : a.relayed.slots()) {
        b.take_datagram(a.endpoint, slot.bytes());
        REQUIRE(b.delivered.frames().size() == 1);
        texts += std::string{"→"} + static_cast<char>(b.delivered.frames()[0].frame.back());
      }
    }
    return texts;
  }
  [[nodiscard]] std::string to_port() {
    std::string texts;
    for (const HomeboundFrame& home : a.take_events_of<HomeboundFrame>()) {
      CHECK(home.vm == vm_b);
      const char last = static_cast<char>(home.frame.back());
      texts += std::string{"["} + (last == 0 ? '-' : last) + "]";  // the filler ends with a zero
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
  CHECK(e.to_port() == "[5]");
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

TEST_CASE("Forwarder: leaves neighbours' frames to the queue of a known port, behind what they had sent before") {
  Expecting e{true};
  e.mark(MarkerKind::ReplayAhead);
  CHECK(e.to_port() == "[-]");

  e.a.take_frame(e.frame("2"));
  e.hand_over("x");
  e.hand_back("1");
  CHECK(e.to_port() == "[1]");
  e.mark(MarkerKind::ReplayKept);  // nothing of a's is on its way to b any more
  CHECK(e.released() == "[2]");
  e.a.take_frame(e.frame("3"));
  CHECK(e.to_port() == "[3]");

  e.show();
  CHECK(e.released() == "x");
  e.a.take_frame(e.frame("4"));
  CHECK(e.to_port() == "[4]");
}

TEST_CASE("Forwarder: what neighbours had sent comes first also when the VM is there before that is known to be all") {
  Expecting e{true};
  e.mark(MarkerKind::ReplayAhead);
  (void)e.to_port();
  e.a.take_frame(e.frame("2"));
  e.hand_back("1");

  CHECK(e.to_port() == "[1]");
  e.show();

  CHECK(e.released() == "[2]");
}

TEST_CASE("Forwarder: a VM that goes on at its old host gets from there what its neighbours-to-be sent, and once") {
  for (const bool has_port : {false, true}) {
    CAPTURE(has_port);
    Expecting e{has_port};
    e.mark(MarkerKind::ReplayAhead);
    e.hand_over("1");
    e.a.take_frame(e.frame("2"));
    e.mark(MarkerKind::ReplayKept);
    (void)e.released();
    (void)e.to_port();

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
  CHECK(table.keep_forwarded(mac(0), peer, 0, false, Bytes(100)) == Answer::Kept);
  CHECK(table.keep_forwarded(mac(kAdvancesMax), peer, 0, false, Bytes(100)) == Answer::None);
  const Bytes large(9'000);
  std::size_t kept = 0;
  while (table.keep_local(kStart + 1s, mac(0), large) == Answer::Kept) ++kept;
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
