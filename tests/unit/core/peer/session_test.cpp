#include "core/peer/session.h"

#include <doctest/doctest.h>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{1000}};

// The two ends of one session.
struct Ends {
  explicit Ends(AeadAlgorithm algorithm = AeadAlgorithm::ChaCha20Poly1305)
      : a(make(algorithm, Session::Role::Initiator, 1)), b(make(algorithm, Session::Role::Responder, 2)) {}

  Session make(AeadAlgorithm algorithm, Session::Role role, std::uint64_t serial) {
    init_crypto();
    EstablishedSession established;
    const bool first = role == Session::Role::Initiator;
    established.local = (first ? lease_a : lease_b).index();
    established.remote = (first ? lease_b : lease_a).index();
    established.algorithm = algorithm;
    established.keys.send = AeadKey{first ? one : two};
    established.keys.receive = AeadKey{first ? two : one};
    return {kStart, role, serial, std::move(first ? lease_a : lease_b), std::move(established)};
  }
  static Result<Session::Opened> pass(Session& to, const Bytes& datagram, TimePoint now = kStart) {
    const Result<Header> header = parse_header(datagram);
    REQUIRE(header);
    return to.open(now, *header, datagram);
  }

  SeededRandom random{1};
  std::array<std::uint8_t, 32> one = random.bytes<32>();
  std::array<std::uint8_t, 32> two = random.bytes<32>();
  SessionIndexTable indexes;
  SessionIndexLease lease_a = indexes.lease(random, NodeId{});
  SessionIndexLease lease_b = indexes.lease(random, NodeId{});
  Session a;
  Session b;
};

Bytes must_seal(Session& session, std::string_view text, TimePoint now = kStart) {
  auto datagram = session.seal(now, as_bytes(text));
  REQUIRE(datagram);
  return *std::move(datagram);
}

TEST_CASE("Session: what one end seals the other opens, with either algorithm, on lane 0") {
  for (const AeadAlgorithm algorithm : {AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305}) {
    Ends ends{algorithm};

    const Bytes datagram = must_seal(ends.a, "hello");
    const auto opened = Ends::pass(ends.b, datagram);

    REQUIRE(opened);
    CHECK(to_hex(opened->plaintext) == to_hex(as_bytes("hello")));
    CHECK(parse_header(datagram)->receiver == ends.b.local_index());
    CHECK(parse_header(datagram)->counter == PacketCounter{0, 0});
    CHECK(parse_header(must_seal(ends.a, ""))->counter == PacketCounter{0, 1});
  }
}

TEST_CASE("Session: a datagram is opened once, and out of order") {
  Ends ends;
  const Bytes first = must_seal(ends.a, "1");
  const Bytes second = must_seal(ends.a, "2");

  const auto later = Ends::pass(ends.b, second);
  const auto earlier = Ends::pass(ends.b, first);

  REQUIRE(later);
  REQUIRE(earlier);
  CHECK(later->newest);
  CHECK_FALSE(earlier->newest);
  CHECK(Ends::pass(ends.b, first).error() == Error::Replayed);
  CHECK(Ends::pass(ends.b, second).error() == Error::Replayed);
}

TEST_CASE("Session: a changed datagram is refused and does not use up its counter") {
  Ends ends;
  const Bytes datagram = must_seal(ends.a, "hello");
  for (std::size_t i = 8; i < datagram.size(); ++i) {
    Bytes changed = datagram;
    changed[i] ^= 1;
    const Result<Header> header = parse_header(changed);
    if (header) CHECK_FALSE(ends.b.open(kStart, *header, changed));
  }

  CHECK(Ends::pass(ends.b, datagram));
}

TEST_CASE("Session: every shorter datagram is refused") {
  Ends ends;
  const Bytes datagram = must_seal(ends.a, "hello");
  const Result<Header> header = parse_header(datagram);
  REQUIRE(header);

  for (std::size_t size = kHeaderSize; size < datagram.size(); ++size) {
    CHECK_FALSE(ends.b.open(kStart, *header, BytesView{datagram}.first(size)));
  }
}

TEST_CASE("Session: an end does not open its own datagrams") {
  Ends ends;

  CHECK(Ends::pass(ends.a, must_seal(ends.a, "hello")).error() == Error::Undecryptable);
}

TEST_CASE("Session: it is over at 180 s, for both directions") {
  Ends ends;
  const Bytes datagram = must_seal(ends.a, "hello", kStart + std::chrono::seconds{179});
  const TimePoint end = kStart + std::chrono::seconds{180};

  CHECK_FALSE(ends.a.seal(end, as_bytes("late")));
  CHECK(Ends::pass(ends.b, datagram, end).error() == Error::Expired);
  CHECK(Ends::pass(ends.b, datagram, end - std::chrono::nanoseconds{1}));
}

TEST_CASE("Session: the packet path gets the keys, the indexes and the end") {
  Ends ends;
  const NodeId peer = NodeId::from_bytes(Bytes(16, 5));
  const Endpoint endpoint{IpAddress{}, 7683};

  const SessionView view = ends.a.view(peer, endpoint);

  CHECK(view.serial == 1);
  CHECK(view.peer == peer);
  CHECK(view.local_index == ends.a.local_index());
  CHECK(view.remote_index == ends.b.local_index());
  CHECK(view.seal_key->expose() == ends.one);
  CHECK(view.open_key->expose() == ends.two);
  CHECK(view.endpoint == endpoint);
  CHECK(view.expires == kStart + std::chrono::seconds{180});
}

TEST_CASE("SessionIndexTable: an index is free again when its lease ends") {
  SeededRandom random{1};
  SessionIndexTable table;
  const NodeId peer = NodeId::from_bytes(Bytes(16, 5));
  std::optional<SessionIndexLease> first{table.lease(random, peer)};
  SessionIndexLease second = table.lease(random, peer);
  const SessionIndex index = first->index();
  SessionIndexLease moved = *std::exchange(first, std::nullopt);

  CHECK(table.find(index) == peer);
  CHECK(index.value != 0);
  CHECK(moved.index() != second.index());
  second = std::move(moved);
  CHECK(table.size() == 1);
  CHECK(table.find(index) == peer);
}

}  // namespace
}  // namespace rove
