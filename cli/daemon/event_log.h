// Writes the node's events to the log: one line each, and never a flood.
#pragma once

#include <cstdint>

#include "cli/base/log.h"
#include "core/base/time.h"
#include "core/node/node.h"

namespace rove {

// Control thread. `log` must outlive it. At most kLinesPerSecond events in a second are written; of the others
// it writes how many there were, when the second is over: peers can cause events. Steps of a move count only where
// they are written.
class EventLog {
 public:
  static constexpr unsigned kLinesPerSecond = 50;

  explicit EventLog(Log& log) : log_(log) {}

  void handle_event(TimePoint now, const NodeEvent& event);
  void handle_timeout(TimePoint now);
  [[nodiscard]] std::uint64_t suppressed() const { return suppressed_; }

 private:
  Log& log_;
  TimePoint second_begin_{};
  unsigned lines_ = 0;  // in this second
  std::uint64_t suppressed_in_second_ = 0;
  std::uint64_t suppressed_ = 0;
};

// Degraded states are warnings, steps within a move are for debugging, the rest is information.
[[nodiscard]] LogLevel level_of(NodeEvent::Kind kind);

}  // namespace rove
