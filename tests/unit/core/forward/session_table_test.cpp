#include "core/forward/session_table.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <ostream>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

// Runs `action` in a child process and tells whether it aborted.
template <typename Action>
bool aborts(Action action) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    std::signal(SIGABRT, SIG_DFL);  // doctest's handler would report a failure
    close(STDERR_FILENO);
    action();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

Snapshot with(std::initializer_list<SessionView> views) {
  Snapshot snapshot;
  for (const SessionView& view : views) snapshot.sessions[view.local_index] = view;
  return snapshot;
}

TEST_CASE("WorkerSession: counters and replay windows outlive a snapshot that still has the serial") {
  Pair pair;
  const Bytes first = pair.sealed(pair.frame());
  pair.b.take_datagram(pair.a.endpoint, first);

  pair.a.publish();
  pair.b.publish();

  CHECK(parse_header(pair.sealed(pair.frame()))->counter.count == 1);
  pair.b.take_datagram(pair.a.endpoint, first);
  CHECK(pair.b.drops(DropReason::Replayed) == 1);
}

TEST_CASE("WorkerSession: a snapshot's new endpoint is used from then on") {
  Pair pair;
  const Endpoint roamed{ip_of("198.51.100.1"), 4000};
  pair.a.snapshot.sessions[pair.session.first.local_index].endpoint = roamed;
  pair.a.publish();

  pair.a.take_frame(pair.frame());

  CHECK(pair.a.sent.slots()[0].to == roamed);
}

TEST_CASE("WorkerSession: after a renewal the new one seals, and the old one still opens") {
  Pair pair;
  const Bytes late = pair.sealed(pair.frame());
  const SessionPair renewed = pair.maker.connect(pair.a, pair.b);

  const Bytes fresh = pair.sealed(pair.frame());
  CHECK(parse_header(fresh)->receiver == renewed.first.remote_index);
  for (const Bytes& datagram : {fresh, late}) {
    pair.b.take_datagram(pair.a.endpoint, datagram);
    CHECK(pair.b.delivered.frames().size() == 1);
  }

  pair.b.snapshot.sessions.erase(pair.session.second.local_index);
  pair.b.publish();
  pair.b.take_datagram(pair.a.endpoint, late);
  CHECK(pair.b.drops(DropReason::UnknownSession) == 1);
}

TEST_CASE("SessionTable: a serial that left and comes back while its keys are valid aborts: nonces would repeat") {
  Pair pair;
  const SessionView view = pair.session.first;
  SessionTable table{1};
  table.handle_snapshot(kStart, with({view}));
  table.handle_snapshot(kStart, with({}));

  CHECK(aborts([&] { table.handle_snapshot(kStart, with({view})); }));
  CHECK(aborts([&] { table.handle_snapshot(view.expires - std::chrono::nanoseconds{1}, with({view})); }));
  CHECK_FALSE(aborts([&] { table.handle_snapshot(view.expires, with({view})); }));
  CHECK_FALSE(aborts([&] { table.handle_snapshot(kStart, with({})); }));
}

TEST_CASE("SessionTable: a snapshot that contradicts itself or an earlier one aborts") {
  Pair pair;
  const SessionView view = pair.session.first;
  SessionTable table{1};
  table.handle_snapshot(kStart, with({view}));

  SessionView other_index = view;
  other_index.remote_index.value += 1;
  CHECK(aborts([&] { table.handle_snapshot(kStart, with({other_index})); }));

  SessionView no_key = view;
  no_key.serial += 1;
  no_key.open_key = nullptr;
  CHECK(aborts([&] { table.handle_snapshot(kStart, with({no_key})); }));

  Snapshot dangling = with({view});
  dangling.current[view.peer] = SessionIndex{1};
  CHECK(aborts([&] { table.handle_snapshot(kStart, dangling); }));
}

TEST_CASE("SessionTable: an expired session is found for its datagrams, but not to seal with") {
  Pair pair;
  const SessionView view = pair.session.first;
  Snapshot snapshot = with({view});
  snapshot.current[view.peer] = view.local_index;
  SessionTable table{1};
  table.handle_snapshot(kStart, snapshot);

  CHECK(table.find_current(view.expires - std::chrono::nanoseconds{1}, view.peer) != nullptr);
  CHECK(table.find_current(view.expires, view.peer) == nullptr);
  CHECK(table.find(view.local_index) != nullptr);
  CHECK(table.find(view.remote_index) == nullptr);
}

TEST_CASE("LaneCounter: counts from 0, warns once before its end and then gives nothing more") {
  LaneCounter fresh;
  CHECK(fresh.take() == 0);
  CHECK(fresh.take() == 1);
  CHECK_FALSE(fresh.is_worn());

  LaneCounter near_end{kRekeyAfterMessages - kRekeyHeadroom - 1};
  CHECK_FALSE(near_end.is_worn());
  CHECK(near_end.take());
  CHECK(near_end.is_worn());
  near_end.set_worn_reported();
  CHECK_FALSE(near_end.is_worn());

  LaneCounter last{kRekeyAfterMessages - 1};
  CHECK(last.take() == kRekeyAfterMessages - 1);
  CHECK_FALSE(last.take());
  CHECK_FALSE(last.take());
}

}  // namespace
}  // namespace rove
