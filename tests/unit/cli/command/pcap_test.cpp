#include "cli/command/pcap.h"

#include <doctest/doctest.h>

#include <ostream>

#include "cli/base/failure.h"

namespace rove {
namespace {

const CaptureTarget kTarget{.tap = "rove1", .bridge = "br0", .port = 7700, .network_namespace = 5};

}  // namespace

TEST_CASE("capture_target_of: takes the device and the port of a status") {
  const CaptureTarget target =
      capture_target_of(R"({"schema":1,"tap":"rove1","port":7700,"network_namespace":4026531840,"bridge":"br0"})");

  CHECK(target.tap == "rove1");
  CHECK(target.bridge == "br0");
  CHECK(target.port == 7700);
  CHECK(target.network_namespace == 4026531840);
}

TEST_CASE("capture_target_of: a status without them is of another version") {
  for (const char* status :
       {R"({"schema":1,"tap":"rove1"})", R"({"tap":7,"port":7700,"network_namespace":1,"bridge":""})", "[]", "",
        R"({"tap":"rove1","port":"x","network_namespace":1,"bridge":""})"}) {
    CAPTURE(status);
    CHECK_THROWS_AS((void)capture_target_of(status), Failure);
  }
}

TEST_CASE("make_capture_options: inside is the TAP device, and all of its frames") {
  const CaptureOptions options = make_capture_options({}, kTarget, {9, 12});

  CHECK(options.device == "rove1");
  CHECK(options.filter.empty());
  CHECK(options.snaplen == kCaptureSnaplenMax);
}

TEST_CASE("make_capture_options: outside is the port at all devices but those of the inside") {
  const CaptureOptions all =
      make_capture_options({.outside = true, .count = {}, .snaplen = {}, .filter = {}}, kTarget, {9, 12});
  const CaptureOptions some =
      make_capture_options({.outside = true, .count = {}, .snaplen = 90, .filter = "src a or b"}, kTarget, {9, 12});

  CHECK(all.device == "any");
  CHECK(all.filter == "udp port 7700 and not ifindex 9 and not ifindex 12");
  CHECK(some.filter == "udp port 7700 and not ifindex 9 and not ifindex 12 and (src a or b)");
  CHECK(some.snaplen == 90);
}

TEST_CASE("make_capture_options: more than everything is everything") {
  const PcapCommand command{.outside = false, .count = {}, .snaplen = 4'000'000'000, .filter = "arp"};

  CHECK(make_capture_options(command, kTarget, {9, 12}).snaplen == kCaptureSnaplenMax);
  CHECK(make_capture_options(command, kTarget, {9, 12}).filter == "arp");
}

}  // namespace rove
