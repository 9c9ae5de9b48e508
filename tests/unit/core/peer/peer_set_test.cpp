// Established sessions: messages, keepalive, renewal.
#include <doctest/doctest.h>

#include <numeric>
#include <set>

#include "core/peer/peer.h"
#include "core/peer/peer_set.h"
#include "tests/unit/core/peer/peer_lab.h"

namespace rove {
namespace {

constexpr Duration kRoundTrip = 20ms;  // the underlay's default: 10 ms each way

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

TEST_CASE("PeerSet: a probe tells of its answer: after what time, from where, and where the peer sees us") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  a.forget_events();

  const auto probe = a.peers().probe(lab.now(), b.id());
  const auto same_turn = a.peers().probe(lab.now(), b.id());
  a.turn();
  lab.run(1s);

  REQUIRE(probe);
  CHECK(same_turn == probe);
  const auto pongs = a.events<PeerPong>();
  REQUIRE(pongs.size() == 1);
  CHECK(pongs[0].peer == b.id());
  CHECK(pongs[0].probe == *probe);
  CHECK(pongs[0].rtt == kRoundTrip);
  CHECK(pongs[0].from == b.endpoint());
  CHECK(pongs[0].observed == a.endpoint());
}

TEST_CASE("PeerSet: a keepalive's answer tells nobody, a lost probe neither, and the next one has its own") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  a.peers().ping(lab.now(), b.id());
  a.turn();
  lab.run(1s);
  CHECK(a.events<PeerPong>().empty());

  a.on_send = [](const Endpoint&, const Bytes&) { return false; };
  const auto lost = a.peers().probe(lab.now(), b.id());
  a.turn();
  a.on_send = nullptr;
  lab.run(100ms);
  CHECK(a.events<PeerPong>().empty());
  const auto next = a.peers().probe(lab.now(), b.id());
  a.turn();
  lab.run(100ms);

  REQUIRE(a.events<PeerPong>().size() == 1);
  CHECK(a.events<PeerPong>()[0].probe == *next);
  CHECK(lost != next);
}

TEST_CASE("PeerSet: who has no session cannot be probed") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  CHECK_FALSE(a.peers().probe(lab.now(), b.id()));
  a.connect(b);
  lab.run(1s);
  a.peers().disconnect(lab.now(), b.id(), CloseReason::GoingDown);
  CHECK_FALSE(a.peers().probe(lab.now(), b.id()));
}

TEST_CASE("PeerSet: what the packet path counts of a peer outlives its sessions") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  const auto counted = a.snapshot().sessions.begin()->second.traffic;
  REQUIRE(counted != nullptr);
  counted->meter(0).count_sent(2, 300);
  counted->meter(3).count_sent(1, 50);

  lab.run(150s);  // at least one renewal

  CHECK(a.peers().find_peer(b.id())->handshakes > 1);
  CHECK(a.peers().find_peer(b.id())->traffic == PeerTrafficCounts{.frames_out = 3, .octets_out = 350});
  for (const auto& [index, view] : a.snapshot().sessions) CHECK(view.traffic == counted);
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

}  // namespace
}  // namespace rove
