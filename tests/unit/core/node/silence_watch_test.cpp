#include "core/node/silence_watch.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{seconds{100}};
constexpr milliseconds kAnswer{100};

}  // namespace

TEST_CASE("SilenceWatch: who is silent is asked once, and is due when no answer came in time") {
  SilenceWatch<int> watch;
  CHECK(watch.handle_silent(kStart, 1, kAnswer));
  CHECK_FALSE(watch.handle_silent(kStart + milliseconds{50}, 1, kAnswer));
  CHECK(watch.poll_timeout() == kStart + kAnswer);

  CHECK(watch.take_due(kStart + kAnswer - milliseconds{1}).empty());
  const auto due = watch.take_due(kStart + kAnswer);
  REQUIRE(due.size() == 1);
  CHECK(due[0].key == 1);
  CHECK(due[0].asked_at == kStart);
  CHECK(watch.take_due(kStart + kAnswer).empty());
  CHECK_FALSE(watch.poll_timeout());
}

TEST_CASE("SilenceWatch: who answers is trusted for a while and never due") {
  SilenceWatch<int> watch;
  REQUIRE(watch.handle_silent(kStart, 1, kAnswer));
  watch.handle_heard(kStart + milliseconds{10}, 1);

  CHECK(watch.take_due(kStart + seconds{1}).empty());
  CHECK_FALSE(watch.handle_silent(kStart + milliseconds{10} + kTrustTime - milliseconds{1}, 1, kAnswer));
  CHECK(watch.handle_silent(kStart + milliseconds{10} + kTrustTime, 1, kAnswer));
}

TEST_CASE("SilenceWatch: what is heard of one that was not asked changes nothing") {
  SilenceWatch<int> watch;
  watch.handle_heard(kStart, 1);
  CHECK(watch.size() == 0);
  REQUIRE(watch.handle_silent(kStart, 1, kAnswer));
  watch.handle_heard(kStart + milliseconds{1}, 1);
  watch.handle_heard(kStart + milliseconds{400}, 1);  // trust does not grow by it
  CHECK(watch.handle_silent(kStart + milliseconds{1} + kTrustTime, 1, kAnswer));
}

TEST_CASE("SilenceWatch: searches for one that stays silent grow rare, and start afresh when it was heard") {
  SilenceWatch<int> watch;
  std::vector<TimePoint> searched;
  for (TimePoint now = kStart; now < kStart + seconds{60}; now += milliseconds{10}) {
    (void)watch.handle_silent(now, 1, kAnswer);
    for (const auto& due : watch.take_due(now)) {
      CHECK(due.key == 1);
      searched.push_back(now);
    }
  }
  REQUIRE(searched.size() > 8);
  CHECK(searched.size() < 16);
  CHECK(searched[1] - searched[0] == kSearchInterval + kAnswer);
  CHECK(searched[2] - searched[1] == 2 * kSearchInterval + kAnswer);
  CHECK(searched.back() - searched[searched.size() - 2] == kSearchIntervalMax + kAnswer);

  TimePoint now = kStart + seconds{60};
  watch.handle_heard(now, 1);
  now += kTrustTime;
  REQUIRE(watch.handle_silent(now, 1, kAnswer));
  now += kAnswer;
  REQUIRE(watch.take_due(now).size() == 1);
  CHECK(watch.handle_silent(now + kSearchInterval, 1, kAnswer));
}

TEST_CASE("SilenceWatch: one of whom nothing was told for long is as new") {
  SilenceWatch<int> watch;
  TimePoint now = kStart;
  for (int i = 0; i < 6; ++i) {
    (void)watch.handle_silent(now, 1, kAnswer);
    now += kAnswer;
    (void)watch.take_due(now);
    now += kSearchIntervalMax;
  }
  now += kSilenceMemory;
  CHECK(watch.handle_silent(now, 1, kAnswer));
  (void)watch.take_due(now + kAnswer);
  CHECK(watch.handle_silent(now + kAnswer + kSearchInterval, 1, kAnswer));
}

TEST_CASE("SilenceWatch: it remembers a bounded number, and makes room when they are forgotten") {
  SilenceWatch<int> watch;
  for (int i = 0; i < static_cast<int>(kSilentMax); ++i) REQUIRE(watch.handle_silent(kStart, i, kAnswer));
  CHECK_FALSE(watch.handle_silent(kStart, -1, kAnswer));
  CHECK(watch.take_due(kStart + kAnswer).size() == kSilentMax);
  CHECK(watch.handle_silent(kStart + kSilenceMemory + seconds{1}, -1, kAnswer));
  CHECK(watch.size() == 1);
}

}  // namespace rove
