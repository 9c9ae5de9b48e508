#include "core/forward/silence.h"

#include <doctest/doctest.h>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {

using std::chrono::milliseconds;

TEST_CASE("Silence: told after a while of sending without an answer, and again while it lasts") {
  Silence silence;
  CHECK_FALSE(silence.handle_sent(kStart));
  CHECK_FALSE(silence.handle_sent(kStart + kSilentAfter - milliseconds{1}));
  CHECK(silence.handle_sent(kStart + kSilentAfter));
  CHECK_FALSE(silence.handle_sent(kStart + kSilentAfter + kSilentAgain - milliseconds{1}));
  CHECK(silence.handle_sent(kStart + kSilentAfter + kSilentAgain));

  silence.handle_heard();
  CHECK_FALSE(silence.handle_sent(kStart + milliseconds{1000}));
  CHECK(silence.handle_sent(kStart + milliseconds{1000} + kSilentAfter));
}

TEST_CASE("VmSilence: VMs are told apart, and what is heard of another VM counts for none") {
  VmSilence silence;
  const MacAddress one = mac_of("02:00:5e:10:00:01");
  const MacAddress two = mac_of("02:00:5e:10:00:02");
  CHECK_FALSE(silence.handle_sent(kStart, one));
  CHECK_FALSE(silence.handle_sent(kStart + kSilentAfter, two));
  silence.handle_heard(two);
  silence.handle_heard(mac_of("02:00:5e:10:00:03"));
  CHECK(silence.handle_sent(kStart + kSilentAfter, one));
  CHECK_FALSE(silence.handle_sent(kStart + 2 * kSilentAfter, two));
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
