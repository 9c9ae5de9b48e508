#include "tests/support/delay_line.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace rove {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint at(std::int64_t ms) {
  return TimePoint{milliseconds{ms}};
}

Bytes packet(std::uint8_t number, std::size_t size = 100) {
  return Bytes(size, number);
}

// The first octets of everything that is due at `now`.
std::vector<int> pop_all(DelayLine& line, TimePoint now) {
  std::vector<int> numbers;
  while (const auto packet = line.pop(now)) numbers.push_back((*packet)[0]);
  return numbers;
}

}  // namespace

TEST_CASE("DelayLine: a packet leaves after the delay of its path, not before") {
  DelayLine line{2, 1};
  line.conditions(0).delay = milliseconds{10};
  line.conditions(1).delay = milliseconds{3};

  line.push(at(0), 0, packet(1));
  line.push(at(1), 1, packet(2));

  CHECK(line.next_due() == at(4));
  CHECK(pop_all(line, at(3)).empty());
  CHECK(pop_all(line, at(4)) == std::vector{2});
  CHECK(line.next_due() == at(10));
  CHECK(pop_all(line, at(10)) == std::vector{1});
  CHECK_FALSE(line.next_due());
  CHECK(line.counters(0).packets == 1);
  CHECK(line.counters(0).bytes == 100);
}

TEST_CASE("DelayLine: packets of equal delay keep their order") {
  DelayLine line{1, 1};
  line.conditions(0).delay = milliseconds{10};

  for (std::uint8_t i = 0; i < 50; ++i) line.push(at(0), 0, packet(i));

  const std::vector<int> numbers = pop_all(line, at(10));
  REQUIRE(numbers.size() == 50);
  CHECK(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST_CASE("DelayLine: jitter delays by at most its bound and keeps the order") {
  DelayLine line{1, 7};
  line.conditions(0).delay = milliseconds{10};
  line.conditions(0).jitter = milliseconds{20};

  for (std::uint8_t i = 0; i < 100; ++i) line.push(at(i), 0, packet(i));

  std::vector<int> numbers;
  bool varied = false;
  for (int now = 0; now <= 99 + 30; ++now) {
    for (const int number : pop_all(line, at(now))) {
      varied = varied || now > number + 10 + 1;
      CHECK(now >= number + 10);
      numbers.push_back(number);
    }
  }
  CHECK(varied);
  CHECK(numbers.size() == 100);
  CHECK(std::is_sorted(numbers.begin(), numbers.end()));
}

TEST_CASE("DelayLine: loss takes about its share and is counted") {
  DelayLine line{1, 3};
  line.conditions(0).loss = 0.2;

  for (int i = 0; i < 10'000; ++i) line.push(at(0), 0, packet(0));

  const std::size_t arrived = pop_all(line, at(0)).size();
  CHECK(arrived > 7800);
  CHECK(arrived < 8200);
  CHECK(line.counters(0).lost == 10'000 - arrived);
}

TEST_CASE("DelayLine: a duplicated packet arrives twice") {
  DelayLine line{1, 3};
  line.conditions(0).duplicate = 1;

  line.push(at(0), 0, packet(9));

  CHECK(pop_all(line, at(0)) == std::vector{9, 9});
  CHECK(line.counters(0).duplicated == 1);
}

TEST_CASE("DelayLine: a reordered packet is overtaken by the next ones") {
  DelayLine line{1, 3};
  line.conditions(0).delay = milliseconds{10};
  line.conditions(0).reorder = 1;
  line.push(at(0), 0, packet(1));
  line.conditions(0).reorder = 0;

  line.push(at(1), 0, packet(2));

  CHECK(pop_all(line, at(100)) == std::vector{2, 1});
  CHECK(line.counters(0).reordered == 1);
}

TEST_CASE("DelayLine: a rate spaces packets by their size and drops what would wait too long") {
  DelayLine line{1, 3};
  line.conditions(0).rate = 8'000'000;  // 1000 octets per ms
  line.conditions(0).buffer = milliseconds{5};

  for (std::uint8_t i = 0; i < 10; ++i) line.push(at(0), 0, packet(i, 1000));

  CHECK(line.next_due() == at(1));
  CHECK(pop_all(line, at(3)) == std::vector{0, 1, 2});
  CHECK(pop_all(line, at(100)) == std::vector{3, 4, 5});
  CHECK(line.counters(0).overflowed == 4);
}

TEST_CASE("DelayLine: a cut path passes nothing, but what is under way arrives") {
  DelayLine line{1, 3};
  line.conditions(0).delay = milliseconds{10};
  line.push(at(0), 0, packet(1));

  line.conditions(0).cut = true;
  line.push(at(1), 0, packet(2));

  CHECK(pop_all(line, at(100)) == std::vector{1});
  CHECK(line.counters(0).cut == 1);
}

TEST_CASE("DelayLine: what waits on a path is bounded in octets") {
  DelayLine line{1, 3};
  line.conditions(0).delay = milliseconds{1000};
  const std::size_t fit = DelayLine::kPathBytesMax / 65'536;

  for (std::size_t i = 0; i < fit + 3; ++i) line.push(at(0), 0, packet(1, 65'536));

  CHECK(line.counters(0).overflowed == 3);
  CHECK(pop_all(line, at(1000)).size() == fit);
}

TEST_CASE("DelayLine: the same seed gives the same losses") {
  const auto survivors = [](std::uint64_t seed) {
    DelayLine line{1, seed};
    line.conditions(0).loss = 0.5;
    for (std::uint8_t i = 0; i < 64; ++i) line.push(at(0), 0, packet(i));
    return pop_all(line, at(0));
  };

  CHECK(survivors(5) == survivors(5));
  CHECK(survivors(5) != survivors(6));
}

}  // namespace rove
