#include "tap/udp_canary.h"

#include <doctest/doctest.h>

#include "tests/support/private_network.h"

namespace rove {

TEST_CASE("check_udp_offloads: a kernel that does it right may go on, with what was wanted of it") {
  for (const bool segmentation : {true, false}) {
    for (const bool coalescing : {true, false}) {
      const UdpCanary canary = check_udp_offloads({segmentation, coalescing});
      CHECK(canary.problem.empty());
      CHECK(canary.offloads.segmentation == segmentation);
      CHECK(canary.offloads.coalescing == coalescing);
    }
  }
}

TEST_CASE("check_udp_offloads: without a loopback device nothing is known, and nothing left out") {
  const PrivateNetwork network;  // its loopback device is down
  if (!network.permitted()) return;

  const UdpCanary canary = check_udp_offloads({});

  CHECK(canary.problem.empty());
  CHECK(canary.offloads.segmentation);
  CHECK(canary.offloads.coalescing);
}

}  // namespace rove
