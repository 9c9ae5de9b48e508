#include "core/peer/segment_probe.h"

#include <doctest/doctest.h>

#include <ostream>

#include "core/peer/peer.h"
#include "core/wire/header.h"
#include "tests/unit/core/peer/peer_lab.h"

namespace rove {
namespace {

using State = SegmentProbe::State;

constexpr SegmentProbe::Round kRound{.cut = {1, 2}, .plain = 3};

// As many rounds as it asks for; `answer` gets each one. When it was over, from the start on.
template <typename Answer>
Duration run(SegmentProbe& probe, Answer answer) {
  const TimePoint begin{};
  probe.start(begin);
  TimePoint now = begin;
  while (const auto next = probe.poll_timeout()) {
    now = *next;
    if (!probe.handle_timeout(now)) continue;
    probe.begin_round(kRound);
    answer(probe);
  }
  return now - begin;
}

State state_of(const Host& host, const Host& peer) {
  return host.peers().find_peer(peer.id())->segments;
}

bool sends_segments(const Host& host, const Host& peer) {
  const Snapshot snapshot = host.snapshot();
  return snapshot.sessions.at(snapshot.current.at(peer.id())).segments;
}

}  // namespace

TEST_CASE("SegmentProbe: the second of two pings in one piece tells that cutting works, the first alone does not") {
  SegmentProbe probe;
  CHECK(probe.state() == State::Unknown);
  CHECK(run(probe, [](SegmentProbe& asked) { asked.handle_pong(2); }) == 0s);
  CHECK(probe.state() == State::Works);

  run(probe, [](SegmentProbe& asked) {
    asked.handle_pong(1);
    asked.handle_pong(3);
  });
  CHECK(probe.state() == State::Broken);

  CHECK(run(probe, [](SegmentProbe& asked) { asked.handle_pong(2); }) == 0s);
  CHECK(probe.state() == State::Works);
  probe.forget();
  CHECK(probe.state() == State::Unknown);
}

TEST_CASE("SegmentProbe: a peer that answers nothing at all proves nothing") {
  SegmentProbe probe;
  CHECK(run(probe, [](SegmentProbe&) {}) == SegmentProbe::kTriesMax * SegmentProbe::kInterval);
  CHECK(probe.state() == State::Unknown);
}

TEST_CASE("SegmentProbe: rounds that are lost as a whole count neither way") {
  SegmentProbe probe;
  unsigned round = 0;
  const Duration taken = run(probe, [&](SegmentProbe& asked) {
    if (++round % 2 == 0) asked.handle_pong(3);
  });
  CHECK(probe.state() == State::Broken);
  CHECK(taken == 2 * SegmentProbe::kRoundsMax * SegmentProbe::kInterval);
}

TEST_CASE("PeerSet: whether what the kernel cuts arrives is known a round trip after the session") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);

  CHECK(state_of(a, b) == State::Works);
  CHECK(state_of(b, a) == State::Works);
  CHECK(sends_segments(a, b));
  CHECK(a.events<PeerSegments>().empty());
  CHECK(a.peers().counters().control_dropped + b.peers().counters().control_dropped == 0);
  CHECK(a.peers().counters().unknown_messages + b.peers().counters().unknown_messages == 0);
}

TEST_CASE("PeerSet: where it does not, nothing is sent that way, one event tells, and a later session tries again") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.cuts = false;
  a.connect(b);
  lab.run(1s);
  CHECK(state_of(a, b) == State::Unknown);
  CHECK_FALSE(sends_segments(a, b));

  lab.run(10s);
  CHECK(state_of(a, b) == State::Broken);
  CHECK(state_of(b, a) == State::Works);
  CHECK(a.is_up(b));
  CHECK_FALSE(sends_segments(a, b));
  REQUIRE(a.events<PeerSegments>().size() == 1);
  CHECK_FALSE(a.events<PeerSegments>()[0].arrive);
  CHECK(a.peers().counters().segments_refused == 1);

  a.cuts = true;
  lab.run(kRenewAfter + kRenewJitter);
  CHECK(state_of(a, b) == State::Works);
  CHECK(sends_segments(a, b));
  REQUIRE(a.events<PeerSegments>().size() == 2);
  CHECK(a.events<PeerSegments>()[1].arrive);
}

TEST_CASE("PeerSet: a network card that ceases to cut is found with the next session, and costs nothing else") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  REQUIRE(state_of(a, b) == State::Works);

  a.cuts = false;
  lab.run(kRenewAfter + kRenewJitter + 10s);

  CHECK(state_of(a, b) == State::Broken);
  CHECK(a.events<PeerDown>().empty());
}

TEST_CASE("PeerSet: at a new address it is not known until it has been tried there") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  REQUIRE(state_of(a, b) == State::Works);

  a.cuts = false;
  b.move_to(endpoint_of("192.0.2.77:7683"));
  REQUIRE(b.send(a, 1));
  lab.run(1s);

  CHECK(a.is_up(b));
  CHECK(state_of(a, b) == State::Unknown);
  CHECK_FALSE(sends_segments(a, b));
}

TEST_CASE("PeerSet: a probe is two control datagrams of the largest size in one piece") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  std::size_t largest = 0;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    if (datagram.size() == kControlPlaintextMax + kDataOverhead) ++largest;
    return true;
  };
  a.connect(b);
  lab.run(1s);
  CHECK(largest == SegmentProbe::kPings);
}

}  // namespace rove
