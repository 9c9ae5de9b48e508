#include "cli/daemon/watchdog.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{seconds{1000}};

// How often the manager is told within `time`, with a loop that turns every 10 ms and a packet path that answers at
// once as long as `answers(now)`.
template <typename Answers>
unsigned count_feeds(Watchdog& watchdog, TimePoint from, Duration time, Answers answers) {
  unsigned feeds = 0;
  for (TimePoint now = from; now < from + time; now += milliseconds{10}) {
    if (watchdog.poll_question(now) && answers(now) && watchdog.handle_echo(now)) ++feeds;
  }
  return feeds;
}

}  // namespace

TEST_CASE("Watchdog: the manager is told twice in its interval, while the packet path answers") {
  Watchdog watchdog{seconds{4}};

  CHECK(count_feeds(watchdog, kStart, seconds{20}, [](TimePoint) { return true; }) == 10);
  CHECK(watchdog.overdue(kStart + seconds{20}) == Duration{0});
}

TEST_CASE("Watchdog: nothing is told from the moment on at which the packet path stands still") {
  Watchdog watchdog{seconds{4}};
  const auto until_ten = [](TimePoint now) { return now < kStart + seconds{10}; };

  CHECK(count_feeds(watchdog, kStart, seconds{10}, until_ten) == 5);
  CHECK(count_feeds(watchdog, kStart + seconds{10}, seconds{60}, until_ten) == 0);
  CHECK(watchdog.overdue(kStart + seconds{70}) == seconds{60});
}

TEST_CASE("Watchdog: nothing is told while the control loop does not turn") {
  Watchdog watchdog{seconds{4}};
  REQUIRE(watchdog.poll_question(kStart));
  REQUIRE(watchdog.handle_echo(kStart));

  // It tells by its own turns only; the next one comes an hour later, and must ask first.
  const TimePoint later = kStart + std::chrono::hours{1};
  CHECK_FALSE(watchdog.handle_echo(later));
  CHECK(watchdog.poll_question(later));
  CHECK(watchdog.handle_echo(later));
}

TEST_CASE("Watchdog: a lost question is repeated in time, and its second echo tells nothing") {
  Watchdog watchdog{seconds{4}};
  REQUIRE(watchdog.poll_question(kStart));
  CHECK(watchdog.poll_timeout() == kStart + milliseconds{500});

  CHECK_FALSE(watchdog.poll_question(kStart + milliseconds{499}));
  CHECK(watchdog.poll_question(kStart + milliseconds{500}));
  CHECK(watchdog.overdue(kStart + milliseconds{700}) == milliseconds{700});
  CHECK(watchdog.handle_echo(kStart + milliseconds{700}));
  CHECK_FALSE(watchdog.handle_echo(kStart + milliseconds{701}));
  CHECK(watchdog.poll_timeout() == kStart + milliseconds{2'700});
}

TEST_CASE("Watchdog: without a manager it asks too, and tells nobody") {
  Watchdog watchdog{std::nullopt};

  CHECK(count_feeds(watchdog, kStart, seconds{30}, [](TimePoint) { return true; }) == 0);
  CHECK(watchdog.poll_timeout() == kStart + seconds{30});
  REQUIRE(watchdog.poll_question(kStart + seconds{30}));
  CHECK(watchdog.overdue(kStart + seconds{42}) == seconds{12});
}

TEST_CASE("Watchdog: an interval of many minutes does not make the questions rare") {
  Watchdog watchdog{std::chrono::minutes{10}};

  CHECK(count_feeds(watchdog, kStart, seconds{30}, [](TimePoint) { return true; }) == 6);
}

}  // namespace rove
