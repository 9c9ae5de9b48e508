#include "cli/daemon/watchdog.h"

#include <algorithm>

namespace rove {

Watchdog::Watchdog(std::optional<Duration> interval)
    : period_(std::min<Duration>(kQuestionInterval, interval ? *interval / 2 : kQuestionInterval)),
      feeds_(interval.has_value()) {}

bool Watchdog::poll_question(TimePoint now) {
  if (now < next_) return false;
  next_ = now + period_ / 4;
  if (!asked_) asked_ = now;
  return true;
}

// An echo of a repeated question finds none open: the first one has told all.
bool Watchdog::handle_echo(TimePoint now) {
  if (!asked_) return false;
  asked_.reset();
  next_ = now + period_;
  return feeds_;
}

Duration Watchdog::overdue(TimePoint now) const {
  return asked_ ? now - *asked_ : Duration{0};
}

}  // namespace rove
