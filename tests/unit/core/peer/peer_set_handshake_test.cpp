// How sessions come about: handshakes of either side, of both at once, repeated, towards many endpoints.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "core/peer/peer.h"
#include "core/peer/peer_set.h"
#include "tests/unit/core/peer/peer_lab.h"

namespace rove {
namespace {

constexpr Duration kRoundTrip = 20ms;  // the underlay's default: 10 ms each way

TEST_CASE("PeerSet: a handshake takes one round trip, and both sides know each other") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");

  a.connect(b);
  lab.run(kRoundTrip);

  CHECK(a.is_up(b));
  CHECK_FALSE(b.is_up(a));  // a's confirmation is under way
  lab.run(kRoundTrip / 2);
  REQUIRE(are_joined(lab, a, b));
  REQUIRE(a.events<PeerUp>().size() == 1);
  REQUIRE(b.events<PeerUp>().size() == 1);
  const PeerUp up = b.events<PeerUp>().front();
  CHECK(up.peer == a.id());
  CHECK(up.certificate->name() == "a");
  CHECK(up.record.record.node == a.node().key());
  CHECK_FALSE(up.observed);
  CHECK(a.events<PeerUp>().front().observed == a.endpoint());
  CHECK(a.peers().find_certificate(b.id())->name() == "b");
  CHECK(b.peers().counters().handshakes_completed == 1);
  CHECK(a.peers().counters().handshakes_started == 1);
}

TEST_CASE("PeerSet: both sides come to know where they are seen, and how the other's clock goes") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");

  a.connect(b);
  lab.run(1s);

  const auto b_of_a = a.peers().find_peer(b.id());
  const auto a_of_b = b.peers().find_peer(a.id());
  REQUIRE(b_of_a);
  REQUIRE(a_of_b);
  CHECK(b_of_a->observed == a.endpoint());
  CHECK(a_of_b->observed == b.endpoint());
  CHECK(b_of_a->rtt == kRoundTrip);
  CHECK(a_of_b->rtt == kRoundTrip);
  // Both clocks are one here; a timestamp is as old as its way.
  CHECK(b_of_a->clock_lead == -kRoundTrip / 2);
  CHECK(a_of_b->clock_lead == -kRoundTrip / 2);
  CHECK(b_of_a->pings > 0);
  CHECK(b_of_a->pongs == b_of_a->pings);
  CHECK(a_of_b->pongs == a_of_b->pings);
}

TEST_CASE("PeerSet: the responder sends nothing in the new session before the initiator did") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.on_send = [](const Endpoint&, const Bytes& datagram) { return datagram[0] == 3; };  // no confirmation

  a.connect(b);
  lab.run(500ms);

  CHECK(a.is_up(b));
  CHECK_FALSE(b.send(a, 1));
  CHECK(b.snapshot().current.empty());
  CHECK(b.snapshot().sessions.size() == 1);  // data may come already
}

TEST_CASE("PeerSet: data alone confirms a session") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.on_send = [](const Endpoint&, const Bytes& datagram) { return datagram[0] == 3; };
  a.connect(b);
  lab.run(100ms);

  b.peers().handle_session_heard(lab.now(), b.snapshot().sessions.begin()->first, a.endpoint());
  b.turn();

  CHECK(are_joined(lab, a, b));
  CHECK(b.events<PeerUp>().size() == 1);
}

TEST_CASE("PeerSet: an unconfirmed session and its peer are forgotten") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  int sealed = 0;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) { return datagram[0] == 3 && ++sealed == 1; };

  a.connect(b);
  lab.run(kConfirmTimeout + 1s);

  CHECK(b.snapshot().sessions.empty());
  CHECK(b.peers().peers().empty());
  CHECK(b.events<PeerDown>().empty());
}

TEST_CASE("PeerSet: when both open at once one session comes of it, and the lower node's init made it") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Lab lab{seed};
    lab.underlay.set_quality({10ms, 15ms, 0, 0.1});
    const auto [low, high] = lab.add_ordered_pair();
    SeededRandom random{seed};

    low->connect(*high);
    lab.run(Duration{static_cast<std::int64_t>(random.below(9'000'000))});  // within the shortest way
    high->connect(*low);
    lab.run(200ms);

    REQUIRE(are_joined(lab, *low, *high));
    CHECK(low->peers().counters().handshakes_completed == 1);
    CHECK(high->peers().counters().handshakes_completed == 1);
    CHECK(low->snapshot().sessions.size() == 1);
    CHECK(high->snapshot().sessions.size() == 1);
    CHECK(low->events<PeerUp>().size() == 1);
    CHECK(high->events<PeerUp>().size() == 1);
    lab.run(30s);
    CHECK(low->peers().counters().handshakes_started == 1);
  }
}

TEST_CASE("PeerSet: a node that tries in vain is found by the one it looks for, whoever has the lower id") {
  for (const bool low_is_lost : {true, false}) {
    Lab lab;
    const auto [low, high] = lab.add_ordered_pair();
    Host& lost = low_is_lost ? *low : *high;
    Host& other = low_is_lost ? *high : *low;
    lost.connect(other, {endpoint_of("198.51.100.1:7683")});  // nobody is there
    lab.run(3500ms);

    other.connect(lost);
    lab.run(200ms);

    CHECK(are_joined(lab, lost, other));
  }
}

TEST_CASE("PeerSet: handshakes get through a network that loses 30 %, and sessions stay up in it") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Lab lab{seed};
    lab.underlay.set_quality({10ms, 5ms, 0.3, 0});
    Host& a = lab.add_host("a");
    Host& b = lab.add_host("b");

    a.connect(b);
    if (seed % 2 == 0) b.connect(a);
    lab.run(60s);

    CHECK(are_joined(lab, a, b));
    lab.run(300s);
    CHECK(are_joined(lab, a, b));
  }
}

TEST_CASE("PeerSet: an unanswered handshake is repeated after 1 s, 2 s, then every 5 s, each with a jitter") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  b.kill();
  std::vector<TimePoint> sent;
  std::set<Bytes> messages;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    sent.push_back(lab.time.steady());
    messages.insert(datagram);
    return true;
  };

  a.connect(b);
  lab.run(60s);

  REQUIRE(sent.size() >= 12);
  CHECK(messages.size() == sent.size());
  for (std::size_t i = 1; i < sent.size(); ++i) {
    const Duration interval = i == 1 ? 1s : i == 2 ? 2s : 5s;
    CHECK(sent[i] - sent[i - 1] >= interval * 8 / 10);
    CHECK(sent[i] - sent[i - 1] <= interval * 12 / 10);
  }
}

TEST_CASE("PeerSet: the first rounds go to all endpoints, later ones to one in turn") {
  Lab lab;
  Host& a = lab.add_host("a");
  const TestNode& b = lab.network.add_node("b");
  std::vector<Endpoint> endpoints;
  for (int i = 1; i <= 10; ++i) endpoints.push_back(endpoint_of("198.51.100." + std::to_string(i) + ":7683"));
  std::map<TimePoint, std::set<Endpoint>> rounds;
  a.on_send = [&](const Endpoint& to, const Bytes&) {
    rounds[lab.time.steady()].insert(to);
    return true;
  };

  a.peers().connect(lab.now(), b.key(), endpoints);
  a.turn();
  lab.run(70s);

  std::set<Endpoint> later;
  std::size_t round = 0;
  for (const auto& [at, to] : rounds) {
    CHECK(to.size() == (round < kFullRounds ? kEndpointsMax : 1));
    if (round++ >= kFullRounds) later.insert(to.begin(), to.end());
  }
  CHECK(later.size() == kEndpointsMax);  // those above the limit are left out
}

TEST_CASE("PeerSet: a peer with several endpoints is reached by the one that works") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");

  a.connect(b, {endpoint_of("198.51.100.1:7683"), b.endpoint(), endpoint_of("[2001:db8::1]:7683")});
  lab.run(100ms);

  CHECK(are_joined(lab, a, b));
  CHECK(a.snapshot().sessions.begin()->second.endpoint == b.endpoint());
}

TEST_CASE("PeerSet: several endpoints of one host get one answer") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  const Endpoint second = endpoint_of("198.51.100.1:7683");
  lab.underlay.attach(second, [&](const Endpoint& from, const Bytes& datagram) { b.handle_datagram(from, datagram); });

  a.connect(b, {b.endpoint(), second});
  lab.run(1s);

  CHECK(are_joined(lab, a, b));
  CHECK(b.peers().counters().handshakes_repeated == 1);
  CHECK(b.peers().counters().handshakes_refused == 0);
  CHECK(b.peers().counters().handshakes_completed == 1);
}

TEST_CASE("PeerSet: new endpoints are tried without waiting") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b, {endpoint_of("198.51.100.1:7683")});
  lab.run(25s);
  const std::uint64_t started = a.peers().counters().handshakes_started;
  while (a.peers().counters().handshakes_started == started) lab.run(100ms);
  lab.run(1500ms);  // behind a round, before the next

  a.connect(b);
  lab.run(100ms);

  CHECK(are_joined(lab, a, b));
}

TEST_CASE("PeerSet: endpoints that change all the time are not tried more than once a second") {
  Lab lab;
  Host& a = lab.add_host("a");
  const TestNode& b = lab.network.add_node("b");
  std::size_t sent = 0;
  a.on_send = [&](const Endpoint&, const Bytes&) { return ++sent != 0; };

  for (int i = 0; i < 1000; ++i) {
    const std::string address = "198.51." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + ":7683";
    a.peers().connect(lab.now(), b.key(), {endpoint_of(address)});
    a.turn();
    lab.run(10ms);
  }

  CHECK(sent <= 11);
}

TEST_CASE("PeerSet: a peer that does not answer is reported, and again while it does not") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  b.kill();

  a.connect(b);
  lab.run(kConnectTimeout - 1ms);
  CHECK(a.events<PeerUnreachable>().empty());
  lab.run(1s);
  CHECK(a.events<PeerUnreachable>().size() == 1);
  lab.run(kUnreachableInterval);
  CHECK(a.events<PeerUnreachable>().size() == 2);

  b.start();
  lab.run(10s);
  CHECK(are_joined(lab, a, b));
  lab.run(kUnreachableInterval);
  CHECK(a.events<PeerUnreachable>().size() == 2);
}

TEST_CASE("PeerSet: nobody connects to itself") {
  Lab lab;
  Host& a = lab.add_host("a");

  a.connect(a);
  lab.run(20s);

  CHECK(a.peers().peers().empty());
  CHECK(a.peers().counters().handshakes_started == 0);
}

TEST_CASE("PeerSet: no more than kPeersMax peers, and who is refused is reported") {
  Lab lab;
  Host& a = lab.add_host("a");
  SeededRandom random{5};
  for (std::size_t i = 0; i < kPeersMax; ++i) {
    a.peers().connect(lab.now(), node_key_of(SigningSeed::generate(random)), {});
  }
  a.turn();
  REQUIRE(a.events<PeerUnreachable>().empty());

  a.peers().connect(lab.now(), node_key_of(SigningSeed::generate(random)), {});
  Host& b = lab.add_host("b");
  b.connect(a);
  lab.run(1s);

  CHECK(a.events<PeerUnreachable>().size() == 1);
  CHECK(a.peers().peers().size() == kPeersMax);
  CHECK_FALSE(a.is_up(b));
  CHECK(a.peers().counters().handshakes_limited == 1);
}

TEST_CASE("PeerSet: the same seed gives the same datagrams") {
  const auto run = [] {
    Lab lab{9};
    lab.underlay.set_quality({10ms, 5ms, 0.2, 0.1});
    Bytes all;
    std::vector<Host*> hosts;
    for (const char* name : {"a", "b", "c", "d"}) hosts.push_back(&lab.add_host(name));
    for (Host* host : hosts) {
      host->on_send = [&all](const Endpoint&, const Bytes& datagram) {
        all.insert(all.end(), datagram.begin(), datagram.end());
        return true;
      };
    }
    for (Host* from : hosts) {
      for (Host* to : hosts) from->connect(*to);
    }
    lab.run(200s);
    return blake2b<16>({all});
  };

  CHECK(run() == run());
}

}  // namespace
}  // namespace rove
