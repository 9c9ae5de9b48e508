#include "cli/daemon/event_log.h"

#include <chrono>
#include <string>

namespace rove {

LogLevel level_of(NodeEvent::Kind kind) {
  switch (kind) {
    case NodeEvent::Kind::VmConflict: return LogLevel::Error;
    case NodeEvent::Kind::LocationDisconnected:
    case NodeEvent::Kind::ClaimRefused: return LogLevel::Warn;
    case NodeEvent::Kind::VmSignal:
    case NodeEvent::Kind::VmClaimPushed:
    case NodeEvent::Kind::VmClaimAcknowledged:
    case NodeEvent::Kind::VmFrameForwarded:
    case NodeEvent::Kind::VmFrameDirect:
    case NodeEvent::Kind::VmRedirected: return LogLevel::Debug;
    default: return LogLevel::Info;
  }
}

void EventLog::handle_event(TimePoint now, const NodeEvent& event) {
  handle_timeout(now);
  const LogLevel level = level_of(event.kind);
  if (level == LogLevel::Debug && log_.level() != LogLevel::Debug) return;
  if (lines_ >= kLinesPerSecond) {
    ++suppressed_in_second_;
    ++suppressed_;
    return;
  }
  ++lines_;
  log_.write(level, to_string(event.kind), {{"peer", event.peer}, {"vm", event.vm ? to_string(*event.vm) : ""}},
             event.detail);
}

void EventLog::handle_timeout(TimePoint now) {
  if (now - second_begin_ < std::chrono::seconds{1}) return;
  if (suppressed_in_second_ > 0) {
    log_.write(LogLevel::Warn, "events-suppressed", {{"count", std::to_string(suppressed_in_second_)}});
  }
  second_begin_ = now;
  lines_ = 0;
  suppressed_in_second_ = 0;
}

}  // namespace rove
