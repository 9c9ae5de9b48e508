#include "core/forward/silence.h"

#include <doctest/doctest.h>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {

using std::chrono::milliseconds;

namespace {

constexpr TimePoint kNever = TimePoint::min();

}  // namespace

TEST_CASE("Silence: told after a while of sending without an answer, and again while it lasts") {
  Silence silence;
  CHECK_FALSE(silence.handle_sent(kStart, kNever));
  CHECK_FALSE(silence.handle_sent(kStart + kSilentAfter - milliseconds{1}, kNever));
  CHECK(silence.handle_sent(kStart + kSilentAfter, kNever));
  CHECK_FALSE(silence.handle_sent(kStart + kSilentAfter + kSilentAgain - milliseconds{1}, kNever));
  CHECK(silence.handle_sent(kStart + kSilentAfter + kSilentAgain, kNever));

  const TimePoint heard = kStart + milliseconds{900};
  CHECK_FALSE(silence.handle_sent(kStart + milliseconds{1000}, heard));
  CHECK(silence.handle_sent(kStart + milliseconds{1000} + kSilentAfter, heard));
}

TEST_CASE("VmSilence: VMs are told apart") {
  VmSilence silence;
  const MacAddress one = mac_of("02:00:5e:10:00:01");
  const MacAddress two = mac_of("02:00:5e:10:00:02");
  CHECK_FALSE(silence.handle_sent(kStart, one, kNever));
  CHECK_FALSE(silence.handle_sent(kStart + kSilentAfter, two, kNever));
  CHECK(silence.handle_sent(kStart + kSilentAfter, one, kNever));
  CHECK_FALSE(silence.handle_sent(kStart + 2 * kSilentAfter, two, kStart + 2 * kSilentAfter));
}

TEST_CASE("HeardVms: the last time, of each VM, to the millisecond") {
  HeardVms heard;
  const MacAddress one = mac_of("02:00:5e:10:00:01");
  CHECK(heard.last(one) == kNever);
  heard.note(kStart, one);
  heard.note(kStart + std::chrono::microseconds{999}, one);
  CHECK(heard.last(one) == kStart);
  heard.note(kStart + milliseconds{1}, one);
  CHECK(heard.last(one) == kStart + milliseconds{1});
  CHECK(heard.last(mac_of("02:00:5e:10:00:03")) == kNever);
}

TEST_CASE("Forwarder: a VM that another worker hears is not silent") {
  const auto heard_vms = std::make_shared<HeardVms>();
  Pair pair;
  Host other{2, {.worker = 1, .heard_vms = heard_vms}};
  other.snapshot = pair.b.snapshot;
  other.publish();
  for (int i = 0; i <= 11; ++i) {
    other.now = kStart + i * milliseconds{20};
    if (i < 6) heard_vms->note(other.now, pair.vm_b);
    other.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
    CAPTURE(i);
    CHECK(other.all_drops() == 0);
    CHECK(other.delivered.frames().size() == 1);
    CHECK(other.take_events_of<VmSilent>().size() == (i == 11 ? 1 : 0));  // 100 ms after the first unanswered one
  }
}

TEST_CASE("Forwarder: a VM that is sent frames and answers none is told of, one that answers is not") {
  Pair pair;
  for (int i = 0; i < 30; ++i) {
    pair.a.now = pair.b.now = kStart + i * milliseconds{10};
    pair.b.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
    if (i < 10) pair.b.take_frame(ipv4_frame(pair.vm_a, pair.vm_b, pair.ip_b, pair.ip_a, as_bytes("answer")));
    const std::vector<VmSilent> silent = pair.b.take_events_of<VmSilent>();
    CAPTURE(i);
    CHECK(silent.size() == (i == 20 ? 1 : 0));  // 100 ms after the first unanswered one
    if (!silent.empty()) CHECK(silent[0].vm == pair.vm_b);
  }
}

TEST_CASE("Forwarder: a frame of a VM that goes to the control thread is a sign of life too") {
  Pair pair;
  pair.b.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
  Bytes broadcast = ipv4_frame(pair.vm_a, pair.vm_b, pair.ip_b, pair.ip_a, as_bytes("to all"));
  std::fill_n(broadcast.begin(), 6, std::uint8_t{0xff});
  pair.b.take_frame(broadcast);
  (void)pair.b.take_events();

  pair.a.now = pair.b.now = kStart + kSilentAfter;
  pair.b.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
  CHECK(pair.b.take_events_of<VmSilent>().empty());
}

TEST_CASE("Forwarder: a peer that is sent frames and sends none back is told of, one that sends is not") {
  Pair pair;
  for (int i = 0; i < 30; ++i) {
    pair.a.now = pair.b.now = kStart + i * milliseconds{10};
    pair.a.take_frame(pair.frame());
    if (i < 10) {
      pair.b.take_frame(ipv4_frame(pair.vm_a, pair.vm_b, pair.ip_b, pair.ip_a, as_bytes("answer")));
      pair.a.take_datagram_of(pair.b);
    }
    const std::vector<PeerSilent> silent = pair.a.take_events_of<PeerSilent>();
    CAPTURE(i);
    CHECK(silent.size() == (i == 20 ? 1 : 0));
    if (!silent.empty()) CHECK(silent[0].peer == pair.b.id);
  }
}

}  // namespace rove
