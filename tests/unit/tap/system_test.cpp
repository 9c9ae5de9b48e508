#include <doctest/doctest.h>

#include <algorithm>

#include "tap/clock.h"
#include "tap/system_random.h"

namespace rove {

TEST_CASE("read_clocks: the steady clock never goes back and agrees with read_steady_clock") {
  const TimePoint before = read_steady_clock();
  const Now now = read_clocks();
  const TimePoint after = read_steady_clock();

  CHECK(before <= now.steady);
  CHECK(now.steady <= after);
}

TEST_CASE("read_clocks: wall time is the system clock's, in milliseconds") {
  using std::chrono::system_clock;
  const auto before = std::chrono::floor<std::chrono::milliseconds>(system_clock::now());
  const WallTime wall = read_clocks().wall;

  CHECK(before <= wall);
  CHECK(wall <= system_clock::now());
}

TEST_CASE("SystemRandom: fills all of the buffer, differently each time") {
  SystemRandom random;
  Bytes first(4096);
  Bytes second(4096);

  random.fill(first);
  random.fill(second);
  random.fill({});

  CHECK(first != second);
  // 64 zero octets at an end have a chance of 2^-512.
  CHECK(std::any_of(first.end() - 64, first.end(), [](std::uint8_t octet) { return octet != 0; }));
  CHECK(std::any_of(first.begin(), first.begin() + 64, [](std::uint8_t octet) { return octet != 0; }));
}

}  // namespace rove
