// The bounded parts of the packet path: throttle, budget, queue.
#include <doctest/doctest.h>

#include <ostream>

#include "core/forward/event_queue.h"
#include "core/forward/session_table.h"
#include "core/forward/throttle.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

using std::chrono::milliseconds;

TEST_CASE("Throttle: admits a key once per period, and each key for itself") {
  Throttle<int> throttle{milliseconds{100}, 10};
  CHECK(throttle.admit(kStart, 1));
  CHECK(throttle.admit(kStart, 2));
  CHECK_FALSE(throttle.admit(kStart + milliseconds{99}, 1));
  CHECK(throttle.admit(kStart + milliseconds{100}, 1));
  CHECK_FALSE(throttle.admit(kStart + milliseconds{199}, 1));
}

TEST_CASE("Throttle: when full it admits known keys only, until old ones lapse") {
  Throttle<int> throttle{milliseconds{100}, 2};
  CHECK(throttle.admit(kStart, 1));
  CHECK(throttle.admit(kStart + milliseconds{50}, 2));
  CHECK_FALSE(throttle.admit(kStart + milliseconds{50}, 3));

  CHECK_FALSE(throttle.admit(kStart + milliseconds{149}, 3));
  CHECK(throttle.admit(kStart + milliseconds{150}, 3));  // 1 and 2 have lapsed
  CHECK(throttle.admit(kStart + milliseconds{150}, 4));
  CHECK_FALSE(throttle.admit(kStart + milliseconds{150}, 5));
}

TEST_CASE("PeerBudget: misdirected frames to many VMs are told of within a bound") {
  PeerBudget budget;
  std::size_t admitted = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    const MacAddress vm{{2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    if (budget.admit(kStart, PeerBudget::Notice::Misdirected, vm)) ++admitted;
  }
  CHECK(admitted == PeerBudget::kNoticeVmsMax);
}

TEST_CASE("EventQueue: keeps the order over all kinds") {
  EventQueue queue{10};
  queue.push(EventQueue::Kind::Frame, PuntedFrame{{1}});
  queue.push(EventQueue::Kind::Notice, SessionWorn{SessionIndex{2}});
  queue.push(EventQueue::Kind::Datagram, ControlDatagram{{}, {3}});

  CHECK(std::holds_alternative<PuntedFrame>(queue.pop().value()));
  CHECK(std::holds_alternative<SessionWorn>(queue.pop().value()));
  CHECK(std::holds_alternative<ControlDatagram>(queue.pop().value()));
  CHECK_FALSE(queue.pop());
}

TEST_CASE("EventQueue: frames and datagrams take half of it each, notices what is left") {
  EventQueue queue{4};
  const auto fill = [&](EventQueue::Kind kind) {
    std::size_t pushed = 0;
    for (; queue.has_room(kind); ++pushed) queue.push(kind, RouteUsed{});
    return pushed;
  };
  CHECK(fill(EventQueue::Kind::Frame) == 2);
  CHECK(fill(EventQueue::Kind::Datagram) == 2);
  CHECK(fill(EventQueue::Kind::Notice) == 0);

  (void)queue.pop();  // a frame
  CHECK(queue.has_room(EventQueue::Kind::Frame));
  CHECK_FALSE(queue.has_room(EventQueue::Kind::Datagram));
  CHECK(fill(EventQueue::Kind::Notice) == 1);
  CHECK_FALSE(queue.has_room(EventQueue::Kind::Frame));
}

}  // namespace
}  // namespace rove
