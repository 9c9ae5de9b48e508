#include "tap/coalescing_watch.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-*): a test reads better with 10s

// Two periods of ten batches each; whether it said in one of them that joining is to end.
bool judges(const CoalescingWatch::Counts& joined, const CoalescingWatch::Counts& single) {
  CoalescingWatch watch;
  bool broken = false;
  for (int i = 0; i <= 20; ++i) broken = watch.handle_batch(TimePoint{i * 100ms}, joined, single) || broken;
  return broken;
}

}  // namespace

TEST_CASE("CoalescingWatch: joined ones that can never be opened, beside others that can, end the joining") {
  CHECK(judges({.opened = 0, .refused = 10}, {.opened = 1, .refused = 0}));
}

TEST_CASE("CoalescingWatch: garbage beside good datagrams does not, nor does garbage alone, nor little of it") {
  CHECK_FALSE(judges({.opened = 1, .refused = 1000}, {.opened = 1, .refused = 0}));
  CHECK_FALSE(judges({.opened = 0, .refused = 1000}, {.opened = 0, .refused = 1000}));
  CHECK_FALSE(judges({.opened = 0, .refused = 5}, {.opened = 1, .refused = 0}));
  CHECK_FALSE(judges({.opened = 100, .refused = 0}, {.opened = 0, .refused = 100}));
}

}  // namespace rove
