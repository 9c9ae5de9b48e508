// What strangers, impostors, replayers and floods get: nothing.
#include <doctest/doctest.h>

#include "core/peer/handshake_gate.h"
#include "core/peer/handshake_message.h"
#include "core/peer/peer.h"
#include "core/peer/peer_set.h"
#include "tests/unit/core/peer/peer_lab.h"

namespace rove {
namespace {

// A member that seals whatever it likes, in anybody's name.
class Insider {
 public:
  Insider(const Lab& lab, const NodeId& name) : channel_(name, 0, derive_first_ring_secret(lab.network.key()), 0) {}

  // A little ahead of the one whose name it uses, so that their stamps do not collide.
  Bytes seal(Now now, SealedKind kind, BytesView body) {
    return channel_.seal({now.steady, now.wall + 1ms}, random_, kind, body);
  }
  Bytes open(Now now, const Bytes& datagram) {
    const auto envelope = channel_.open(now, datagram);
    REQUIRE(envelope);
    return envelope->body;
  }

 private:
  SeededRandom random_{77};
  SealedChannel channel_;
};

const Endpoint kElsewhere = endpoint_of("203.0.113.66:666");

// Counts what leaves a host.
struct Listener {
  explicit Listener(Host& host) {
    host.on_send = [this](const Endpoint&, const Bytes& datagram) {
      sent.push_back(datagram);
      return true;
    };
  }
  std::vector<Bytes> sent;
};

Bytes first_sent(Host& from, const std::function<void()>& act) {
  Bytes first;
  from.on_send = [&](const Endpoint&, const Bytes& datagram) {
    if (first.empty()) first = datagram;
    return false;
  };
  act();
  from.on_send = nullptr;
  REQUIRE_FALSE(first.empty());
  return first;
}

void mutate(SeededRandom& random, Bytes& bytes) {
  switch (random.below(4)) {
    case 0: bytes.resize(random.below(bytes.size())); break;
    case 1: bytes.push_back(static_cast<std::uint8_t>(random.below(256))); break;
    default:
      for (std::uint64_t i = 0; i <= random.below(4); ++i) {
        bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
      }
  }
}

Certificate certificate_of(const TestNetwork& network, const TestNode& node, const Validity& validity) {
  SeededRandom random{3};
  const auto der = network.authority().issue(node.certificate.name(), node.key(), network.subnets(), validity, random);
  REQUIRE(der);
  auto certificate = Certificate::parse(*der);
  REQUIRE(certificate);
  return *std::move(certificate);
}

TEST_CASE("PeerSet: impostors and strangers are refused without a word") {
  Lab lab;
  TestNetwork foreign{2};
  const TestNode& honest = lab.network.add_node("honest");
  const TestNode& bad = lab.network.add_node("bad");
  struct Row {
    std::string_view what;
    HostTraits traits;
    bool opens;  // its envelopes open, so the handshake itself must refuse it
  };
  std::vector<Row> rows;
  rows.push_back({"another network with the same network key", {.anchor = &foreign.anchor()}, true});
  rows.push_back({"another network key", {.ring = derive_first_ring_secret(foreign.key())}, false});
  rows.push_back({"an expired certificate",
                  {.certificate = certificate_of(lab.network, bad, {kTestNow - 2h, kTestNow - 1h})},
                  true});
  rows.push_back({"a certificate from the future",
                  {.certificate = certificate_of(lab.network, bad, {kTestNow + 1h, kTestNow + 2h})},
                  true});
  rows.push_back({"the certificate of another key", {.certificate = honest.certificate}, true});
  rows.push_back({"the certificate of another key, in its name",
                  {.certificate = honest.certificate, .sealed_as = &honest.id()},
                  true});
  rows.push_back({"another's name on the envelope", {.sealed_as = &honest.id()}, true});
  rows.push_back(
      {"another's node record", {.record = lab.network.node_record(honest, {endpoint_of("192.0.2.1:7683")}, 1)}, true});
  rows.push_back({"a node record of another network",
                  {.record = foreign.node_record(bad, {endpoint_of("192.0.2.1:7683")}, 1)},
                  true});
  rows.push_back({"no algorithm in common", {.aeads = 1}, true});

  for (Row& row : rows) {
    CAPTURE(row.what);
    Host& a = lab.add_host("a");
    Host& impostor = lab.add_host(bad, std::move(row.traits));
    const Listener listener{a};

    impostor.connect(a);
    lab.run(500ms);

    CHECK(listener.sent.empty());
    CHECK(a.snapshot().sessions.empty());
    CHECK(a.peers().peers().empty());
    CHECK(a.peers().counters().handshakes_refused == (row.opens ? 1 : 0));
    CHECK_FALSE(impostor.is_up(a));
    // Neither does it get a session by being called.
    a.connect(impostor);
    lab.run(500ms);
    CHECK_FALSE(a.is_up(impostor));
    CHECK(a.events<PeerUp>().empty());
    a.kill();
    impostor.kill();
  }
}

TEST_CASE("PeerSet: a certificate that ran out ends the session at its next renewal") {
  Lab lab;
  const TestNode& node = lab.network.add_node("b");
  Host& a = lab.add_host("a");
  Host& b = lab.add_host(node, {.certificate = certificate_of(lab.network, node, {kTestNow - 1h, kTestNow + 60s})});
  a.connect(b);
  lab.run(100s);
  REQUIRE(are_joined(lab, a, b));

  lab.run(100s);

  CHECK_FALSE(a.is_up(b));
  CHECK(a.snapshot().sessions.empty());
  CHECK(a.peers().counters().handshakes_refused > 0);
}

TEST_CASE("PeerSet: a replayed init is not answered and changes nothing, also in a new envelope") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  const Bytes first = first_sent(a, [&] { a.connect(b); });
  lab.run(5s);  // its repetition makes the session
  REQUIRE(are_joined(lab, a, b));
  Insider insider{lab, a.id()};
  const Bytes older = Insider{lab, NodeId{}}.open(lab.now(), first);
  const Snapshot before = b.snapshot();
  const Listener listener{b};

  b.handle_datagram(kElsewhere, first);
  b.handle_datagram(kElsewhere, insider.seal(lab.now(), SealedKind::HandshakeInit, older));

  CHECK(listener.sent.empty());
  CHECK(b.snapshot().sessions.size() == before.sessions.size());
  CHECK(b.snapshot().current == before.current);
  CHECK(b.peers().find_peer(a.id())->endpoint == a.endpoint());
  CHECK(b.peers().counters().handshakes_refused + b.peers().counters().handshakes_repeated >= 1);
}

TEST_CASE("PeerSet: an old init that is replayed after a restart brings nobody up") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  Bytes init;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    if (init.empty()) init = datagram;
    return true;
  };
  a.connect(b);
  lab.run(5s);
  a.on_send = nullptr;
  b.kill();
  b.start();

  b.handle_datagram(kElsewhere, init);
  lab.run(1s);

  CHECK_FALSE(b.is_up(a));
  CHECK(b.events<PeerUp>().empty());
  lab.run(kPeerSilence);
  CHECK(are_joined(lab, a, b));
  CHECK(b.peers().find_peer(a.id())->endpoint == a.endpoint());
}

TEST_CASE("PeerSet: replayed datagrams of a session are dropped, from other addresses, too") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  std::vector<Bytes> recorded;
  a.on_send = [&](const Endpoint&, const Bytes& datagram) {
    recorded.push_back(datagram);
    return true;
  };
  a.connect(b);
  for (std::uint32_t i = 0; i < 50; ++i) {
    a.send(b, i);
    lab.run(100ms);
  }
  const Listener listener{b};
  const std::size_t received = b.received().size();

  for (const Bytes& datagram : recorded) b.handle_datagram(kElsewhere, datagram);

  CHECK(listener.sent.empty());
  CHECK(b.received().size() == received);
  CHECK(b.peers().find_peer(a.id())->endpoint == a.endpoint());
  CHECK(b.peers().counters().control_dropped >= received);
}

TEST_CASE("PeerSet: no mutation of an init establishes anything or is answered") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  Insider insider{lab, a.id()};
  const Bytes init = first_sent(a, [&] { a.connect(b); });
  const Bytes body = Insider{lab, NodeId{}}.open(lab.now(), init);
  a.kill();
  SeededRandom random{1};
  const Listener listener{b};

  for (int i = 0; i < 1000; ++i) {
    Bytes outer = init;
    mutate(random, outer);
    b.handle_datagram(a.endpoint(), outer);
    Bytes inner = body;
    mutate(random, inner);
    if (inner == body) continue;
    b.handle_datagram(a.endpoint(), insider.seal(lab.now(), SealedKind::HandshakeInit, inner));
    if (i % 50 == 0) lab.run(1s);  // so that the load does not hide them
  }

  for (const Bytes& datagram : listener.sent) CHECK(datagram.size() == kSealedOverhead + 4 + 16);  // cookies
  CHECK(b.snapshot().sessions.empty());
  CHECK(b.peers().peers().empty());
  CHECK(b.peers().counters().handshakes_refused > 500);
}

TEST_CASE("PeerSet: no mutation of a response establishes anything, and the next attempt gets through") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  Insider insider{lab, b.id()};
  Insider reader{lab, NodeId{}};
  SeededRandom random{1};
  // Of each response only mutations reach `a`.
  b.on_send = [&](const Endpoint& to, const Bytes& datagram) {
    const Bytes body = reader.open(lab.now(), datagram);
    if (body.size() <= 20) return true;  // a cookie
    Bytes outer = datagram;
    mutate(random, outer);
    lab.underlay.send(b.endpoint(), to, outer);
    Bytes inner = body;
    do mutate(random, inner);
    while (inner == body);
    lab.underlay.send(b.endpoint(), to, insider.seal(lab.now(), SealedKind::HandshakeResponse, inner));
    return false;
  };

  for (int i = 0; i < 1000; ++i) {
    a.connect(b);
    lab.run(50ms);
    REQUIRE_FALSE(a.is_up(b));
    REQUIRE(a.snapshot().sessions.empty());
    a.disconnect(b);
  }
  b.on_send = nullptr;
  a.connect(b);
  lab.run(3s);

  CHECK(are_joined(lab, a, b));
}

TEST_CASE("PeerSet: no mutation of a cookie or of a control datagram does harm") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  Insider insider{lab, b.id()};
  SeededRandom random{1};
  const Bytes cookie = encode(CookieMessage{SessionIndex{1234}, HandshakeCookie{}});
  const Bytes control = first_sent(b, [&] { b.send(a, 1); });
  const Listener listener{a};

  for (int i = 0; i < 1000; ++i) {
    Bytes inner = cookie;
    mutate(random, inner);
    a.handle_datagram(kElsewhere, insider.seal(lab.now(), SealedKind::Cookie, inner));
    Bytes changed = control;
    mutate(random, changed);
    if (!changed.empty() && changed[0] == 3) continue;
    a.handle_datagram(kElsewhere, changed);
  }

  CHECK(listener.sent.empty());
  CHECK(a.received().empty());
  CHECK(a.peers().find_peer(b.id())->endpoint == b.endpoint());
  CHECK(are_joined(lab, a, b));
}

TEST_CASE("PeerSet: random control plaintext of a real peer is refused whole, and the session lives on") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  const Snapshot snapshot = b.snapshot();
  const SessionView& view = snapshot.sessions.begin()->second;
  Aead aead{view.algorithm, *view.seal_key};
  SeededRandom random{1};
  const std::uint64_t dropped = a.peers().counters().control_dropped;

  for (std::uint64_t i = 0; i < 1000; ++i) {
    Bytes garbage(1 + random.below(100));
    random.fill(garbage);
    garbage[0] = static_cast<std::uint8_t>(random.below(10));  // never close, which would be obeyed
    Bytes datagram(kDataOverhead + garbage.size());
    Header header;
    header.type = DatagramType::Control;
    header.receiver = view.remote_index;
    header.counter = {0, 1000 + i};
    store_header(datagram.data(), header);
    aead.seal(header.counter.value(), BytesView{datagram}.first(kHeaderSize), garbage, datagram.data() + kHeaderSize);
    a.handle_datagram(b.endpoint(), datagram);
  }

  CHECK(a.peers().counters().control_dropped - dropped > 900);
  CHECK(are_joined(lab, a, b));
}

TEST_CASE("PeerSet: many pings in a datagram get one answer") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  a.connect(b);
  lab.run(1s);
  const Listener listener{b};

  for (std::uint64_t i = 0; i < 100; ++i) REQUIRE(a.peers().send(lab.now(), b.id(), PingMessage{i}));
  a.turn();
  lab.run(15ms);

  REQUIRE(listener.sent.size() == 1);
  CHECK(listener.sent.front().size() < 100);
}

TEST_CASE("PeerSet: under a flood of handshakes an honest node gets in by its cookie") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  Insider flooder{lab, NodeId::from_bytes(Bytes(16, 9))};
  const Bytes garbage = encode(InitMessage{SessionIndex{5}, std::nullopt, Bytes(700, 0x5a)});
  for (unsigned i = 0; i < kFreeHandshakesPerSecond; ++i) {
    b.handle_datagram(kElsewhere, flooder.seal(lab.now(), SealedKind::HandshakeInit, garbage));
  }
  CHECK(b.peers().counters().handshakes_refused == kFreeHandshakesPerSecond);
  const Listener listener{b};

  a.connect(b);
  lab.run(25ms);
  CHECK_FALSE(a.is_up(b));
  REQUIRE(listener.sent.size() == 1);
  CHECK(listener.sent.front().size() == kSealedOverhead + 4 + 16);
  lab.run(25ms);

  CHECK(are_joined(lab, a, b));  // within two round trips and a half, in the same second
  CHECK(b.peers().counters().handshakes_limited == 1);
}

TEST_CASE("PeerSet: a second cookie for the same attempt is not obeyed") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  b.kill();
  Insider insider{lab, b.id()};
  const Bytes init = first_sent(a, [&] { a.connect(b); });
  const SessionIndex index{load_be<std::uint32_t>(Insider{lab, NodeId{}}.open(lab.now(), init).data())};
  const auto cookie = [&] {
    return insider.seal(lab.now(), SealedKind::Cookie, encode(CookieMessage{index, HandshakeCookie{}}));
  };
  const Listener listener{a};

  a.handle_datagram(kElsewhere, Insider{lab, NodeId{}}.seal(lab.now(), SealedKind::Cookie,
                                                            encode(CookieMessage{index, HandshakeCookie{}})));
  CHECK(listener.sent.empty());  // not the peer's
  a.handle_datagram(b.endpoint(), cookie());
  CHECK(listener.sent.size() == 1);
  a.handle_datagram(b.endpoint(), cookie());
  CHECK(listener.sent.size() == 1);
}

TEST_CASE("PeerSet: who cannot answer within three times the init asks for a cookie first") {
  Lab lab;
  const TestNode& big = lab.network.add_node("b");
  std::vector<Prefix> prefixes;
  for (int i = 0; i < 230; ++i) prefixes.push_back(prefix_of("10.77." + std::to_string(i) + ".128/32"));
  SeededRandom random{3};
  const auto der = lab.network.authority().issue("b", big.key(), prefixes, {kTestNow - 1h, kTestNow + 1h}, random);
  REQUIRE(der);
  REQUIRE(der->size() > 1800);
  Host& a = lab.add_host("a");
  Host& b = lab.add_host(big, {.certificate = *Certificate::parse(*der)});

  a.connect(b);  // the lab checks the factor of three
  lab.run(50ms);

  CHECK(are_joined(lab, a, b));
  CHECK(b.peers().counters().handshakes_limited == 1);
}

TEST_CASE("PeerSet: 100,000 garbage inits from as many addresses leave nothing behind") {
  Lab lab;
  Host& a = lab.add_host("a");
  Host& b = lab.add_host("b");
  SeededRandom random{4};
  Listener listener{b};
  std::uint64_t answered = 0;

  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const std::array<std::uint8_t, 4> address{100, static_cast<std::uint8_t>(i >> 16),
                                              static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
    Insider insider{lab, NodeId::from_bytes(random.bytes<16>())};
    const auto noise = random.bytes<200>();
    const Bytes body = encode(InitMessage{SessionIndex{i + 1}, std::nullopt, noise});
    b.handle_datagram({IpAddress::v4(address.data()), 7683}, insider.seal(lab.now(), SealedKind::HandshakeInit, body));
    answered += listener.sent.size();
    listener.sent.clear();
    if (i % 1000 == 0) lab.run(100ms);
  }

  CHECK(b.peers().peers().empty());
  CHECK(b.snapshot().sessions.empty());
  CHECK_FALSE(b.peers().poll_timeout());
  const PeerSetCounters& counters = b.peers().counters();
  CHECK(counters.handshakes_refused + counters.handshakes_limited == 100'000);
  CHECK(counters.handshakes_refused <= 11 * kFreeHandshakesPerSecond);
  CHECK(counters.handshakes_limited == answered);
  a.connect(b);
  lab.run(1s);
  CHECK(are_joined(lab, a, b));
}

}  // namespace
}  // namespace rove
