// Whether the packet path turns, and when the service manager's watchdog may be fed.
#pragma once

#include <chrono>
#include <optional>

#include "core/base/time.h"

namespace rove {

// Decides when an echo is sent through the worker's mailbox, and what its return, or its absence, means. The control
// loop sends and receives: whoever stands still, the loop or the packet path, ends the feeding. Asks every
// kQuestionInterval, or twice in the manager's interval if that is sooner; a question without an answer is repeated
// four times as fast, since a full mailbox may have lost it. Control thread only.
class Watchdog {
 public:
  static constexpr std::chrono::seconds kQuestionInterval{5};
  // An echo that is owed for longer is a problem. Below it a host that is very busy, or was suspended, is forgiven.
  static constexpr std::chrono::seconds kPatience{10};

  // `interval`: so often the manager wants to hear from us, else it takes us for dead; nullopt: nobody waits.
  explicit Watchdog(std::optional<Duration> interval);

  // True when an echo is to be sent now.
  [[nodiscard]] bool poll_question(TimePoint now);
  // An echo came back. True when the manager is to be told so.
  [[nodiscard]] bool handle_echo(TimePoint now);
  // When poll_question() wants to be called.
  [[nodiscard]] TimePoint poll_timeout() const { return next_; }

  // For how long the packet path has owed an echo; 0: it owes none.
  [[nodiscard]] Duration overdue(TimePoint now) const;

 private:
  Duration period_;
  bool feeds_;
  TimePoint next_{};                // of the next question
  std::optional<TimePoint> asked_;  // the first question that has no answer
};

}  // namespace rove
