#include "core/wire/stamp_window.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/support/seeded_random.h"

namespace rove {

TEST_CASE("StampWindow: a stamp is accepted once, even out of order") {
  StampWindow window;

  CHECK(window.accept(1'000));
  CHECK(window.accept(5));
  CHECK(window.accept(2'000'000));

  CHECK_FALSE(window.accept(5));
  CHECK_FALSE(window.accept(1'000));
  CHECK_FALSE(window.accept(2'000'000));
}

TEST_CASE("StampWindow: asking marks nothing") {
  StampWindow window;

  CHECK(window.may_accept(7));
  CHECK(window.may_accept(7));
  CHECK(window.accept(7));
  CHECK_FALSE(window.may_accept(7));
}

TEST_CASE("StampWindow: when full, what is lower than all of the highest is refused") {
  StampWindow window;
  for (std::uint64_t i = 0; i < StampWindow::kSize - 1; ++i) REQUIRE(window.accept(1'000 + 10 * i));
  CHECK_FALSE(window.full());
  REQUIRE(window.accept(500));
  CHECK(window.full());

  CHECK_FALSE(window.accept(499));
  CHECK(window.accept(501));  // pushes 500 out
  CHECK_FALSE(window.accept(500));
  CHECK_FALSE(window.accept(501));
  CHECK(window.accept(1'005));  // pushes 501 out
  CHECK_FALSE(window.accept(501));
  CHECK_FALSE(window.accept(999));
  CHECK(window.full());
}

TEST_CASE("StampWindow: agrees with a plain set on random stamps") {
  SeededRandom random{1};
  StampWindow window;
  std::set<std::uint64_t> highest;
  for (int i = 0; i < 50'000; ++i) {
    const std::uint64_t stamp = static_cast<std::uint64_t>(i) + random.below(300);
    const bool reachable = highest.size() < StampWindow::kSize || stamp > *highest.begin();
    const bool expected = reachable && highest.count(stamp) == 0;

    REQUIRE(window.may_accept(stamp) == expected);
    REQUIRE(window.accept(stamp) == expected);
    if (expected) highest.insert(stamp);
    if (highest.size() > StampWindow::kSize) highest.erase(highest.begin());
  }
}

}  // namespace rove
