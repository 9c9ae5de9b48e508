#include "core/node/timeline.h"

#include <doctest/doctest.h>

#include <initializer_list>

#include "core/node/node.h"
#include "core/wire/neighbor.h"

namespace rove {
namespace {

using std::chrono::milliseconds;
using Kind = NodeEvent::Kind;

const MacAddress kMac = *parse_mac("02:00:5e:10:00:01");
constexpr TimePoint kStart{std::chrono::seconds{100}};
constexpr WallTime kWallStart{milliseconds{1'700'000'000'000}};

MacAddress mac_of(std::size_t number) {
  return {{0x02, 0, 0, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
           static_cast<std::uint8_t>(number)}};
}

// A timeline, and a clock of its own that both times follow.
struct Lab {
  Timeline timeline;
  TimePoint now = kStart;

  void report(Kind kind, const std::string& peer = {}, const MacAddress& mac = kMac) {
    const WallTime wall = kWallStart + std::chrono::duration_cast<milliseconds>(now - kStart);
    timeline.handle_event(wall, NodeEvent{kind, now, peer, mac, {}});
  }
  bool signal(SignalKind kind, const MacAddress& mac = kMac) { return timeline.handle_signal(now, mac, kind); }
  bool step(MoveStep step, const MacAddress& mac = kMac) { return timeline.handle_step(now, mac, step); }
  [[nodiscard]] const std::deque<Move>& moves(const MacAddress& mac = kMac) const {
    REQUIRE(timeline.find(mac) != nullptr);
    return *timeline.find(mac);
  }
};

FrameInfo info_of(const Bytes& frame) {
  return parse_frame(frame).value();
}

}  // namespace

TEST_CASE(
    "Timeline: a preparation ends with the VM's arrival, its expiry or its release, and takes no sign from the move") {
  Lab lab;
  lab.report(Kind::VmPrepared, "a");
  CHECK_FALSE(lab.step(MoveStep::Redirected));
  lab.now += milliseconds{500};
  CHECK(lab.signal(SignalKind::Rarp));
  lab.report(Kind::VmMovedHere, "a");

  REQUIRE(lab.moves().size() == 2);
  CHECK(lab.moves()[0].kind == Move::Kind::Prepared);
  CHECK(lab.moves()[0].peer == "a");
  CHECK(lab.moves()[0].end == Move::End::Arrived);
  CHECK(lab.moves()[0].to_end() == milliseconds{500});
  CHECK(lab.moves()[1].signal == SignalKind::Rarp);

  lab.report(Kind::VmReleased);
  for (const auto& [detail, end] :
       {std::pair{"reason=expired", Move::End::Expired}, std::pair{"reason=operator", Move::End::Undone}}) {
    lab.report(Kind::VmPrepared, "a");
    lab.timeline.handle_event(kWallStart, NodeEvent{Kind::VmPrepareEnded, lab.now, {}, kMac, detail});
    CHECK(lab.moves().back().end == end);
  }
}

TEST_CASE("Timeline: a VM that moves here shows its signal, its claim and its first frames") {
  Lab lab;
  CHECK(lab.signal(SignalKind::Rarp));
  lab.now += milliseconds{3};
  lab.report(Kind::VmMovedHere, "a");
  CHECK(lab.step(MoveStep::Pushed));
  lab.now += milliseconds{20};
  CHECK(lab.step(MoveStep::Acknowledged));
  lab.now += milliseconds{1};
  CHECK(lab.step(MoveStep::Forwarded));
  lab.now += milliseconds{10};
  CHECK(lab.step(MoveStep::Direct));

  REQUIRE(lab.moves().size() == 1);
  const Move& move = lab.moves()[0];
  CHECK(move.kind == Move::Kind::MovedHere);
  CHECK(move.peer == "a");
  CHECK(move.signal == SignalKind::Rarp);
  CHECK(move.began_wall == kWallStart);
  CHECK(move.to_claim() == milliseconds{3});
  CHECK(move.to_step(MoveStep::Pushed) == milliseconds{3});
  CHECK(move.to_step(MoveStep::Acknowledged) == milliseconds{23});
  CHECK(move.to_step(MoveStep::Forwarded) == milliseconds{24});
  CHECK(move.to_step(MoveStep::Direct) == milliseconds{34});
  CHECK_FALSE(move.to_step(MoveStep::Redirected).has_value());
  CHECK_FALSE(move.to_end().has_value());
}

TEST_CASE("Timeline: what an arrival from another host took is counted, and of its frames the first") {
  constexpr std::size_t kAll = DurationHistogram::kBounds.size();
  Lab lab;
  lab.report(Kind::VmClaimed);  // nobody had it before
  CHECK(lab.step(MoveStep::Direct));
  lab.report(Kind::VmReleased);
  CHECK(lab.timeline.histograms().claim.count_up_to(kAll) == 0);
  CHECK(lab.timeline.histograms().frame.count_up_to(kAll) == 0);

  CHECK(lab.signal(SignalKind::Rarp));
  lab.now += milliseconds{3};
  lab.report(Kind::VmMovedHere, "a");
  lab.now += milliseconds{20};
  CHECK(lab.step(MoveStep::Acknowledged));
  CHECK_FALSE(lab.step(MoveStep::Acknowledged));
  lab.now += milliseconds{10};
  CHECK(lab.step(MoveStep::Direct));
  lab.now += milliseconds{10};
  CHECK(lab.step(MoveStep::Forwarded));

  const MoveHistograms& histograms = lab.timeline.histograms();
  CHECK(histograms.claim.count_up_to(kAll) == 1);
  CHECK(histograms.claim.sum() == milliseconds{3});
  CHECK(histograms.acknowledge.count_up_to(kAll) == 1);
  CHECK(histograms.acknowledge.sum() == milliseconds{23});
  CHECK(histograms.frame.count_up_to(kAll) == 1);
  CHECK(histograms.frame.sum() == milliseconds{33});
}

TEST_CASE("Timeline: of each step the first counts") {
  Lab lab;
  lab.report(Kind::VmMovedHere, "a");
  CHECK(lab.step(MoveStep::Direct));
  lab.now += milliseconds{5};

  CHECK_FALSE(lab.step(MoveStep::Direct));

  CHECK(lab.moves()[0].to_step(MoveStep::Direct) == Duration{0});
}

TEST_CASE("Timeline: a VM that moves away shows what was sent on, and how often its senders were told") {
  Lab lab;
  lab.report(Kind::VmClaimed);
  lab.now += std::chrono::seconds{60};
  lab.report(Kind::VmMovedAway, "b");
  lab.now += milliseconds{2};
  CHECK(lab.step(MoveStep::Forwarded));
  CHECK(lab.step(MoveStep::Redirected));
  CHECK_FALSE(lab.step(MoveStep::Redirected));
  lab.now += std::chrono::seconds{30};
  lab.report(Kind::VmForwardingEnded);

  REQUIRE(lab.moves().size() == 2);
  CHECK(lab.moves()[0].kind == Move::Kind::Claimed);
  CHECK(lab.moves()[0].end == Move::End::MovedAway);
  CHECK(lab.moves()[0].to_end() == std::chrono::seconds{60});
  const Move& away = lab.moves()[1];
  CHECK(away.kind == Move::Kind::MovedAway);
  CHECK(away.peer == "b");
  CHECK(away.redirects == 2);
  CHECK(away.to_step(MoveStep::Forwarded) == milliseconds{2});
  CHECK(away.end == Move::End::ForwardingEnded);
  CHECK(away.to_end() == milliseconds{30'002});
}

TEST_CASE("Timeline: a rollback ends the departure and begins an arrival") {
  Lab lab;
  lab.report(Kind::VmClaimed);
  lab.report(Kind::VmMovedAway, "b");
  lab.now += milliseconds{300};
  lab.signal(SignalKind::Frame);
  lab.report(Kind::VmReclaimed, "b");
  lab.now += milliseconds{700};
  lab.report(Kind::VmReleased);

  REQUIRE(lab.moves().size() == 3);
  CHECK(lab.moves()[1].end == Move::End::Reclaimed);
  CHECK(lab.moves()[1].to_end() == milliseconds{300});
  CHECK(lab.moves()[2].kind == Move::Kind::Reclaimed);
  CHECK(lab.moves()[2].signal == SignalKind::Frame);
  CHECK(lab.moves()[2].end == Move::End::Released);
  CHECK(lab.moves()[2].to_end() == milliseconds{700});
}

TEST_CASE("Timeline: a claim that is made anew is no move") {
  Lab lab;
  lab.report(Kind::VmMovedHere, "a");
  lab.report(Kind::VmClaimed);

  CHECK(lab.moves().size() == 1);

  lab.report(Kind::VmReleased);
  lab.report(Kind::VmClaimed);
  CHECK(lab.moves().size() == 2);
}

TEST_CASE("Timeline: steps of the other side, of no move or after its end are ignored") {
  Lab lab;
  CHECK_FALSE(lab.step(MoveStep::Pushed));
  lab.report(Kind::VmMovedHere, "a");
  CHECK_FALSE(lab.step(MoveStep::Redirected));
  lab.report(Kind::VmMovedAway, "b");
  for (const MoveStep step : {MoveStep::Pushed, MoveStep::Acknowledged, MoveStep::Direct}) CHECK_FALSE(lab.step(step));
  lab.report(Kind::VmForwardingEnded);
  CHECK_FALSE(lab.step(MoveStep::Forwarded));

  CHECK(lab.moves().back().redirects == 0);
}

TEST_CASE("Timeline: the first signal counts, but not one that led to nothing") {
  Lab lab;
  CHECK(lab.signal(SignalKind::Bridge));
  lab.now += kSignalTime;
  CHECK(lab.signal(SignalKind::Rarp));
  lab.now += milliseconds{1};
  CHECK_FALSE(lab.signal(SignalKind::Frame));
  lab.report(Kind::VmClaimed);
  CHECK(lab.moves()[0].signal == SignalKind::Rarp);

  lab.report(Kind::VmReleased);
  lab.signal(SignalKind::Arp);
  lab.now += kSignalTime;
  lab.report(Kind::VmClaimed);
  CHECK_FALSE(lab.moves()[1].signal.has_value());
  CHECK(lab.moves()[1].to_claim() == Duration{0});
}

TEST_CASE("Timeline: the last moves of a VM are kept") {
  Lab lab;
  for (std::size_t move = 0; move < kMovesMax + 3; ++move) {
    lab.report(Kind::VmClaimed);
    lab.report(Kind::VmReleased);
    lab.now += milliseconds{1};
  }

  CHECK(lab.moves().size() == kMovesMax);
  CHECK(lab.moves().front().began == kStart + milliseconds{3});
}

TEST_CASE("Timeline: the VM that was unused longest is forgotten first") {
  Lab lab;
  for (std::size_t vm = 0; vm < kTimelineVmsMax; ++vm) {
    lab.report(Kind::VmClaimed, {}, mac_of(vm));
    lab.now += milliseconds{1};
  }
  CHECK(lab.step(MoveStep::Direct, mac_of(0)));

  lab.report(Kind::VmClaimed, {}, mac_of(kTimelineVmsMax));

  CHECK(lab.timeline.size() == kTimelineVmsMax);
  CHECK(lab.timeline.find(mac_of(0)) != nullptr);
  CHECK(lab.timeline.find(mac_of(1)) == nullptr);
  CHECK(lab.timeline.find(mac_of(kTimelineVmsMax)) != nullptr);
}

TEST_CASE("Timeline: signals of VMs that never come displace each other only") {
  Lab lab;
  lab.report(Kind::VmClaimed, {}, mac_of(0));
  for (std::size_t vm = 1; vm <= kSignalsMax + 1; ++vm) {
    CHECK(lab.signal(SignalKind::Frame, mac_of(vm)));
    lab.now += Duration{1};
  }

  CHECK(lab.timeline.size() == 1);
  CHECK(lab.signal(SignalKind::Frame, mac_of(1)));                  // forgotten: new again
  CHECK_FALSE(lab.signal(SignalKind::Frame, mac_of(kSignalsMax)));  // still known
}

TEST_CASE("signal_of: what a frame tells of its sender") {
  const Neighbor vm{kMac, *parse_ip("10.77.0.5")};
  const Neighbor vm6{kMac, *parse_ip("fd00:77::5")};
  const Neighbor nobody{kMac, IpAddress{}};

  CHECK(signal_of(info_of(make_rarp_announce(kMac))) == SignalKind::Rarp);
  CHECK(signal_of(info_of(make_gratuitous_arp(vm))) == SignalKind::Arp);
  CHECK(signal_of(info_of(make_unsolicited_advertisement(vm6))) == SignalKind::Advertisement);
  CHECK(signal_of(info_of(make_arp_request(nobody, vm.ip))) == SignalKind::Probe);
  CHECK(signal_of(info_of(make_arp_request(vm, *parse_ip("10.77.0.6")))) == SignalKind::Frame);
}

}  // namespace rove
