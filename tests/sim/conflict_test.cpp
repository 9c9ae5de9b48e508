// Two VMs with one MAC, and what only looks like it: whole nodes, virtual time, 10 ms between hosts.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/node/vm_machine.h"
#include "core/wire/neighbor.h"
#include "tests/sim/world.h"

namespace rove::sim {
namespace {

using namespace std::chrono_literals;

// VM i starts on host i; VM 2, on host 2, is the third party that others talk with.
struct Scene {
  explicit Scene(double loss = 0, std::uint64_t seed = 1)
      : world([loss, seed] {
          WorldOptions options;
          options.hosts = 3;
          options.vms = 3;
          options.seed = seed;
          options.quality.loss = loss;
          return options;
        }()),
        clone(world.time(), world.vm(0).mac(), world.vm(0).ip()) {
    world.boot();
  }

  void talk(SimVm& from, SimVm& to, Duration duration) {
    const TimePoint end = world.time().steady() + duration;
    for (TimePoint at = world.time().steady(); at < end; at += 50ms) {
      world.time().at(at, [&from, &to] { from.send(to.ip()); });
    }
  }
  [[nodiscard]] std::vector<VmConflict> conflicts(std::size_t host) {
    return world.host(host).node().status().conflicts;
  }
  [[nodiscard]] bool alarmed() {
    for (std::size_t host = 0; host < 3; ++host) {
      const auto& events = world.host(host).events();
      if (std::any_of(events.begin(), events.end(),
                      [](const NodeEvent& event) { return event.kind == NodeEvent::Kind::VmConflict; })) {
        return true;
      }
    }
    return false;
  }
  [[nodiscard]] std::size_t arrived(SimVm& from, SimVm& to) {
    const auto it = to.received().find(from.ip());
    return it == to.received().end() ? 0 : it->second.numbers.size();
  }
  // The clone comes up at host 1, and both talk.
  void duplicate(Duration talking) {
    clone.plug(world.host(1).bridge());
    clone.announce_address();
    talk(world.vm(0), world.vm(2), talking);
    talk(clone, world.vm(2), talking);
  }

  World world;
  SimVm clone;
};

}  // namespace

TEST_CASE("sim: a clone that comes up is mute and alarmed within ten seconds, and the first goes on working") {
  Scene scene;
  scene.duplicate(60s);
  scene.world.run_for(10s);

  REQUIRE(scene.conflicts(0).size() == 1);
  REQUIRE(scene.conflicts(1).size() == 1);
  CHECK_FALSE(scene.conflicts(0).front().muted_here);
  CHECK(scene.conflicts(1).front().muted_here);

  const std::size_t before = scene.arrived(scene.world.vm(2), scene.world.vm(0));
  scene.talk(scene.world.vm(2), scene.world.vm(0), 20s);
  scene.world.run_for(25s);
  CHECK(scene.arrived(scene.world.vm(2), scene.world.vm(0)) - before >= 399);
  CHECK(scene.world.host(1).packet_counters().drops[static_cast<std::size_t>(DropReason::Muted)] > 0);
}

TEST_CASE("sim: when the clone goes, the alarm ends and nothing else changes") {
  Scene scene;
  scene.duplicate(60s);
  scene.world.run_for(15s);
  REQUIRE(scene.conflicts(0).size() == 1);

  scene.clone.unplug();
  scene.world.run_for(5s);

  CHECK(scene.conflicts(0).empty());
  CHECK(scene.conflicts(1).empty());
  for (const std::string& problem : scene.world.find_disagreements()) FAIL_CHECK(problem);
}

TEST_CASE("sim: when the clone's port is closed, both hosts know at once") {
  Scene scene;
  scene.duplicate(60s);
  scene.world.run_for(15s + 13ms);  // between two frames of the clone
  REQUIRE(scene.conflicts(0).size() == 1);

  scene.clone.unplug();
  scene.world.run_for(50ms);

  CHECK(scene.conflicts(0).empty());
  CHECK(scene.conflicts(1).empty());
}

TEST_CASE("sim: when the first moves on to a third host, the clone stays mute and takes nothing") {
  Scene scene;
  scene.duplicate(90s);
  scene.world.run_for(15s);
  REQUIRE(scene.conflicts(1).size() == 1);

  scene.world.migrate(0, 2);
  scene.world.run_for(60s);

  const auto& events = scene.world.host(2).events();
  CHECK(std::none_of(events.begin(), events.end(),
                     [](const NodeEvent& event) { return event.kind == NodeEvent::Kind::VmMovedAway; }));
  CHECK(scene.conflicts(0).empty());
  REQUIRE(scene.conflicts(1).size() == 1);
  CHECK(scene.conflicts(1).front().muted_here);
  REQUIRE(scene.conflicts(2).size() == 1);
  CHECK_FALSE(scene.conflicts(2).front().muted_here);
}

TEST_CASE("sim: a muted VM's answer to a question by Neighbor Discovery reaches its node, and nobody else") {
  Scene scene;
  scene.duplicate(5s);
  scene.world.run_for(8s);
  REQUIRE(scene.conflicts(1).size() == 1);
  Bridge& bridge = scene.world.host(1).bridge();
  const std::uint64_t punted = scene.world.host(1).packet_counters().frames_punted;
  const std::uint64_t delivered = scene.world.host(2).packet_counters().frames_out;

  // Who is asked from the unspecified address answers to all nodes.
  bridge.input(bridge.add_port([](const Bytes&) {}),
               make_unsolicited_advertisement({scene.clone.mac(), *parse_ip("fd00:77::5")}));
  scene.world.run_for(50ms);

  CHECK(scene.world.host(1).packet_counters().frames_punted == punted + 1);
  CHECK(scene.world.host(2).packet_counters().frames_out == delivered);
}

TEST_CASE("sim: when the first goes, the clone is let in within some ten seconds") {
  Scene scene;
  scene.duplicate(60s);
  scene.world.run_for(15s);
  REQUIRE(scene.conflicts(1).size() == 1);

  scene.world.vm(0).unplug();
  scene.world.set_place(0, 1);
  scene.world.run_for(12s);

  CHECK(scene.conflicts(0).empty());
  CHECK(scene.conflicts(1).empty());
  for (const std::string& problem : scene.world.find_disagreements()) FAIL_CHECK(problem);
}

TEST_CASE("sim: when the first one's host dies, the muted clone is let in too") {
  Scene scene;
  scene.duplicate(90s);
  scene.world.run_for(15s);
  REQUIRE(scene.conflicts(1).size() == 1);

  scene.world.host(0).kill();
  scene.world.vm(0).unplug();
  scene.world.run_for(40s);

  CHECK(scene.conflicts(1).empty());
  const VmView* view = scene.world.host(2).snapshot().vms.find(scene.clone.mac());
  REQUIRE(view != nullptr);
  CHECK(view->owner == scene.world.host(1).identity().id());
}

TEST_CASE("sim: a VM that both sides of a partition started is found when it heals") {
  Scene scene;
  scene.world.underlay().cut(scene.world.host(0).endpoint(), scene.world.host(1).endpoint());
  scene.world.run_for(40s);
  scene.duplicate(60s);
  scene.world.run_for(10s);

  scene.world.underlay().heal_all();
  scene.world.run_for(30s);

  REQUIRE(scene.conflicts(0).size() == 1);
  REQUIRE(scene.conflicts(1).size() == 1);
  CHECK(scene.conflicts(0).front().muted_here != scene.conflicts(1).front().muted_here);
}

TEST_CASE("sim: a clone is found within ten seconds over links that lose a tenth, and let in when the first goes") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Scene scene{0.1, seed};
    scene.duplicate(40s);
    scene.world.run_for(10s);

    REQUIRE(scene.conflicts(0).size() == 1);
    REQUIRE(scene.conflicts(1).size() == 1);
    CHECK(scene.conflicts(0).front().muted_here != scene.conflicts(1).front().muted_here);
    CHECK(scene.conflicts(1).front().muted_here);

    scene.world.vm(0).unplug();
    scene.world.set_place(0, 1);
    scene.world.run_for(45s);
    CHECK(scene.conflicts(0).empty());
    CHECK(scene.conflicts(1).empty());
    for (const std::string& problem : scene.world.find_disagreements()) FAIL_CHECK(problem);
  }
}

TEST_CASE("sim: planned moves to and fro over links that lose a tenth are no conflict") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Scene scene{0.1, seed};
    scene.talk(scene.world.vm(0), scene.world.vm(2), 60s);
    for (int move = 0; move < 24; ++move) {
      scene.world.migrate(0, move % 2 == 0 ? 1 : 0);
      scene.world.run_for(std::chrono::milliseconds{700 + 77 * move});
    }
    scene.world.run_for(40s);
    CHECK_FALSE(scene.alarmed());
    for (const std::string& problem : scene.world.find_disagreements()) FAIL_CHECK(problem);
  }
}

TEST_CASE("sim: who claims a muted VM by hand is told why not, and the first's alarm ends when the clone's host dies") {
  Scene scene;
  scene.duplicate(60s);
  scene.world.run_for(15s);
  REQUIRE(scene.conflicts(1).size() == 1);

  const auto claimed = scene.world.host(1).node().claim(scene.world.time().now(), scene.clone.mac(), {});
  REQUIRE_FALSE(claimed);
  CHECK(claimed.error() == Error::WrongState);
  CHECK(scene.conflicts(1).size() == 1);

  scene.world.host(1).kill();
  scene.world.run_for(28s);
  CHECK(scene.conflicts(0).empty());
  for (const std::string& problem : scene.world.find_disagreements()) FAIL_CHECK(problem);
}

TEST_CASE("sim: a hundred moves to and fro, a second apart, are no conflict, and all agree afterwards") {
  Scene scene;
  scene.talk(scene.world.vm(0), scene.world.vm(2), 100s);
  for (int move = 0; move < 100; ++move) {
    scene.world.migrate(0, move % 2 == 0 ? 1 : 0);
    scene.world.run_for(1s);
  }
  scene.world.run_for(40s);

  CHECK_FALSE(scene.alarmed());
  for (const std::string& problem : scene.world.find_disagreements()) FAIL_CHECK(problem);
}

}  // namespace rove::sim
