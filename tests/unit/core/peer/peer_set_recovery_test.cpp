// Restarts, outages, new addresses, goodbyes.
#include <doctest/doctest.h>

#include "core/peer/peer.h"
#include "core/peer/peer_set.h"
#include "tests/unit/core/peer/peer_lab.h"

namespace rove {
namespace {

constexpr Duration kRoundTrip = 20ms;  // the underlay's default: 10 ms each way

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
  // No ping of the old session may come first.
  const auto only_handshakes = [](const Endpoint&, const Bytes& datagram) {
    return datagram[0] == static_cast<std::uint8_t>(DatagramType::Sealed);
  };
  a.on_send = b.on_send = only_handshakes;
  lab.underlay.heal_all();
  lab.run(5s);
  a.on_send = b.on_send = nullptr;
  lab.run(5s);

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

}  // namespace
}  // namespace rove
