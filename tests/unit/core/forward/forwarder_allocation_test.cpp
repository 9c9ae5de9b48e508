// A data frame that is forwarded, either way, costs no allocation.
#include <doctest/doctest.h>

#include <ostream>

#include "tests/support/allocation_counter.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

constexpr int kRounds = 1000;

TEST_CASE("Forwarder: sealing, opening and sending on allocate nothing after the first frame") {
  for (const AeadAlgorithm algorithm : {AeadAlgorithm::ChaCha20Poly1305, AeadAlgorithm::Aes256Gcm}) {
    Pair pair{algorithm};
    Host c{3};
    pair.maker.connect(pair.b, c, algorithm);
    const MacAddress moved = mac_of("02:00:5e:10:00:0d");
    VmView left = remote_vm(c, {ip_of("10.77.0.13")});
    left.forward_until = kStart + std::chrono::seconds{30};
    pair.b.snapshot.vms[moved] = left;
    pair.b.publish();
    pair.a.snapshot.vms[moved] = remote_vm(pair.b, {ip_of("10.77.0.13")});
    pair.a.publish();

    const Bytes frame = ipv4_frame(pair.vm_b, pair.vm_a, pair.ip_a, pair.ip_b, Bytes(1400));
    const Bytes misdirected = ipv4_frame(moved, pair.vm_a, pair.ip_a, ip_of("10.77.0.13"), Bytes(1400));
    pair.b.received.reserve(kDatagramSizeMax);
    const auto round = [&] {
      pair.a.take_frame(frame);
      pair.b.take_datagram_of(pair.a);
      REQUIRE(pair.b.delivered.frames().size() == 1);
      pair.a.take_frame(misdirected);
      pair.b.take_datagram_of(pair.a);
      REQUIRE(pair.b.relayed.slots().size() == 1);
    };
    round();  // lanes, throttles, events
    (void)pair.a.take_events();
    (void)pair.b.take_events();

    const AllocationCounter allocations;
    for (int i = 0; i < kRounds; ++i) {
      pair.a.take_frame(frame);
      pair.b.take_datagram_of(pair.a);
      pair.a.take_frame(misdirected);
      pair.b.take_datagram_of(pair.a);
    }
    CHECK(allocations.count() == 0);
    CHECK(pair.b.forwarder.counters().frames_out == kRounds + 1);
    CHECK(pair.b.forwarder.counters().frames_forwarded == kRounds + 1);
  }
}

TEST_CASE("Forwarder: a punted frame does allocate, so that the counter is known to count") {
  Pair pair;
  const Bytes frame = ipv4_frame(MacAddress::broadcast(), pair.vm_a, pair.ip_a, pair.ip_b, Bytes(100));
  const AllocationCounter allocations;
  pair.a.take_frame(frame);
  CHECK(allocations.count() > 0);
}

TEST_CASE("Forwarder: refusing datagrams of strangers allocates nothing") {
  Pair pair;
  Bytes forged = pair.sealed(pair.frame());
  forged.back() ^= 1;
  Bytes unknown = forged;
  unknown[7] ^= 1;
  pair.b.received.reserve(kDatagramSizeMax);
  pair.b.take_datagram(pair.a.endpoint, unknown);

  const AllocationCounter allocations;
  for (int i = 0; i < kRounds; ++i) {
    pair.b.take_datagram(pair.a.endpoint, forged);
    pair.b.take_datagram(pair.a.endpoint, unknown);
  }
  CHECK(allocations.count() == 0);
  CHECK(pair.b.drops(DropReason::Undecryptable) == kRounds);
}

}  // namespace
}  // namespace rove
