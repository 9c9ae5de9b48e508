#include "core/location/sequence_clock.h"

#include <doctest/doctest.h>

#include "tests/support/test_network.h"

using namespace rove;
using std::chrono::hours;
using std::chrono::milliseconds;

namespace {

std::uint64_t clock_part(WallTime time) {
  return to_unix_ms(time) << 16;
}

}  // namespace

TEST_CASE("next_sequence: without anything known the clock gives it") {
  CHECK(next_sequence(0, kTestNow) == clock_part(kTestNow) + 1);
}

TEST_CASE("next_sequence: is above all that was seen, whichever clock is ahead") {
  const std::uint64_t from_slow = next_sequence(0, kTestNow - hours{1});
  const std::uint64_t from_fast = next_sequence(0, kTestNow + hours{1});

  CHECK(next_sequence(from_slow, kTestNow) > from_slow);
  CHECK(next_sequence(from_fast, kTestNow) == from_fast + 1);
}

TEST_CASE("next_sequence: a host that lost its disk wins by its clock") {
  const std::uint64_t before = next_sequence(0, kTestNow);

  CHECK(next_sequence(0, kTestNow + milliseconds{1}) > before);
}

TEST_CASE("next_sequence: what is from the future raises nobody's clock") {
  const std::uint64_t absurd = ~std::uint64_t{0};

  CHECK(next_sequence(absurd, kTestNow) == clock_part(kTestNow) + 1);
}

TEST_CASE("is_from_the_future: 24 hours ahead are allowed, a millisecond more is not") {
  CHECK_FALSE(is_from_the_future(0, kTestNow));
  CHECK_FALSE(is_from_the_future(clock_part(kTestNow + hours{24}) + 0xffff, kTestNow));
  CHECK(is_from_the_future(clock_part(kTestNow + hours{24} + milliseconds{1}), kTestNow));
  CHECK(is_from_the_future(~std::uint64_t{0}, kTestNow));
}
