#include "core/location/sequence_clock.h"

#include <doctest/doctest.h>

#include "tests/support/test_network.h"

using namespace rove;
using std::chrono::hours;
using std::chrono::milliseconds;

namespace {

constexpr std::uint16_t kTag = 0x1234;

std::uint64_t clock_part(WallTime time) {
  return to_unix_ms(time) << 16;
}

}  // namespace

TEST_CASE("next_sequence: without anything known the clock gives it") {
  CHECK(next_sequence(0, kTestNow, 0x1234) == clock_part(kTestNow) + 0x1234);
}

TEST_CASE("next_sequence: two nodes never make the same, and what follows a `gone` is another") {
  const std::uint64_t highest = clock_part(kTestNow + hours{1}) + 0x4321;
  for (const std::uint64_t known : {std::uint64_t{0}, highest}) {
    const std::uint64_t a = next_sequence(known, kTestNow, 0x1234);
    const std::uint64_t b = next_sequence(known, kTestNow, 0x8764);
    CHECK(a > known);
    CHECK(b > known);
    CHECK(a != b);
    CHECK(next_sequence(a, kTestNow, 0x1234) > a + 1);
    CHECK(next_sequence(a, kTestNow, 0x1234) == a + 0x10000);
    CHECK(next_sequence(a, kTestNow, 0x8764) > a + 1);
  }
}

TEST_CASE("sequence_tag_of: comes from the node, and leaves room for a `gone` that nobody else makes") {
  NodeId a;
  NodeId b;
  a.octets[0] = 0xff;
  a.octets[1] = 0xff;
  b.octets[1] = 0x02;
  CHECK(sequence_tag_of(a) == 0xfffe);
  CHECK(sequence_tag_of(b) == 0x0002);
}

TEST_CASE("next_sequence: is above all that was seen, whichever clock is ahead") {
  const std::uint64_t from_slow = next_sequence(0, kTestNow - hours{1}, kTag);
  const std::uint64_t from_fast = next_sequence(0, kTestNow + hours{1}, kTag);

  CHECK(next_sequence(from_slow, kTestNow, kTag) > from_slow);
  CHECK(next_sequence(from_fast, kTestNow, kTag) == from_fast + 0x10000);
}

TEST_CASE("next_sequence: a host that lost its disk wins by its clock") {
  const std::uint64_t before = next_sequence(0, kTestNow, kTag);

  CHECK(next_sequence(0, kTestNow + milliseconds{1}, kTag) > before);
}

TEST_CASE("next_sequence: what is from the future raises nobody's clock") {
  const std::uint64_t absurd = ~std::uint64_t{0};

  CHECK(next_sequence(absurd, kTestNow, kTag) == clock_part(kTestNow) + kTag);
}

TEST_CASE("is_from_the_future: 24 hours ahead are allowed, a millisecond more is not") {
  CHECK_FALSE(is_from_the_future(0, kTestNow));
  CHECK_FALSE(is_from_the_future(clock_part(kTestNow + hours{24}) + 0xffff, kTestNow));
  CHECK(is_from_the_future(clock_part(kTestNow + hours{24} + milliseconds{1}), kTestNow));
  CHECK(is_from_the_future(~std::uint64_t{0}, kTestNow));
}
