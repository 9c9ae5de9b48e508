// What operators ask a node: pings, what is known of a member, the steps of a lookup. 10 ms between hosts.
#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>

#include "tests/sim/world.h"

namespace rove::sim {
namespace {

using namespace std::chrono_literals;

struct Scene {
  explicit Scene(std::size_t hosts = 3)
      : world([&] {
          WorldOptions options;
          options.hosts = hosts;
          options.vms = hosts;
          return options;
        }()) {
    world.boot();
  }

  // Asks, and lets so much time pass, in which the result must come.
  [[nodiscard]] std::vector<PingResult> ping(std::size_t from, const NodeId& node, Duration patience, Duration time) {
    std::vector<PingResult> results;
    world.host(from).ping(node, patience, [&results](const PingResult& result) { results.push_back(result); });
    world.run_for(time);
    return results;
  }
  [[nodiscard]] std::optional<LookupResult> lookup(std::size_t from, const VmAddress& address, bool refresh) {
    std::optional<LookupResult> found;
    world.host(from).lookup(address, refresh, [&found](const LookupResult& result) { found = result; });
    world.run_for(8s);
    return found;
  }
  [[nodiscard]] const NodeId& id(std::size_t host) { return world.host(host).identity().id(); }

  World world;
};

bool has_step(const LookupResult& result, LookupStep::Kind kind, const std::string& from, const std::string& verdict) {
  return std::any_of(result.steps.begin(), result.steps.end(), [&](const LookupStep& step) {
    return step.kind == kind && step.from == from && step.verdict.find(verdict) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("ping: a connected member answers within a round trip, and says where it sees us") {
  Scene scene;

  const auto results = scene.ping(0, scene.id(1), 1s, 100ms);

  REQUIRE(results.size() == 1);
  CHECK_FALSE(results[0].error);
  CHECK(results[0].rtt >= 20ms);
  CHECK(results[0].rtt < 25ms);
  CHECK(results[0].endpoint == scene.world.host(1).endpoint());
  CHECK(results[0].observed == scene.world.host(0).endpoint());
}

TEST_CASE("ping: several at one moment are one question, and each gets its answer") {
  Scene scene;
  std::size_t answered = 0;
  for (int i = 0; i < 3; ++i) {
    scene.world.host(0).ping(scene.id(1), 1s,
                             [&answered](const PingResult& result) { answered += result.error ? 0 : 1; });
  }
  scene.world.run_for(100ms);

  CHECK(answered == 3);
}

TEST_CASE("ping: who is cut off does not answer, and that is said when the time is over") {
  Scene scene;
  scene.world.underlay().cut(scene.world.host(0).endpoint(), scene.world.host(1).endpoint());

  std::vector<PingResult> results;
  scene.world.host(0).ping(scene.id(1), 500ms, [&results](const PingResult& result) { results.push_back(result); });
  scene.world.run_for(499ms);
  CHECK(results.empty());
  scene.world.run_for(2ms);

  REQUIRE(results.size() == 1);
  CHECK(results[0].error == make_error_code(Error::Unknown));
}

TEST_CASE("ping: a member without a session gets one first; where none comes up that is the answer") {
  Scene scene;
  scene.world.host(1).shut_down();
  scene.world.run_for(2s);

  auto results = scene.ping(0, scene.id(1), 1s, 2s);
  REQUIRE(results.size() == 1);
  CHECK(results[0].error == make_error_code(Error::Unavailable));

  // It comes back while somebody waits.
  results.clear();
  scene.world.host(0).ping(scene.id(1), 20s, [&results](const PingResult& result) { results.push_back(result); });
  scene.world.run_for(100ms);
  CHECK(results.empty());
  scene.world.host(1).start();
  scene.world.run_for(15s);
  REQUIRE(results.size() == 1);
  CHECK_FALSE(results[0].error);
}

TEST_CASE("ping: more at a time than the limit, or within a second, are refused") {
  Scene scene;
  std::size_t answered = 0;
  std::size_t limited = 0;
  for (int i = 0; i < 200; ++i) {
    scene.world.host(0).ping(scene.id(1), 1s, [&](const PingResult& result) {
      ++(result.error == make_error_code(Error::LimitReached) ? limited : answered);
    });
    scene.world.run_for(1ms);
  }
  scene.world.run_for(2s);

  CHECK(answered + limited == 200);
  CHECK(answered >= 100);
  CHECK(answered <= 130);
}

TEST_CASE("member: what is known of another node, of this one and of nobody") {
  Scene scene;
  const MemberName* named = nullptr;
  const std::vector<MemberName> members = scene.world.host(0).node().members();
  for (const MemberName& member : members) named = member.id == scene.id(1) ? &member : named;
  REQUIRE(named != nullptr);
  CHECK(members.size() == 3);
  CHECK(named->up);

  const auto other = scene.world.host(0).node().member(scene.id(1));
  REQUIRE(other);
  CHECK_FALSE(other->is_self);
  REQUIRE(other->certificate != nullptr);
  CHECK(other->certificate->name() == named->name);
  CHECK(other->endpoints == std::vector{scene.world.host(1).endpoint()});
  REQUIRE(other->peer);
  CHECK(other->peer->up);
  CHECK(other->peer->heard);
  CHECK(other->peer->mtu == 1400);
  CHECK(other->peer->session_since);
  REQUIRE(other->vms.size() == 1);
  CHECK(other->vms[0].mac == scene.world.vm(1).mac());

  const auto self = scene.world.host(0).node().member(scene.id(0));
  REQUIRE(self);
  CHECK(self->is_self);
  CHECK_FALSE(self->peer);
  REQUIRE(self->vms.size() == 1);
  CHECK(self->vms[0].mac == scene.world.vm(0).mac());

  CHECK_FALSE(scene.world.host(0).node().member(NodeId{}));
}

TEST_CASE("traffic: what two VMs say to each other is counted at both hosts, by peer") {
  Scene scene;
  const auto before = scene.world.host(0).node().member(scene.id(1))->peer->traffic;
  for (int i = 0; i < 10; ++i) {
    scene.world.vm(0).send(scene.world.vm(1).ip());
    scene.world.run_for(20ms);
  }
  scene.world.run_for(1s);

  const auto sent = scene.world.host(0).node().member(scene.id(1))->peer->traffic;
  const auto received = scene.world.host(1).node().member(scene.id(0))->peer->traffic;
  CHECK(sent.frames_out - before.frames_out >= 9);
  CHECK(sent.octets_out > before.octets_out + 9 * 60);
  CHECK(received.frames_in == sent.frames_out);
  CHECK(received.octets_in == sent.octets_out);
  CHECK(received.drops_in == 0);
}

TEST_CASE("lookup: what the cache answers is told, with the session that vouches for it") {
  Scene scene;

  const auto found = scene.lookup(0, VmAddress{scene.world.vm(1).ip()}, false);

  REQUIRE(found);
  REQUIRE(found->steps.size() == 3);
  CHECK(found->steps[0].kind == LookupStep::Kind::Cache);
  CHECK(found->steps[0].sequence == found->answers.front().claim.sequence);
  CHECK(found->steps[1].kind == LookupStep::Kind::Session);
  CHECK(found->steps[1].from == found->answers.front().owner_name);
  CHECK(found->steps[2].kind == LookupStep::Kind::Decided);
  CHECK(found->steps[2].node == found->answers.front().owner_name);
  CHECK(found->why == "it is the only claim");
}

TEST_CASE("lookup: each answer of the network is told, with its time and what became of it") {
  Scene scene;

  const auto found = scene.lookup(0, VmAddress{scene.world.vm(1).ip()}, true);

  REQUIRE(found);
  CHECK(has_step(*found, LookupStep::Kind::Asked, "dht", "other nodes that answer: "));
  CHECK(has_step(*found, LookupStep::Kind::Answer, "dht", "known already"));
  CHECK(has_step(*found, LookupStep::Kind::Done, "dht", "no more answers"));
  CHECK(found->steps.back().kind == LookupStep::Kind::Decided);
  CHECK(std::is_sorted(found->steps.begin(), found->steps.end(),
                       [](const LookupStep& a, const LookupStep& b) { return a.at < b.at; }));
  const auto answer = std::find_if(found->steps.begin(), found->steps.end(),
                                   [](const LookupStep& step) { return step.kind == LookupStep::Kind::Answer; });
  CHECK(answer->verified == true);
  CHECK(answer->sequence == found->answers.front().claim.sequence);
  CHECK(found->steps_left_out == 0);
}

TEST_CASE("lookup: of an address that nobody claims the steps say how that was found out") {
  Scene scene;

  const auto found = scene.lookup(0, VmAddress{ip_of("10.77.99.99")}, false);

  REQUIRE(found);
  CHECK(found->error == make_error_code(Error::Unknown));
  CHECK(found->why == "nobody claims it");
  CHECK(has_step(*found, LookupStep::Kind::Cache, "cache", "nothing is known"));
  CHECK(has_step(*found, LookupStep::Kind::Session, "cache", "connected: 2"));
  CHECK(has_step(*found, LookupStep::Kind::Done, "dht", "no more answers"));
}

TEST_CASE("lookup: after a move the winner is told to have the higher sequence") {
  Scene scene;
  scene.world.migrate(0, 1);
  scene.world.run_for(1s);

  const auto found = scene.lookup(2, VmAddress{scene.world.vm(0).mac()}, true);

  REQUIRE(found);
  REQUIRE(found->answers.size() == 2);
  CHECK(found->why == "its sequence is higher than that of " + found->answers[1].owner_name + "'s claim");
}

}  // namespace rove::sim
