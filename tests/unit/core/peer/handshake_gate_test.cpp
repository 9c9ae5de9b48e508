#include "core/peer/handshake_gate.h"

#include <doctest/doctest.h>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace rove {
namespace {

using Verdict = HandshakeGate::Verdict;
constexpr TimePoint kStart{std::chrono::seconds{1000}};

struct Door {
  Door() { init_crypto(); }
  SeededRandom random{1};
  HandshakeGate gate{random};
  Endpoint from = endpoint_of("192.0.2.1:7683");
  NodeId sender = NodeId::from_bytes(Bytes(16, 1));

  Verdict judge(TimePoint now, std::optional<HandshakeCookie> cookie = {}, bool must_prove = false) {
    return gate.judge(now, from, sender, cookie, must_prove);
  }
  // Uses up what is free in this second.
  void fill(TimePoint now) {
    for (unsigned i = 0; i < kFreeHandshakesPerSecond; ++i) REQUIRE(judge(now) == Verdict::Admit);
  }
};

TEST_CASE("HandshakeGate: the 65th handshake in a second needs a cookie, the next second's first does not") {
  Door door;
  door.fill(kStart);

  CHECK(door.judge(kStart) == Verdict::Challenge);
  CHECK(door.judge(kStart, HandshakeCookie{}) == Verdict::Challenge);
  CHECK(door.judge(kStart, door.gate.make_cookie(kStart, door.from, door.sender)) == Verdict::Admit);
  CHECK(door.judge(kStart + std::chrono::seconds{1}) == Verdict::Admit);
}

TEST_CASE("HandshakeGate: a cookie holds for its endpoint and sender only") {
  Door door;
  door.fill(kStart);
  const HandshakeCookie cookie = door.gate.make_cookie(kStart, door.from, door.sender);

  CHECK(door.gate.judge(kStart, endpoint_of("192.0.2.1:7684"), door.sender, cookie, false) == Verdict::Challenge);
  CHECK(door.gate.judge(kStart, endpoint_of("192.0.2.2:7683"), door.sender, cookie, false) == Verdict::Challenge);
  CHECK(door.gate.judge(kStart, door.from, NodeId{}, cookie, false) == Verdict::Challenge);
}

TEST_CASE("HandshakeGate: a cookie survives one change of the secret, not two") {
  Door door;
  const HandshakeCookie cookie = door.gate.make_cookie(kStart, door.from, door.sender);

  CHECK(door.judge(kStart + std::chrono::seconds{119}, cookie, true) == Verdict::Admit);
  CHECK(door.judge(kStart + std::chrono::seconds{121}, cookie, true) == Verdict::Admit);
  CHECK(door.judge(kStart + std::chrono::seconds{239}, cookie, true) == Verdict::Admit);
  CHECK(door.judge(kStart + std::chrono::seconds{242}, cookie, true) == Verdict::Challenge);
}

TEST_CASE("HandshakeGate: after a long pause the old secret is worth nothing") {
  Door door;
  const HandshakeCookie cookie = door.gate.make_cookie(kStart, door.from, door.sender);

  CHECK(door.judge(kStart + std::chrono::minutes{10}, cookie, true) == Verdict::Challenge);
}

TEST_CASE("HandshakeGate: who must prove its address is asked for it without any load") {
  Door door;

  CHECK(door.judge(kStart, std::nullopt, true) == Verdict::Challenge);
  CHECK(door.judge(kStart, door.gate.make_cookie(kStart, door.from, door.sender), true) == Verdict::Admit);
}

TEST_CASE("HandshakeGate: cookies do not lift the limit of the CPU") {
  Door door;
  const HandshakeCookie cookie = door.gate.make_cookie(kStart, door.from, door.sender);
  for (unsigned i = 0; i < kHandshakesPerSecond; ++i) REQUIRE(door.judge(kStart, cookie) == Verdict::Admit);

  CHECK(door.judge(kStart, cookie) == Verdict::Drop);
  CHECK(door.judge(kStart + std::chrono::seconds{1}, cookie) == Verdict::Admit);
}

}  // namespace
}  // namespace rove
