// The MSS of a SYN is lowered on its way out, and on its way in when the peer's network did not.
#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

constexpr std::size_t kMssAt = 14 + 20 + 20 + 2;

Bytes syn(const Pair& pair) {
  const Bytes segment = from_hex(
      "c001005000000001000000006002ffff00000000"
      "020405b4");
  return ipv4_frame(pair.vm_b, pair.vm_a, pair.ip_a, pair.ip_b, segment, 6);
}

std::uint16_t delivered_mss(const Host& host) {
  REQUIRE(host.delivered.frames().size() == 1);
  return load_be<std::uint16_t>(host.delivered.frames()[0].frame.data() + kMssAt);
}

void set_inner_mtu(Host& host, std::size_t mtu) {
  host.snapshot.inner_mtu = mtu;
  host.publish();
}

TEST_CASE("Forwarder: a SYN from the TAP is sealed with an MSS that fits, and the borrowed frame stays as it is") {
  Pair pair;
  set_inner_mtu(pair.a, 1300);
  set_inner_mtu(pair.b, 9000);
  const Bytes frame = syn(pair);
  const Bytes before = frame;

  pair.a.take_frame(frame);
  pair.b.take_datagram_of(pair.a);

  CHECK(frame == before);
  CHECK(delivered_mss(pair.b) == 1260);
}

TEST_CASE("Forwarder: a SYN from the network is delivered with an MSS that fits") {
  Pair pair;
  set_inner_mtu(pair.a, 9000);
  set_inner_mtu(pair.b, 1300);

  pair.a.take_frame(syn(pair));
  pair.b.take_datagram_of(pair.a);

  CHECK(delivered_mss(pair.b) == 1260);
}

TEST_CASE("Forwarder: an MSS that fits both ways passes unchanged") {
  Pair pair;
  set_inner_mtu(pair.a, 1500);
  set_inner_mtu(pair.b, 1500);
  const Bytes frame = syn(pair);

  pair.a.take_frame(frame);
  pair.b.take_datagram_of(pair.a);

  const BytesView delivered = pair.b.delivered.frames()[0].frame;
  CHECK(std::equal(delivered.begin(), delivered.end(), frame.begin(), frame.end()));
}

}  // namespace
}  // namespace rove
