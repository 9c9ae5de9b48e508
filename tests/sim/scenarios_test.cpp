// Single moves, seen closely: whole nodes, virtual time, 10 ms between hosts.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/node/vm_table.h"
#include "core/wire/neighbor.h"
#include "tests/sim/world.h"

namespace rove::sim {
namespace {

using namespace std::chrono_literals;

// A session's peers hear each other within a keep-alive, or two when one is lost.
constexpr Duration kHealTime = 25s;

// VM 0 starts on host 0; VM i on host i mod hosts.
struct Scene {
  explicit Scene(std::size_t hosts = 4, std::size_t vms = 4, double loss = 0)
      : world([&] {
          WorldOptions options;
          options.hosts = hosts;
          options.vms = vms;
          options.quality.loss = loss;
          options.location = LocationKind::OpenDht;
          return options;
        }()) {
    world.boot();
  }

  // `from` sends one datagram to `to` every 5 ms.
  void talk(std::size_t from, std::size_t to, Duration duration) {
    const TimePoint end = world.time().steady() + duration;
    for (TimePoint at = world.time().steady(); at < end; at += 5ms) {
      world.time().at(at, [this, from, to] { world.vm(from).send(world.vm(to).ip()); });
    }
  }
  [[nodiscard]] std::size_t lost(std::size_t from, std::size_t to) {
    const auto& received = world.vm(to).received();
    const auto it = received.find(world.vm(from).ip());
    const std::size_t arrived = it == received.end() ? 0 : it->second.numbers.size();
    return world.vm(from).sent_to(world.vm(to).ip()) - arrived;
  }
  [[nodiscard]] std::uint64_t duplicates(std::size_t from, std::size_t to) {
    const auto& received = world.vm(to).received();
    const auto it = received.find(world.vm(from).ip());
    return it == received.end() ? 0 : it->second.duplicates;
  }
  // Datagrams that came after a later one.
  [[nodiscard]] std::uint64_t overtaken(std::size_t from, std::size_t to) {
    const auto& received = world.vm(to).received();
    const auto it = received.find(world.vm(from).ip());
    return it == received.end() ? 0 : it->second.overtaken;
  }
  // Since the last datagram from `from` came to `to`.
  [[nodiscard]] Duration since_heard(std::size_t from, std::size_t to) {
    const auto& received = world.vm(to).received();
    const auto it = received.find(world.vm(from).ip());
    return it == received.end() ? Duration::max() : world.time().steady() - it->second.last;
  }
  // A host's daemon is started again, and hears at once what `peer` tells who comes up.
  void start_anew(std::size_t host, std::size_t peer) {
    world.host(host).start();
    REQUIRE(run_until_up(host, peer, 2s));
    world.run_for(200ms);
  }
  // False if `host` has no session with `peer` after `patience`.
  [[nodiscard]] bool run_until_up(std::size_t host, std::size_t peer, Duration patience) {
    const NodeId id = world.host(peer).identity().id();
    for (Duration waited{}; waited < patience; waited += 10ms) {
      for (const PeerInfo& info : world.host(host).node().peers()) {
        if (info.id == id && info.up) return true;
      }
      world.run_for(10ms);
    }
    return false;
  }
  // The host that claims the VM, as far as `host` knows; hosts() if it knows of none.
  [[nodiscard]] std::size_t believed_place(std::size_t host, std::size_t vm) {
    const Claim* claim = world.host(host).node().known_claim(VmAddress{world.vm(vm).mac()});
    std::size_t place = 0;
    while (place < world.hosts() && (claim == nullptr || claim->owner != world.host(place).identity().key())) ++place;
    return place;
  }
  [[nodiscard]] std::size_t count_downs(std::size_t host) {
    const std::vector<NodeEvent>& events = world.host(host).events();
    return static_cast<std::size_t>(std::count_if(
        events.begin(), events.end(), [](const NodeEvent& event) { return event.kind == NodeEvent::Kind::PeerDown; }));
  }
  [[nodiscard]] std::uint64_t counter(std::size_t host, std::string_view wanted) {
    for (const auto& [name, value] : world.host(host).node().status().counters) {
      if (name == wanted) return value;
    }
    return ~std::uint64_t{0};
  }
  void check_agreement() {
    for (const std::string& problem : world.find_disagreements()) FAIL_CHECK(problem);
  }

  World world;
};

}  // namespace

TEST_CASE("sim: VMs on different hosts find each other and talk, nothing is lost or doubled") {
  Scene scene;

  scene.talk(0, 1, 1s);
  scene.talk(1, 0, 1s);
  scene.world.run_for(2s);

  CHECK(scene.lost(0, 1) <= 1);  // a second datagram may displace the first in the sender's ARP queue
  CHECK(scene.lost(1, 0) <= 1);
  CHECK(scene.duplicates(0, 1) == 0);
  scene.check_agreement();
}

TEST_CASE("sim: a move loses nothing, for the neighbour left behind, the new one and a third") {
  Scene scene;
  // VM 3 goes to the source's host, as the neighbour left behind; VM 1 is the one at the target, VM 2 the third.
  scene.world.migrate(3, 0);
  scene.world.run_for(2s);
  for (const std::size_t client : {3U, 1U, 2U}) scene.talk(client, 0, 500ms);
  scene.world.run_for(1s);
  const std::size_t before[] = {scene.lost(3, 0), scene.lost(1, 0), scene.lost(2, 0)};

  for (const std::size_t client : {3U, 1U, 2U}) scene.talk(client, 0, 2s);
  scene.world.run_for(500ms);
  scene.world.migrate(0, 1);
  scene.world.run_for(4s);

  // What came meanwhile was replayed.
  CHECK(scene.lost(3, 0) == before[0]);
  CHECK(scene.lost(1, 0) == before[1]);
  CHECK(scene.lost(2, 0) == before[2]);
  // In order, but for the neighbour at the new host: its bridge does not wait.
  CHECK(scene.overtaken(3, 0) == 0);
  CHECK(scene.overtaken(2, 0) == 0);
  for (const std::size_t client : {3U, 1U, 2U}) CHECK(scene.duplicates(client, 0) == 0);
  scene.check_agreement();
}

TEST_CASE("sim: both hosts of a move know afterwards what happened in it, and when") {
  Scene scene;
  scene.talk(2, 0, 3s);
  scene.world.run_for(1s);
  const TimePoint begin = scene.world.time().steady();
  scene.world.migrate(0, 1);
  scene.world.run_for(35s);

  const MacAddress mac = scene.world.vm(0).mac();
  const auto arrived = scene.world.host(1).node().moves(mac);
  REQUIRE(arrived.has_value());
  const Move& here = arrived->moves.back();
  CHECK(here.kind == Move::Kind::MovedHere);
  CHECK(here.peer == scene.world.host(0).identity().certificate.name());
  CHECK(here.signal == SignalKind::Bridge);  // which learns from the announce before our TAP gets it
  CHECK(here.began >= begin);
  CHECK(here.to_claim() == Duration{0});
  CHECK(here.to_step(MoveStep::Pushed) == Duration{0});
  // 10 ms one way: the acknowledgement after a round trip, what the old host passes on with it, the third's own
  // frames after the push went to it and theirs came back.
  REQUIRE(here.to_step(MoveStep::Acknowledged).has_value());
  CHECK(*here.to_step(MoveStep::Acknowledged) < 30ms);
  REQUIRE(here.to_step(MoveStep::Forwarded).has_value());
  CHECK(*here.to_step(MoveStep::Forwarded) < 40ms);
  REQUIRE(here.to_step(MoveStep::Direct).has_value());
  CHECK(*here.to_step(MoveStep::Direct) < 40ms);
  CHECK_FALSE(here.end.has_value());

  // The IP leads to the same.
  const auto left = scene.world.host(0).node().moves(scene.world.vm(0).ip());
  REQUIRE(left.has_value());
  CHECK(left->mac == mac);
  REQUIRE(left->moves.size() == 2);
  CHECK(left->moves[0].end == Move::End::MovedAway);
  const Move& away = left->moves[1];
  CHECK(away.kind == Move::Kind::MovedAway);
  CHECK(away.peer == scene.world.host(1).identity().certificate.name());
  CHECK(away.to_step(MoveStep::Forwarded).has_value());
  CHECK(away.redirects >= 1);
  CHECK(away.end == Move::End::ForwardingEnded);
  CHECK(away.to_end() == kForwardingTime);

  CHECK_FALSE(scene.world.host(2).node().moves(mac).has_value());
}

TEST_CASE("sim: the source host dies in the moment of the move, a third reaches the VM by push") {
  Scene scene;
  scene.talk(2, 0, 3s);
  scene.world.run_for(500ms);

  scene.world.migrate(0, 1);
  scene.world.host(0).kill();
  scene.world.run_for(kDowntime + 45ms);  // the announce, one way, and a frame's way
  CHECK(scene.since_heard(2, 0) < 15ms);

  scene.world.run_for(4s);
  scene.check_agreement();
}

TEST_CASE("sim: a silent VM that moved without announcement is found while its old host lives") {
  Scene scene;
  scene.talk(2, 0, 4s);
  scene.talk(0, 2, 500ms);
  scene.world.run_for(500ms);

  scene.world.migrate(0, 1, /*announce=*/false);
  scene.world.run_for(kDowntime + 200ms);
  CHECK(scene.since_heard(2, 0) < 15ms);

  scene.world.run_for(4s);
  CHECK(scene.duplicates(2, 0) == 0);
  scene.check_agreement();
}

TEST_CASE("sim: a silent VM that moved without announcement is found within a second when its old host died") {
  Scene scene;
  scene.talk(2, 0, 4s);
  scene.talk(0, 2, 500ms);
  scene.world.run_for(500ms);

  scene.world.migrate(0, 1, /*announce=*/false);
  scene.world.host(0).kill();
  scene.world.run_for(kDowntime + 800ms);
  CHECK(scene.since_heard(2, 0) < 15ms);

  scene.world.run_for(4s);
  scene.check_agreement();
}

TEST_CASE("sim: a VM that only listens, or is switched off, costs few questions and no search that finds it") {
  Scene scene;
  scene.talk(2, 0, 10s);
  scene.world.run_for(10s);
  const auto searches = [&](std::size_t host) {
    for (const auto& [name, value] : scene.world.host(host).node().status().counters) {
      if (name == "searches") return value;
    }
    return ~std::uint64_t{0};
  };
  CHECK(searches(0) == 0);  // it answers when it is asked
  CHECK(searches(2) == 0);  // and so does its host

  // Its port stays, it says nothing any more.
  const MacAddress mac = scene.world.vm(0).mac();
  scene.world.vm(0).unplug();
  const Bridge::Port port = scene.world.host(0).bridge().add_port([](const Bytes&) {});
  scene.world.host(0).bridge().input(port, make_gratuitous_arp({mac, scene.world.vm(0).ip()}));
  scene.talk(2, 0, 60s);
  scene.world.run_for(60s);
  CHECK(searches(0) > 5);
  CHECK(searches(0) < 20);
  CHECK(searches(2) < 3);
}

TEST_CASE("sim: a VM that is resumed at the source after the target announced it ends up at the source") {
  Scene scene;
  scene.world.run_for(1s);
  // The target's hypervisor announces, then the migration fails and the source resumes the guest.
  scene.world.vm(0).unplug();
  scene.world.run_for(kDowntime);
  SimVm ghost{scene.world.time(), scene.world.vm(0).mac(), scene.world.vm(0).ip()};
  ghost.plug(scene.world.host(1).bridge());
  ghost.announce_arrival();
  scene.world.run_for(900ms);
  ghost.unplug();
  scene.world.vm(0).plug(scene.world.host(0).bridge());

  scene.talk(0, 2, 1s);
  scene.world.run_for(3s);

  CHECK(scene.lost(0, 2) < 50);
  scene.check_agreement();
}

TEST_CASE("sim: A to B to A and A to B to C within a second end where the VM is") {
  Scene scene;
  scene.world.migrate(0, 1);
  scene.world.run_for(300ms);
  scene.world.migrate(0, 0);
  scene.world.migrate(1, 2);
  scene.world.run_for(300ms);
  scene.world.migrate(1, 3);
  scene.world.run_for(5s);

  scene.check_agreement();
}

TEST_CASE("sim: a move during a partition is known on both sides after it healed") {
  Scene scene;
  for (const std::size_t a : {0U, 1U}) {
    for (const std::size_t b : {2U, 3U}) {
      scene.world.underlay().cut(scene.world.host(a).endpoint(), scene.world.host(b).endpoint());
    }
  }
  scene.world.run_for(60s);
  scene.world.migrate(0, 1);
  scene.world.run_for(60s);
  scene.world.underlay().heal_all();
  scene.world.run_for(60s);

  scene.check_agreement();
}

TEST_CASE("sim: who claims a VM with an address that it shows, cut off from all that know another one, hears of it") {
  Scene scene;
  World& world = scene.world;
  SimVm& moving = world.vm(0);
  world.split({false, true, false, false});
  world.host(1).kill();
  world.run_for(1s);
  world.host(1).start();
  world.migrate(0, 1);
  world.run_for(1s);
  moving.take_address(*parse_ip("10.77.9.9"));
  world.run_for(30s);  // its old host has withdrawn it meanwhile
  const Claim* claim = world.host(1).node().known_claim(VmAddress{moving.mac()});
  REQUIRE(claim != nullptr);
  CHECK(claim->ips.size() == 1);
  world.heal();
  world.run_for(30s);

  scene.check_agreement();
  claim = world.host(2).node().known_claim(VmAddress{moving.mac()});
  REQUIRE(claim != nullptr);
  CHECK(claim->ips.size() == 2);
}

TEST_CASE("sim: hosts that lost each other meet again, though each knows the other only from being called by it") {
  // A host that starts is called by the others, which miss it, before it has found them in the location service.
  for (const std::uint64_t seed : {15U, 113U, 250U}) {  // of 300 those in which it matters
    CAPTURE(seed);
    WorldOptions options;
    options.hosts = 5;
    options.vms = 3;
    options.seed = seed;
    options.quality.loss = 0.14;
    options.location = LocationKind::OpenDht;
    World world{options};
    world.boot();
    for (const std::size_t host : {0U, 1U, 2U, 3U, 4U}) {
      world.host(host).kill();
      world.run_for(20s);  // they have not given it up
      world.host(host).start();
      world.run_for(30s);
    }
    world.split({false, true, false, true, false});
    world.run_for(60s);
    world.heal();
    world.run_for(60s);

    for (std::size_t host = 0; host < world.hosts(); ++host) {
      CAPTURE(host);
      CHECK(world.host(host).node().peers().size() == 4);
    }
  }
}

TEST_CASE("sim: two hosts that see a VM in one millisecond do not claim it with one sequence") {
  Scene scene;
  World& world = scene.world;
  const MacAddress& mac = world.vm(0).mac();
  std::vector<std::uint64_t> sequences;
  for (const std::size_t host : {1U, 2U}) {
    const Bridge::Port port = world.host(host).bridge().add_port([](const Bytes&) {});
    world.host(host).bridge().input(port, make_rarp_announce(mac));
    sequences.push_back(world.host(host).node().known_claim(VmAddress{mac})->sequence);
  }

  CHECK(sequences[0] != sequences[1]);
  CHECK((sequences[0] >> 16) == (sequences[1] >> 16));
}

TEST_CASE("sim: a host that is killed and started again is back in service without any action elsewhere") {
  Scene scene;
  scene.world.host(0).kill();
  scene.world.run_for(5s);
  scene.world.host(0).start();
  scene.world.run_for(2s);

  scene.talk(2, 0, 1s);
  scene.world.vm(0).announce_address();
  scene.world.run_for(3s);

  CHECK(scene.lost(2, 0) <= 1);
  scene.check_agreement();
}

TEST_CASE("sim: a host that is killed and started again keeps the addresses that its VM does not show at once") {
  Scene scene;
  const IpAddress second = *parse_ip("fd77::99");
  REQUIRE(scene.world.host(0).node().claim(scene.world.time().now(), scene.world.vm(0).mac(),
                                           {scene.world.vm(0).ip(), second}));
  scene.world.run_for(2s);
  scene.world.host(0).kill();
  scene.world.run_for(5s);
  scene.world.host(0).start();
  scene.talk(0, 2, 1s);  // shows the first address only
  scene.world.run_for(3s);

  bool answered = false;
  scene.world.host(2).lookup(VmAddress{second}, false, [&](const LookupResult& result) {
    answered = true;
    REQUIRE_FALSE(result.error);
    CHECK(result.answers.at(0).claim.mac == scene.world.vm(0).mac());
    CHECK(result.answers.at(0).claim.ips.size() == 2);
  });
  scene.world.run_for(10s);
  CHECK(answered);
  scene.check_agreement();
}

TEST_CASE("sim: every clock may be off by an hour in either direction") {
  WorldOptions options;
  options.hosts = 4;
  options.vms = 4;
  options.location = LocationKind::OpenDht;
  World world{options};
  world.host(1).set_clock_skew(-1h);
  world.host(2).set_clock_skew(1h);
  world.boot();

  world.migrate(2, 1);  // from the clock that is ahead to the one that is behind
  world.migrate(1, 3);
  world.run_for(5s);
  world.migrate(2, 3);
  world.run_for(5s);

  for (const std::string& problem : world.find_disagreements()) FAIL_CHECK(problem);
}

TEST_CASE("sim: two VMs with one MAC cannot flood the network with claims") {
  Scene scene;
  SimVm clone{scene.world.time(), scene.world.vm(0).mac(), scene.world.vm(0).ip()};
  clone.plug(scene.world.host(1).bridge());
  const std::uint64_t before = scene.world.underlay().sent();
  const TimePoint end = scene.world.time().steady() + 60s;
  for (TimePoint at = scene.world.time().steady(); at < end; at += 5ms) {
    scene.world.time().at(at, [&] {
      clone.send(scene.world.vm(2).ip());
      scene.world.vm(0).send(scene.world.vm(2).ip());
    });
  }
  scene.world.run_for(60s);

  std::uint64_t published = 0;
  for (const std::size_t host : {0U, 1U}) {
    for (const auto& [name, value] : scene.world.host(host).node().status().counters) {
      if (name == "claims_published") published += value;
    }
  }
  CHECK(published < 250);  // at most two a second from either side, after the delays have grown
  CHECK(scene.world.underlay().sent() - before < 60'000);
  clone.unplug();
}

TEST_CASE("sim: an orderly shutdown withdraws the VMs' claims everywhere") {
  Scene scene;
  scene.world.host(0).shut_down();
  scene.world.run_for(5s);

  bool answered = false;
  scene.world.host(2).lookup(VmAddress{scene.world.vm(0).ip()}, false, [&](const LookupResult& result) {
    answered = true;
    CHECK(result.error == Error::Unknown);
  });
  scene.world.run_for(10s);
  CHECK(answered);
}

TEST_CASE("sim: a VM that goes on talking while its host says goodbye is not claimed again") {
  Scene scene;
  scene.world.host(0).say_goodbye();
  for (int i = 0; i < 30; ++i) {
    scene.world.vm(0).send(scene.world.vm(2).ip());
    scene.world.vm(0).announce_address();
    scene.world.run_for(10ms);
  }
  scene.world.host(0).kill();
  scene.world.run_for(5s);

  bool answered = false;
  scene.world.host(2).lookup(VmAddress{scene.world.vm(0).ip()}, false, [&](const LookupResult& result) {
    answered = true;
    CHECK(result.error == Error::Unknown);
  });
  scene.world.run_for(10s);
  CHECK(answered);
}

TEST_CASE("sim: who was cut off during a move hears of it when the cut heals, though nobody sends anything") {
  for (const Duration cut : {Duration{1s}, Duration{5s}, Duration{12s}, Duration{20s}}) {
    CAPTURE(cut.count());
    Scene scene;
    scene.talk(2, 0, 1s);
    scene.world.run_for(2s);
    const auto cut_off = scene.world.host(2).endpoint();
    for (const std::size_t other : {0U, 1U, 3U})
      scene.world.underlay().cut(scene.world.host(other).endpoint(), cut_off);
    scene.world.migrate(0, 1);
    scene.world.run_for(cut);
    scene.world.underlay().heal_all();
    scene.world.run_for(kHealTime);

    scene.check_agreement();
  }
}

TEST_CASE("sim: who was cut off during a move hears of it, though most of what is repeated to it afterwards is lost") {
  Scene scene;
  World& world = scene.world;
  const TimePoint start = world.time().steady();
  const auto set_cut = [&world](bool cut) {
    const auto& from = world.host(1).endpoint();
    const auto& to = world.host(2).endpoint();
    cut ? world.underlay().cut(from, to) : world.underlay().heal(from, to);
  };
  set_cut(true);
  world.migrate(0, 1);
  world.time().run_until(start + 18s);
  // From here on the two hear each other again before either counts as down, and only repetitions fall into cuts. The
  // last of the short waits is over 7.9 s after the claim, the next ones are 5 s each.
  for (Duration repetition = 22'860ms; repetition < 60s; repetition += 5s) {
    set_cut(false);
    world.time().run_until(start + kDowntime + repetition - 500ms);
    set_cut(true);
    world.time().run_until(start + kDowntime + repetition + 500ms);
  }
  CHECK(scene.believed_place(2, 0) == 0);

  set_cut(false);
  world.run_for(5s);

  CHECK(scene.believed_place(2, 0) == 1);
  CHECK(scene.count_downs(2) == 0);
}

TEST_CASE("sim: nothing is repeated to a peer that has left, though a frame of its was still to be answered") {
  Scene scene;
  World& world = scene.world;
  world.migrate(0, 1);
  world.run_for(1s);
  world.host(3).kill();
  world.run_for(1min);
  REQUIRE(scene.count_downs(0) == 1);
  const std::uint64_t abandoned = scene.counter(0, "pushes_abandoned");

  world.host(0).node().handle_worker_event(world.time().now(),
                                           MisdirectedFrame{world.host(3).identity().id(), world.vm(0).mac()});
  world.run_for(1min);

  CHECK(scene.counter(0, "redirects_sent") == 1);
  CHECK(scene.counter(0, "pushes_abandoned") == abandoned + 1);
}

TEST_CASE("sim: a daemon that starts anew hears at once of a move while it was dead, though nobody had missed it yet") {
  Scene scene;
  World& world = scene.world;
  world.host(3).kill();
  world.run_for(1s);
  world.migrate(0, 1);
  world.run_for(13s);  // the new host has told it in vain, and would again after 5 s

  scene.start_anew(3, 1);

  CHECK(scene.believed_place(3, 0) == 1);
}

TEST_CASE("sim: a daemon that starts anew is not told of a place that the VM has left meanwhile") {
  Scene scene;
  World& world = scene.world;
  world.host(3).kill();
  world.run_for(1s);
  world.migrate(0, 1);
  world.run_for(1s);
  world.migrate(0, 2);
  world.run_for(12s);  // the one in between has told it in vain

  world.underlay().cut(world.host(3).endpoint(), world.host(2).endpoint());
  scene.start_anew(3, 1);

  CHECK(scene.believed_place(3, 0) == 2);
}

TEST_CASE("sim: a daemon that starts anew finds a VM that came while it was dead, and that says nothing") {
  Scene scene;
  scene.world.host(1).kill();
  scene.world.run_for(1s);
  scene.world.migrate(0, 1);
  scene.world.run_for(5s);
  scene.world.host(1).start();
  scene.world.run_for(20s);

  scene.check_agreement();
}

TEST_CASE("sim: a daemon that starts anew finds a VM that was claimed elsewhere for a moment, and that says nothing") {
  Scene scene;
  World& world = scene.world;
  world.cancel_migration(0, 1, /*announce=*/true, 400ms);
  world.run_for(50ms);
  world.host(0).kill();  // it has yielded, and its bridge's entry for the VM goes with its TAP
  world.run_for(8s);     // the target's host does not find the VM, and says that it is gone
  world.host(1).kill();  // it cannot say that once more
  world.run_for(1s);

  world.host(0).start();
  world.run_for(5s);

  CHECK(scene.believed_place(0, 0) == 0);
  CHECK(scene.believed_place(2, 0) == 0);
}

TEST_CASE(
    "sim: a daemon that starts anew knows the addresses of a VM that says nothing, and asks until somebody tells") {
  Scene scene;
  scene.world.host(0).kill();
  scene.world.run_for(5s);
  for (const std::size_t other : {1U, 2U, 3U}) {
    scene.world.underlay().cut(scene.world.host(0).endpoint(), scene.world.host(other).endpoint());
  }
  scene.world.host(0).start();
  scene.world.run_for(3s);
  scene.world.underlay().heal_all();
  scene.world.run_for(30s);

  scene.check_agreement();
}

TEST_CASE("sim: a VM that left and came back while its host was cut off stays, though the claim in between is newer") {
  Scene scene;
  for (const std::size_t other : {1U, 2U, 3U}) {
    scene.world.underlay().cut(scene.world.host(0).endpoint(), scene.world.host(other).endpoint());
  }
  scene.world.migrate(0, 1);
  scene.world.run_for(300ms);
  scene.world.host(1).kill();  // it cannot tell that the VM left it
  scene.world.migrate(0, 0);
  scene.world.run_for(30s);
  scene.world.underlay().heal_all();
  scene.world.run_for(20s);
  scene.world.host(1).start();
  scene.world.run_for(30s);

  scene.check_agreement();
}

TEST_CASE("sim: an address that two VMs share is where it was announced last, also after the other's host restarted") {
  Scene scene;
  const IpAddress shared = *parse_ip("10.77.9.9");
  const auto holder = [&] {
    MacAddress mac;
    scene.world.host(3).lookup(VmAddress{shared}, false, [&](const LookupResult& result) {
      if (!result.error) mac = result.answers.at(0).claim.mac;
    });
    scene.world.run_for(5s);
    return mac;
  };
  scene.world.vm(0).take_address(shared);
  scene.world.run_for(2s);
  CHECK(holder() == scene.world.vm(0).mac());
  scene.world.vm(0).give_up_address(shared);
  scene.world.vm(1).take_address(shared);
  scene.world.run_for(2s);
  CHECK(holder() == scene.world.vm(1).mac());

  // Its host claims what the VM once had; the other announces itself again, as keepalived does.
  REQUIRE(scene.world.host(0).node().claim(scene.world.time().now(), scene.world.vm(0).mac(),
                                           {scene.world.vm(0).ip(), shared}));
  scene.world.run_for(2s);
  scene.world.vm(1).take_address(shared);
  scene.world.run_for(2s);
  CHECK(holder() == scene.world.vm(1).mac());
}

TEST_CASE("sim: a VM that leaves while it is being found out what it may claim is not claimed") {
  Scene scene;
  SimVm passing{scene.world.time(), *parse_mac("02:77:00:00:99:01"), *parse_ip("10.77.99.1")};
  passing.plug(scene.world.host(1).bridge());
  passing.announce_arrival();
  scene.world.run_for(5ms);  // less than any answer takes
  passing.unplug();
  scene.world.run_for(10s);

  for (const std::size_t host : {0U, 1U, 2U, 3U}) {
    const Claim* claim = scene.world.host(host).node().known_claim(VmAddress{passing.mac()});
    CHECK_FALSE((claim != nullptr && claim->state == ClaimState::Live));
  }
}

TEST_CASE(
    "sim: a VM that was resumed where it had been, and is silent since, is found when the other host gives it up") {
  Scene scene;
  for (const std::size_t other : {0U, 2U, 3U}) {
    scene.world.underlay().cut(scene.world.host(other).endpoint(), scene.world.host(1).endpoint());
  }
  scene.world.vm(0).unplug();
  SimVm ghost{scene.world.time(), scene.world.vm(0).mac(), scene.world.vm(0).ip()};
  ghost.plug(scene.world.host(1).bridge());
  ghost.announce_arrival();
  scene.world.run_for(900ms);
  // It says its last word before the source hears of the other's claim.
  scene.world.vm(0).plug(scene.world.host(0).bridge());
  scene.world.vm(0).announce_address();
  scene.world.underlay().heal_all();
  scene.world.run_for(3s);
  ghost.unplug();
  scene.world.run_for(kHealTime);

  scene.check_agreement();
}

}  // namespace rove::sim
