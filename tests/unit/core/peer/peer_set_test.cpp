// Life of sessions: establish, renew, roam, restart, part.
#include "core/peer/peer_set.h"

#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "core/peer/peer.h"
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

TEST_CASE("PeerSet: messages of one turn share a datagram, up to its limit, and keep their order") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  std::vector<std::size_t> sizes;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    sizes.push_back(datagram.size());
    return true;
  };

  for (std::uint8_t i = 0; i < 200; ++i) {
    REQUIRE(a.peers().send(lab.now(), b.id(), ClaimRequestMessage{VmAddress{MacAddress{{2, 0, 0, 0, 0, i}}}}));
  }
  a.turn();
  lab.run(1s);

  CHECK(sizes.size() == 2);  // of 200 × 10 octets
  CHECK(*std::max_element(sizes.begin(), sizes.end()) <= kControlPlaintextMax + kDataOverhead);
  std::vector<std::uint32_t> expected(200);
  std::iota(expected.begin(), expected.end(), 0U);
  CHECK(b.received() == expected);
}

TEST_CASE("PeerSet: a message that no datagram can hold is refused") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);

  CHECK_FALSE(a.peers().send(lab.now(), b.id(), CertificateMessage{Bytes(kControlPlaintextMax)}));
  CHECK(a.peers().send(lab.now(), b.id(), CertificateMessage{Bytes(1000)}));
  CHECK_FALSE(a.peers().send(lab.now(), a.id(), PingMessage{}));
}

TEST_CASE("PeerSet: the round-trip time is measured") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");

  a.connect(b);
  lab.run(1s);

  const auto info = a.peers().find_peer(b.id());
  REQUIRE(info);
  CHECK(info->rtt == kRoundTrip);
  CHECK(info->name == "b");
  CHECK(info->endpoint == b.endpoint());
  CHECK(info->algorithm == "chacha20-poly1305");
  CHECK(info->handshakes == 1);
}

TEST_CASE("PeerSet: idle sessions are kept alive by few datagrams") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  const std::uint64_t before = lab.underlay.sent();

  lab.run(100s);

  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerDown>().empty());
  CHECK(lab.underlay.sent() - before <= 2 * 11);
  CHECK(lab.underlay.sent() - before >= 2 * 9);
}

TEST_CASE("PeerSet: renewals lose no message, reorder as the network may") {
  Lab lab;
  lab.underlay.set_quality({10ms, 8ms, 0, 0.05});
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  std::set<SessionIndex> sessions;

  std::uint32_t sent = 0;
  for (; sent < 6000; ++sent) {
    REQUIRE(a.send(b, sent));
    REQUIRE(b.send(a, sent));
    lab.run(100ms);
    REQUIRE(are_joined(lab, a, b));
    sessions.insert(a.snapshot().current.begin()->second);
  }
  lab.run(1s);

  for (const Host* host : {&a, &b}) {
    std::vector<std::uint32_t> received = host->received();
    REQUIRE(received.size() == sent);
    std::sort(received.begin(), received.end());
    for (std::uint32_t i = 0; i < sent; ++i) REQUIRE(received[i] == i);
    CHECK(host->events<PeerUp>().size() == 1);
    CHECK(host->events<PeerDown>().empty());
    CHECK(host->snapshot().sessions.size() <= 2);
  }
  CHECK(sessions.size() == 5);  // at 0, 120, 240, 360 and 480 s, with the jitter
}

TEST_CASE("PeerSet: a session is renewed after 120 s by its initiator, and before that by nobody") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);

  lab.run(119s);
  CHECK(a.peers().counters().handshakes_started == 1);
  lab.run(8s);

  CHECK(a.peers().counters().handshakes_started == 2);
  CHECK(a.peers().counters().handshakes_completed == 2);
  CHECK(b.peers().counters().handshakes_started == 0);
}

TEST_CASE("PeerSet: when the initiator does not renew, the responder does") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    return datagram[0] != 3 || a.peers().counters().handshakes_started == 1 || datagram.size() < 100 ||
           lab.now().steady.time_since_epoch() > 1150s;
  };

  lab.run(170s);

  CHECK(b.peers().counters().handshakes_started > 0);
  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerDown>().empty());
}

TEST_CASE("PeerSet: a session that is not renewed ends at 180 s") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  for (Host* host : {&a, &b}) host->on_send = [](const Endpoint&, const Bytes& datagram) { return datagram[0] != 3; };

  lab.run(178s);
  CHECK(are_joined(lab, a, b));
  lab.run(2s);

  CHECK_FALSE(a.is_up(b));
  CHECK_FALSE(b.is_up(a));
  CHECK(a.snapshot().sessions.empty());
  CHECK(b.snapshot().sessions.empty());
  CHECK(a.events<PeerDown>().size() == 1);
}

TEST_CASE("PeerSet: a worn session is renewed at once") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  const SessionIndex worn = b.snapshot().current.at(a.id());

  b.peers().handle_session_worn(lab.now(), worn);
  b.turn();
  lab.run(1s);

  CHECK(are_joined(lab, a, b));
  CHECK(b.snapshot().current.at(a.id()) != worn);
  CHECK(b.snapshot().sessions.size() == 2);  // the worn one still opens what is under way
  CHECK(a.events<PeerUp>().size() == 1);
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

TEST_CASE("PeerSet: a restarted peer that calls gets a session that works both ways at once") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(50s);
  REQUIRE(are_joined(lab, a, b));
  const SessionIndex old = a.snapshot().current.at(b.id());

  b.kill();
  lab.run(300ms);
  b.start();
  b.connect(a);
  lab.run(kRoundTrip + kRoundTrip / 2);

  REQUIRE(are_joined(lab, a, b));
  CHECK(a.snapshot().current.at(b.id()) != old);
  CHECK(b.snapshot().sessions.size() == 1);
  CHECK(a.send(b, 1));
  CHECK(b.send(a, 2));
  lab.run(kRoundTrip);
  CHECK(b.received() == std::vector<std::uint32_t>{1});
  CHECK(a.received() == std::vector<std::uint32_t>{2});
  CHECK(a.events<PeerUp>().size() == 2);  // b has lost what it was told
  CHECK(a.events<PeerDown>().empty());
}

TEST_CASE("PeerSet: a restarted peer that does not call is found again within the time of silence") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(50s);

  b.kill();
  b.start();
  lab.run(kPeerSilence + 2 * kRoundTrip);

  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerUp>().size() == 2);
  CHECK(a.events<PeerDown>().empty());
}

TEST_CASE("PeerSet: both sides restarted and calling, in either order of ids, end with one session") {
  for (const bool low_first : {true, false}) {
    Lab lab;
    const auto [low, high] = lab.add_ordered_pair();
    low->connect(*high);
    lab.run(115s);
    Host& first = low_first ? *low : *high;
    Host& second = low_first ? *high : *low;

    first.kill();
    first.start();
    first.connect(second);
    lab.run(5ms);
    second.kill();
    second.start();
    second.connect(first);
    lab.run(3s);

    CHECK(are_joined(lab, *low, *high));
    CHECK(low->snapshot().sessions.size() == 1);
    CHECK(high->snapshot().sessions.size() == 1);
  }
}

TEST_CASE("PeerSet: a restart in the middle of a renewal is noticed") {
  for (const bool low_restarts : {true, false}) {
    CAPTURE(low_restarts);
    Lab lab;
    const auto [low, high] = lab.add_ordered_pair();
    Host& restarting = low_restarts ? *low : *high;
    Host& staying = low_restarts ? *high : *low;
    staying.connect(restarting);
    lab.run(100s);
    restarting.kill();
    staying.peers().handle_session_worn(lab.now(), staying.snapshot().current.at(restarting.id()));
    staying.turn();
    lab.run(15ms);  // that init is lost

    restarting.start();
    restarting.connect(staying);
    lab.run(100ms);

    CHECK(are_joined(lab, staying, restarting));
    CHECK(staying.events<PeerUp>().size() == 2);
  }
}

TEST_CASE("PeerSet: a dead peer is down after 25 s, and one that nobody asked for is forgotten") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  Host& c = lab.add_host("c");
  a.connect(b);
  b.connect(c);
  lab.run(1s);
  b.send(a, 1);
  b.send(c, 1);
  lab.run(kRoundTrip);  // the last that they hear, but for pongs

  b.kill();
  lab.run(kPeerTimeout - 3s);
  CHECK(a.is_up(b));
  lab.run(3s);

  REQUIRE(a.events<PeerDown>().size() == 1);
  CHECK_FALSE(a.events<PeerDown>().front().closed);
  CHECK(a.snapshot().sessions.empty());
  CHECK(a.peers().find_peer(b.id()));
  CHECK(a.peers().find_certificate(b.id()) != nullptr);
  REQUIRE(c.events<PeerDown>().size() == 1);
  CHECK_FALSE(c.peers().find_peer(b.id()));
  CHECK_FALSE(c.peers().poll_timeout());
  b.start();
  lab.run(7s);
  CHECK(are_joined(lab, a, b));
}

TEST_CASE("PeerSet: an outage shorter than the time-out goes unnoticed, a longer one heals by itself") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(30s);

  lab.underlay.cut(a.endpoint(), b.endpoint());
  lab.run(12s);
  lab.underlay.heal_all();
  lab.run(10s);
  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerUp>().size() == 1);

  lab.underlay.cut(a.endpoint(), b.endpoint());
  lab.run(60s);
  CHECK_FALSE(a.is_up(b));
  lab.underlay.heal_all();
  lab.run(7s);
  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerUp>().size() == 2);
  CHECK(b.events<PeerUp>().size() == 2);
}

TEST_CASE("PeerSet: after an outage that a handshake ended the peer is told of anew") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(30s);
  a.send(b, 1);
  b.send(a, 1);
  lab.run(kRoundTrip);

  lab.underlay.cut(a.endpoint(), b.endpoint());
  lab.run(kPeerSilence + 2s);
  lab.underlay.heal_all();
  lab.run(10s);

  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerDown>().empty());
  CHECK(b.events<PeerDown>().empty());
  CHECK(a.events<PeerUp>().size() == 2);
  CHECK(b.events<PeerUp>().size() == 2);
}

TEST_CASE("PeerSet: a session follows its peer to a new address, by control and by data") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  static_cast<void>(b.peers().take_sessions_changed());  // start from a clean slate

  a.move_to(endpoint_of("203.0.113.9:4000"));
  a.send(b, 1);
  lab.run(kRoundTrip);
  CHECK(b.peers().take_sessions_changed());
  CHECK(b.peers().find_peer(a.id())->endpoint == a.endpoint());
  CHECK(b.snapshot().sessions.begin()->second.endpoint == a.endpoint());
  b.send(a, 2);
  lab.run(kRoundTrip);
  CHECK(a.received() == std::vector<std::uint32_t>{2});

  a.move_to(endpoint_of("203.0.113.10:4000"));
  b.peers().handle_session_heard(lab.now(), b.snapshot().current.at(a.id()), a.endpoint());
  b.turn();
  b.send(a, 3);
  lab.run(kRoundTrip);
  CHECK(a.received() == std::vector<std::uint32_t>{2, 3});
}

TEST_CASE("PeerSet: a datagram that comes late does not turn the session back to its old address") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  const Endpoint old = a.endpoint();
  Bytes late;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    late = datagram;
    return false;
  };
  a.send(b, 1);
  a.on_send = nullptr;
  a.move_to(endpoint_of("203.0.113.9:4000"));
  a.send(b, 2);
  lab.run(kRoundTrip);

  b.handle_datagram(old, late);

  CHECK(b.received() == std::vector<std::uint32_t>{2, 1});
  CHECK(b.peers().find_peer(a.id())->endpoint == a.endpoint());
}

TEST_CASE("PeerSet: who says goodbye is down at once, and is called again while it is wanted") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);

  b.disconnect(a);
  CHECK(b.peers().peers().empty());
  CHECK(b.snapshot().sessions.empty());
  lab.run(kRoundTrip);

  REQUIRE(a.events<PeerDown>().size() == 1);
  CHECK(a.events<PeerDown>().front().closed);
  CHECK_FALSE(a.is_up(b));
  CHECK_FALSE(a.send(b, 1));
  lab.run(7s);
  CHECK(are_joined(lab, a, b));
}

TEST_CASE("PeerSet: shutting down says goodbye to all") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  Host& c = lab.add_host("c");
  b.connect(a);
  a.connect(c);
  lab.run(1s);

  a.peers().disconnect_all(lab.now(), CloseReason::GoingDown);
  a.turn();
  a.forget_events();
  lab.underlay.cut(a.endpoint(), b.endpoint());  // after the goodbye, which is under way
  lab.run(kRoundTrip);

  CHECK(a.peers().peers().empty());
  CHECK_FALSE(a.peers().poll_timeout());
  CHECK(b.events<PeerDown>().size() == 1);
  CHECK(c.events<PeerDown>().size() == 1);
  CHECK(c.peers().peers().empty());
}

TEST_CASE("PeerSet: what was queued before a goodbye arrives before it") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);

  REQUIRE(a.peers().send(lab.now(), b.id(), ClaimRequestMessage{VmAddress{MacAddress{{2, 0, 0, 0, 0, 9}}}}));
  a.disconnect(b);
  lab.run(kRoundTrip);

  CHECK(b.received() == std::vector<std::uint32_t>{9});
  CHECK(b.events<PeerDown>().size() == 1);
}

TEST_CASE("PeerSet: a goodbye in a session that was replaced ends that one alone") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  Bytes goodbye;
  b.on_send = [&](const Endpoint&, const Bytes& datagram) {
    goodbye = datagram;
    return false;
  };
  b.disconnect(a);
  b.on_send = nullptr;
  b.connect(a);
  lab.run(1s);
  REQUIRE(are_joined(lab, a, b));

  a.handle_datagram(b.endpoint(), goodbye);

  CHECK(are_joined(lab, a, b));
  CHECK(a.events<PeerDown>().empty());
  CHECK(a.snapshot().sessions.size() == 1);
}

TEST_CASE("PeerSet: sessions are told apart by serials that are never used twice") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  std::set<std::uint64_t> serials;

  for (int i = 0; i < 5; ++i) {
    a.connect(b);
    lab.run(1s);
    REQUIRE(are_joined(lab, a, b));
    CHECK(serials.insert(a.snapshot().sessions.begin()->second.serial).second);
    a.disconnect(b);
    lab.run(1s);
  }
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
