#include "core/replay/transit_log.h"

#include <doctest/doctest.h>

#include <string>

namespace rove {
namespace {

Bytes frame_of(std::uint8_t number, std::size_t size = 60) {
  return Bytes(size, number);
}

struct Bridge {
  void in(std::uint8_t number) { log.handle_in({frame_of(number), false}); }
  void out_to_vm(std::uint8_t number) { log.handle_out(frame_of(number), true); }
  void out_elsewhere(std::uint8_t number) { log.handle_out(frame_of(number), false); }
  std::string dropped() {
    std::string numbers;
    for (const PortFrame& frame : log.take_dropped()) numbers += std::to_string(frame.frame.front()) + " ";
    return numbers;
  }
  TransitLog log;
};

}  // namespace

TEST_CASE("TransitLog: what came in after the last frame to the VM's port, and came out nowhere, was dropped") {
  Bridge bridge;
  bridge.in(1);
  bridge.out_to_vm(1);
  bridge.in(2);
  bridge.in(3);
  bridge.in(4);
  bridge.out_elsewhere(3);

  CHECK(bridge.dropped() == "2 4 ");
  CHECK(bridge.dropped().empty());
}

TEST_CASE("TransitLog: what a filter took while the port worked was not dropped by the port") {
  Bridge bridge;
  bridge.in(1);
  bridge.in(2);
  bridge.out_to_vm(2);
  CHECK(bridge.dropped().empty());

  bridge.in(3);
  bridge.out_to_vm(9);  // seen only here: the port works
  CHECK(bridge.dropped().empty());
}

TEST_CASE("TransitLog: equal frames are counted") {
  Bridge bridge;
  for (int i = 0; i < 3; ++i) bridge.in(7);
  bridge.out_elsewhere(7);
  bridge.out_elsewhere(7);
  bridge.out_elsewhere(8);  // flooded there before

  CHECK(bridge.dropped() == "7 ");
}

TEST_CASE("TransitLog: forgets everything when it missed something, and the oldest when there are too many") {
  Bridge bridge;
  bridge.in(1);
  bridge.log.handle_lost();
  CHECK(bridge.dropped().empty());

  for (std::size_t i = 0; i < kTransitFramesMax + 5; ++i) bridge.in(static_cast<std::uint8_t>(i < 5 ? 1 : 2));
  CHECK(bridge.log.take_dropped().size() == kTransitFramesMax);

  constexpr std::size_t kLarge = 4096;
  for (std::size_t i = 0; i < kTransitOctetsMax / kLarge + 3; ++i) bridge.log.handle_in({frame_of(1, kLarge), false});
  CHECK(bridge.log.take_dropped().size() == kTransitOctetsMax / kLarge);
}

}  // namespace rove
