#include "tap/precedence.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-*): a test reads better with 10ms

struct Turns {
  Duration every;
  std::size_t arrivals;  // in each
};

// The thread as it is after so long of such turns; `now` goes on.
bool run(Precedence& precedence, TimePoint& now, Duration time, const Turns& turns) {
  for (const TimePoint end = now + time; now < end; now += turns.every) {
    const bool before = precedence.first();
    const bool changed = precedence.handle_turn(now, turns.arrivals);
    CHECK(changed == (precedence.first() != before));
  }
  return precedence.first();
}

constexpr Turns kFlood{10us, 1};     // 100,000 a second, each by itself
constexpr Turns kPacked{1ms, 100};   // as many, together
constexpr Turns kPing{1ms, 1};       //
constexpr Turns kCopy{100us, 2};     // acknowledgements of a busy flow
constexpr Turns kHalfway{100us, 4};  // 40,000 a second

}  // namespace

TEST_CASE("Precedence: frames in quick succession, each by itself, end it within two periods") {
  Precedence precedence;
  TimePoint now{1s};
  CHECK(precedence.first());
  CHECK_FALSE(run(precedence, now, 2 * Precedence::kPeriod + 1ms, kFlood));
}

TEST_CASE("Precedence: few frames do not, nor many that come together, nor a flow's acknowledgements") {
  for (const Turns& turns : {kPing, kPacked, kCopy, kHalfway}) {
    CAPTURE(turns.arrivals);
    Precedence precedence;
    TimePoint now{1s};
    CHECK(run(precedence, now, 1s, turns));
  }
}

TEST_CASE("Precedence: comes back when there have been few for a while, and not while they come packed") {
  Precedence precedence;
  TimePoint now{1s};
  CHECK_FALSE(run(precedence, now, 100ms, kFlood));
  CHECK_FALSE(run(precedence, now, 1s, kPacked));
  CHECK_FALSE(run(precedence, now, 1s, kHalfway));
  CHECK_FALSE(run(precedence, now, Precedence::kQuiet - 2 * Precedence::kPeriod, kPing));
  CHECK(run(precedence, now, 4 * Precedence::kPeriod, kPing));
}

TEST_CASE("Precedence: after a pause without any turn it is back at once") {
  Precedence precedence;
  TimePoint now{1s};
  CHECK_FALSE(run(precedence, now, 105ms, kFlood));
  CHECK(precedence.handle_turn(now + 1s, 1));
  CHECK(precedence.first());
}

}  // namespace rove
