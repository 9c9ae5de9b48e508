#include "core/wire/replay_window.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tests/support/seeded_random.h"

namespace rove {

TEST_CASE("ReplayWindow: a counter is accepted once, even out of order") {
  ReplayWindow window;

  CHECK(window.accept(9));
  CHECK(window.accept(7));

  CHECK_FALSE(window.accept(7));
  CHECK_FALSE(window.accept(9));
  CHECK(window.accept(8));
}

TEST_CASE("ReplayWindow: counters start at zero") {
  ReplayWindow window;

  CHECK(window.may_accept(0));
  CHECK(window.accept(0));
  CHECK_FALSE(window.may_accept(0));
  CHECK_FALSE(window.accept(0));
  CHECK(window.accept(1));
}

TEST_CASE("ReplayWindow: asking marks nothing") {
  ReplayWindow window;
  REQUIRE(window.accept(100));

  CHECK(window.may_accept(50));
  CHECK(window.may_accept(50));
  CHECK(window.may_accept(1'000'000));
  CHECK(window.may_accept(50));
  CHECK_FALSE(window.may_accept(100));
}

TEST_CASE("ReplayWindow: reaches exactly kSize counters back") {
  for (const std::uint64_t highest : {ReplayWindow::kSize, ReplayWindow::kSize + 63, std::uint64_t{1} << 40}) {
    CAPTURE(highest);
    ReplayWindow window;
    REQUIRE(window.accept(highest));

    CHECK(window.accept(highest - ReplayWindow::kSize + 1));
    CHECK_FALSE(window.accept(highest - ReplayWindow::kSize));
    CHECK_FALSE(window.accept(0));
  }
}

TEST_CASE("ReplayWindow: a jump of any size forgets what the ring cannot hold and nothing else") {
  // The ring has kSize + 64 bits: jumps around one turn are where stale bits would show.
  constexpr std::uint64_t kRing = ReplayWindow::kSize + 64;
  for (const std::uint64_t jump :
       {std::uint64_t{1}, std::uint64_t{63}, std::uint64_t{64}, ReplayWindow::kSize - 1, ReplayWindow::kSize, kRing - 1,
        kRing, kRing + 1, 2 * kRing, 1000 * kRing + 17, std::uint64_t{1} << 55}) {
    CAPTURE(jump);
    ReplayWindow window;
    for (std::uint64_t counter = 0; counter < kRing; ++counter) REQUIRE(window.accept(counter));
    const std::uint64_t highest = kRing - 1 + jump;

    REQUIRE(window.accept(highest));

    for (std::uint64_t counter = highest - ReplayWindow::kSize + 1; counter < highest; ++counter) {
      REQUIRE(window.accept(counter) == (counter >= kRing));
    }
  }
}

TEST_CASE("ReplayWindow: the highest counters work, the very last is refused") {
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();
  ReplayWindow window;

  CHECK(window.accept(kLast - 1));
  CHECK(window.accept(kLast - 2));
  CHECK_FALSE(window.accept(kLast - 1));
  CHECK_FALSE(window.accept(kLast));
  CHECK_FALSE(window.accept(0));
}

TEST_CASE("ReplayWindow: agrees with a plain set on random traffic") {
  SeededRandom random{1};
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t highest = 0;
    for (int i = 0; i < 20'000; ++i) {
      // Mostly near the front, sometimes far behind, now and then a leap.
      const std::uint64_t back = random.below(random.below(10) == 0 ? 20'000 : 200);
      const std::uint64_t ahead = random.below(random.below(500) == 0 ? 20'000 : 20);
      const std::uint64_t counter = random.below(2) == 0 ? highest + ahead : highest - std::min(highest, back);
      const bool in_reach = counter + ReplayWindow::kSize > highest;
      const bool expected = in_reach && seen.insert(counter).second;

      REQUIRE(window.may_accept(counter) == expected);
      REQUIRE(window.accept(counter) == expected);
      if (expected) highest = std::max(highest, counter);
    }
  }
}

}  // namespace rove
