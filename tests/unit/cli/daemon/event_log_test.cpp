#include "cli/daemon/event_log.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

NodeEvent event() {
  NodeEvent event;
  event.kind = NodeEvent::Kind::PeerUp;
  event.peer = "b";
  return event;
}

constexpr TimePoint kStart{std::chrono::seconds{1000}};

}  // namespace

TEST_CASE("EventLog: a flood of events is cut off, and begins anew with the next second") {
  Log log{LogLevel::Error};  // the events themselves are below: nothing is printed
  EventLog events{log};

  for (unsigned i = 0; i < EventLog::kLinesPerSecond + 10; ++i) events.handle_event(kStart, event());
  CHECK(events.suppressed() == 10);

  events.handle_event(kStart + std::chrono::seconds{1}, event());
  CHECK(events.suppressed() == 10);
}

TEST_CASE("EventLog: steps of a move that are not written take no room from what is") {
  Log log{LogLevel::Error};
  EventLog events{log};
  NodeEvent step = event();
  step.kind = NodeEvent::Kind::VmClaimPushed;

  for (unsigned i = 0; i < EventLog::kLinesPerSecond + 10; ++i) events.handle_event(kStart, step);
  for (unsigned i = 0; i < EventLog::kLinesPerSecond; ++i) events.handle_event(kStart, event());

  CHECK(events.suppressed() == 0);
}

TEST_CASE("EventLog: degraded states are warnings, steps of a move for debugging") {
  CHECK(level_of(NodeEvent::Kind::LocationDisconnected) == LogLevel::Warn);
  CHECK(level_of(NodeEvent::Kind::ClaimRefused) == LogLevel::Warn);
  CHECK(level_of(NodeEvent::Kind::VmMovedHere) == LogLevel::Info);
  CHECK(level_of(NodeEvent::Kind::VmSignal) == LogLevel::Debug);
}

}  // namespace rove
