#include "cli/daemon/offload_report.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cli/daemon/offload_reason.h"

namespace rove {

namespace {

CounterList counters_of(const TapOffloads& tap, const UdpOffloads& udp) {
  OffloadState state;
  state.tap = tap;
  state.udp = udp;
  return offload_counters(describe_offloads(state));
}

}  // namespace

TEST_CASE("OffloadReport: what ends is told once, and remains a problem; what never was in use is none") {
  OffloadReport report;
  const TapOffloads tap{.checksum = true, .tcp = true, .udp = false};
  CHECK(report.take_ended(counters_of(tap, {true, true})).empty());
  CHECK(report.take_ended(counters_of(tap, {true, true})).empty());
  CHECK(report.problems().empty());

  CHECK(report.take_ended(counters_of(tap, {false, true})) == std::vector<std::string>{"udp_segmentation"});
  CHECK(report.take_ended(counters_of(tap, {false, true})).empty());
  CHECK(report.take_ended(counters_of(tap, {false, false})) == std::vector<std::string>{"udp_coalescing"});

  REQUIRE(report.problems().size() == 2);
  CHECK(report.problems()[0].find("udp_segmentation") != std::string::npos);
}

}  // namespace rove
