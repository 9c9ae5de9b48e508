#include "core/wire/sealed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr std::uint64_t kDayUs = 24ULL * 3600 * 1'000'000;

Now at(milliseconds since_1970) {
  return Now{TimePoint{} + since_1970, WallTime{} + since_1970};
}

const Now kNow = at(milliseconds{1'750'000'000'000});
constexpr std::uint64_t kNowUs = 1'750'000'000'000'000;

Now later(Duration by) {
  return Now{kNow.steady + by, kNow.wall + std::chrono::duration_cast<milliseconds>(by)};
}

NodeId node(std::uint32_t number) {
  NodeId id;
  store_be(id.octets.data(), number);
  id.octets.back() = 1;
  return id;
}

RingSecret secret(std::uint8_t fill) {
  std::array<std::uint8_t, 32> octets{};
  octets.fill(fill);
  return RingSecret{octets};
}

SealedChannel channel(std::uint32_t number, std::uint64_t first_stamp = 0) {
  return SealedChannel{node(number), 0, secret(1), first_stamp};
}

// An envelope with any content, sealed for ring 0 of channel().
Bytes forge(const NodeId& sender, std::uint64_t stamp, std::uint8_t kind, BytesView body, Random& random) {
  Bytes out{0x03, 0x00};
  const auto nonce = random.bytes<24>();
  out.insert(out.end(), nonce.begin(), nonce.end());
  Bytes inner(sender.octets.begin(), sender.octets.end());
  Writer writer{inner};
  writer.write(stamp);
  writer.write(kind);
  writer.write_bytes(body);
  out.resize(out.size() + inner.size() + kAeadTagSize);
  XChaCha20Poly1305Cipher{derive_sealing_key(secret(1))}.seal(nonce, BytesView{out}.first(2), inner, out.data() + 26);
  return out;
}

// Opens, by `to` at `now`, what `sender` sealed with `stamp`; the error, or none.
std::error_code open_stamp(SealedChannel& to, Now now, const NodeId& sender, std::uint64_t stamp, Random& random) {
  const auto opened = to.open(now, forge(sender, stamp, 4, {}, random));
  return opened ? std::error_code{} : opened.error();
}

std::uint64_t stamp_of(const Bytes& datagram) {
  Bytes inner(datagram.size() - 26 - kAeadTagSize);
  ExtendedNonce nonce{};
  std::copy_n(datagram.begin() + 2, nonce.size(), nonce.begin());
  REQUIRE(XChaCha20Poly1305Cipher{derive_sealing_key(secret(1))}.open(nonce, BytesView{datagram}.first(2),
                                                                      BytesView{datagram}.subspan(26), inner.data()));
  return load_be<std::uint64_t>(inner.data() + NodeId::kSize);
}

}  // namespace

// ---- the envelope -----------------------------------------------------------------------------

TEST_CASE("SealedChannel: what one member seals another opens") {
  SeededRandom random{1};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  for (const SealedKind kind :
       {SealedKind::HandshakeInit, SealedKind::HandshakeResponse, SealedKind::Cookie, SealedKind::Dht}) {
    for (const std::size_t size : {0, 1, 100, 1200, 9000}) {
      CAPTURE(size);
      const Bytes body(size, 0x5a);

      const Bytes datagram = from.seal(kNow, random, kind, body);
      const auto opened = to.open(kNow, datagram);

      CHECK(datagram.size() == body.size() + kSealedOverhead);
      REQUIRE(opened);
      CHECK(opened->sender == node(1));
      CHECK(opened->ring == 0);
      CHECK(opened->kind == kind);
      CHECK(opened->body == body);
    }
  }
}

// Expected octets by an independent implementation in Python (hashlib.blake2b; HChaCha20, ChaCha20 and Poly1305 as the
// draft has them).
TEST_CASE("SealedChannel: an envelope has the documented octets") {
  struct Zeros final : Random {
    void fill(MutableBytes out) override { std::fill(out.begin(), out.end(), std::uint8_t{0}); }
  } zeros;
  SealedChannel from{NodeId{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, 7, secret(1), 0};

  const Bytes datagram = from.seal(kNow, zeros, SealedKind::Cookie, as_bytes("body"));

  CHECK(to_hex(datagram) ==
        "0307000000000000000000000000000000000000000000000000"  // type, ring, nonce
        "26e51621e953906ec38f2324602bd969f0743c05bf020d0c4a86bc0e1a"
        "f7b692cba994472baf563bb0ea37008e");
}

TEST_CASE("SealedChannel: every shorter envelope is refused") {
  SeededRandom random{2};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  const Bytes datagram = from.seal(kNow, random, SealedKind::Dht, Bytes(20, 1));

  for (std::size_t size = 0; size < datagram.size(); ++size) {
    CAPTURE(size);
    const auto opened = to.open(kNow, BytesView{datagram}.first(size));
    REQUIRE_FALSE(opened);
    CHECK(opened.error() == (size < kSealedOverhead ? Error::Truncated : Error::Undecryptable));
  }
  CHECK(to.open(kNow, datagram));
}

TEST_CASE("SealedChannel: an envelope with any octet changed does not open") {
  SeededRandom random{3};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  const Bytes datagram = from.seal(kNow, random, SealedKind::Dht, Bytes(20, 1));

  for (std::size_t i = 0; i < datagram.size(); ++i) {
    CAPTURE(i);
    Bytes forged = datagram;
    forged[i] = static_cast<std::uint8_t>(forged[i] ^ (1 << i % 8));
    const auto opened = to.open(kNow, forged);
    REQUIRE_FALSE(opened);
    CHECK(opened.error() == (i == 0 ? Error::Malformed : i == 1 ? Error::Unknown : Error::Undecryptable));
  }
  CHECK(to.open(kNow, datagram));  // the forgeries did not use up its stamp
}

TEST_CASE("SealedChannel: random mutations never open") {
  SeededRandom random{4};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  for (int envelope = 0; envelope < 50; ++envelope) {
    const Bytes datagram = from.seal(kNow, random, SealedKind::Dht, Bytes(random.below(300), 1));
    for (int mutation = 0; mutation < 100; ++mutation) {
      Bytes forged = datagram;
      const std::uint64_t changes = 1 + random.below(8);
      for (std::uint64_t i = 0; i < changes; ++i) forged[random.below(forged.size())] = random.bytes<1>()[0];
      if (random.below(4) == 0) forged.resize(forged.size() - random.below(forged.size()));
      if (random.below(4) == 0) forged.resize(forged.size() + random.below(20));
      if (forged == datagram) continue;

      REQUIRE_FALSE(to.open(kNow, forged));
    }
    REQUIRE(to.open(kNow, datagram));
  }
}

TEST_CASE("SealedChannel: garbage does not open") {
  SeededRandom random{5};
  SealedChannel to = channel(2);
  for (int i = 0; i < 1000; ++i) {
    Bytes garbage(random.below(200));
    random.fill(garbage);
    if (garbage.size() > 1 && i % 2 == 0) {
      garbage[0] = 0x03;
      garbage[1] = 0x00;
    }
    REQUIRE_FALSE(to.open(kNow, garbage));
  }
}

TEST_CASE("SealedChannel: a stranger's envelope does not open") {
  SeededRandom random{6};
  SealedChannel stranger{node(1), 0, secret(2), 0};
  SealedChannel to = channel(2);

  const auto opened = to.open(kNow, stranger.seal(kNow, random, SealedKind::Dht, {}));

  CHECK(opened.error() == Error::Undecryptable);
}

TEST_CASE("SealedChannel: unknown kinds are malformed and use up no stamp") {
  SeededRandom random{7};
  SealedChannel to = channel(2);
  for (const int kind : {0, 5, 6, 127, 255}) {
    CAPTURE(kind);
    CHECK(to.open(kNow, forge(node(1), kNowUs, static_cast<std::uint8_t>(kind), {}, random)).error() ==
          Error::Malformed);
  }
  CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs, random));
}

// ---- stamps of the sender ---------------------------------------------------------------------

TEST_CASE("SealedChannel: stamps follow the clock and never repeat") {
  SeededRandom random{8};
  SealedChannel from = channel(1);

  CHECK(stamp_of(from.seal(kNow, random, SealedKind::Dht, {})) == kNowUs);
  CHECK(stamp_of(from.seal(kNow, random, SealedKind::Dht, {})) == kNowUs + 1);
  CHECK(stamp_of(from.seal(later(milliseconds{5}), random, SealedKind::Dht, {})) == kNowUs + 5000);
  CHECK(stamp_of(from.seal(kNow, random, SealedKind::Dht, {})) == kNowUs + 5001);  // the clock went back
  CHECK(from.last_stamp() == kNowUs + 5001);
}

TEST_CASE("SealedChannel: a restarted sender goes on above its last stamp, though its clock went back") {
  SeededRandom random{9};
  SealedChannel to = channel(2);
  SealedChannel before = channel(1);
  const Bytes datagram = before.seal(kNow, random, SealedKind::Dht, {});
  REQUIRE(to.open(kNow, datagram));

  SealedChannel after = channel(1, before.last_stamp());
  const Bytes next = after.seal(at(milliseconds{1000}), random, SealedKind::Dht, {});

  CHECK(stamp_of(next) == before.last_stamp() + 1);
  CHECK(to.open(kNow, next));
}

TEST_CASE("SealedChannel: the same content is never sealed to the same octets") {
  SeededRandom random{10};
  SealedChannel from = channel(1);

  CHECK(from.seal(kNow, random, SealedKind::Dht, {}) != from.seal(kNow, random, SealedKind::Dht, {}));
}

// ---- replays ----------------------------------------------------------------------------------

TEST_CASE("SealedChannel: an envelope opens once") {
  SeededRandom random{11};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  std::vector<Bytes> recorded;
  for (int i = 0; i < 300; ++i) recorded.push_back(from.seal(kNow, random, SealedKind::Dht, {}));

  for (const Bytes& datagram : recorded) REQUIRE(to.open(kNow, datagram));

  for (const Bytes& datagram : recorded) REQUIRE(to.open(kNow, datagram).error() == Error::Replayed);
}

TEST_CASE("SealedChannel: envelopes that overtook up to 127 others open") {
  SeededRandom random{12};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  const Bytes first = from.seal(kNow, random, SealedKind::Dht, {});
  const Bytes second = from.seal(kNow, random, SealedKind::Dht, {});
  for (std::size_t i = 0; i < StampWindow::kSize - 1; ++i) {
    REQUIRE(to.open(kNow, from.seal(kNow, random, SealedKind::Dht, {})));
  }

  CHECK(to.open(kNow, second));  // the 128th
  CHECK(to.open(kNow, first).error() == Error::Replayed);
}

TEST_CASE("SealedChannel: each sender has stamps of its own") {
  SeededRandom random{13};
  SealedChannel to = channel(2);

  CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs, random));
  CHECK_FALSE(open_stamp(to, kNow, node(3), kNowUs, random));
  CHECK(open_stamp(to, kNow, node(1), kNowUs, random) == Error::Replayed);
}

TEST_CASE("SealedChannel: an envelope of our own that comes back is a replay") {
  SeededRandom random{14};
  SealedChannel us = channel(1);

  CHECK(us.open(kNow, us.seal(kNow, random, SealedKind::Dht, {})).error() == Error::Replayed);
}

TEST_CASE("SealedChannel: a stamp is refused by its age until the window is full") {
  SeededRandom random{15};
  SealedChannel to = channel(2);

  CHECK(open_stamp(to, kNow, node(1), kNowUs - kDayUs - 1, random) == Error::Stale);
  CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs - kDayUs, random));
  // A fresh envelope must not let in what was recorded before we restarted.
  CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs, random));
  CHECK(open_stamp(to, kNow, node(1), kNowUs - kDayUs - 1, random) == Error::Stale);
  for (std::uint64_t i = 1; i < StampWindow::kSize; ++i) {
    CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs + i, random));
  }
  // Now the stamps tell what is new: also those of a sender whose clock stands still.
  CHECK(open_stamp(to, kNow, node(1), kNowUs - kDayUs, random) == Error::Replayed);
  CHECK_FALSE(open_stamp(to, later(hours{48}), node(1), kNowUs + 500, random));
}

TEST_CASE("SealedChannel: stamps more than 24 h ahead are refused of anybody") {
  SeededRandom random{16};
  SealedChannel to = channel(2);

  CHECK(open_stamp(to, kNow, node(1), kNowUs + kDayUs + 1, random) == Error::FromTheFuture);
  CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs + kDayUs, random));
  CHECK(open_stamp(to, kNow, node(1), kNowUs + kDayUs + 1, random) == Error::FromTheFuture);
  CHECK(open_stamp(to, kNow, node(1), ~std::uint64_t{0}, random) == Error::FromTheFuture);
}

TEST_CASE("SealedChannel: with too many senders the longest unheard is forgotten first") {
  SeededRandom random{17};
  SealedChannel to = channel(0xffffffff);
  for (std::uint32_t i = 0; i < kSealedSendersMax; ++i) REQUIRE_FALSE(open_stamp(to, kNow, node(i), kNowUs, random));
  REQUIRE_FALSE(open_stamp(to, kNow, node(0), kNowUs + 1, random));  // heard again: node 1 is now the longest unheard

  REQUIRE_FALSE(open_stamp(to, kNow, node(kSealedSendersMax), kNowUs, random));

  CHECK(open_stamp(to, kNow, node(0), kNowUs, random) == Error::Replayed);
  CHECK(open_stamp(to, kNow, node(2), kNowUs, random) == Error::Replayed);
  CHECK(open_stamp(to, kNow, node(kSealedSendersMax), kNowUs, random) == Error::Replayed);
  CHECK_FALSE(open_stamp(to, kNow, node(1), kNowUs, random));
}

TEST_CASE("SealedChannel: a refused envelope does not keep a sender from being forgotten") {
  SeededRandom random{18};
  SealedChannel to = channel(0xffffffff);
  for (std::uint32_t i = 0; i < kSealedSendersMax; ++i) REQUIRE_FALSE(open_stamp(to, kNow, node(i), kNowUs, random));
  REQUIRE(open_stamp(to, kNow, node(0), kNowUs, random) == Error::Replayed);

  REQUIRE_FALSE(open_stamp(to, kNow, node(kSealedSendersMax), kNowUs, random));

  CHECK_FALSE(open_stamp(to, kNow, node(0), kNowUs, random));
}

// ---- rotation ---------------------------------------------------------------------------------

TEST_CASE("SealedChannel: a rotation loses nothing, in whatever order the nodes take its steps") {
  SeededRandom random{19};
  const auto step = [](SealedChannel& side, int number) {
    if (number == 1) side.add_ring(1, secret(9));
    if (number == 2) REQUIRE(side.use_ring(1));
    if (number == 3) side.drop_ring(0);
  };
  // Nobody goes on to a step before everybody has done the one before it.
  SealedChannel a = channel(1);
  SealedChannel b = channel(2);
  const auto exchange = [&] {
    REQUIRE(b.open(kNow, a.seal(kNow, random, SealedKind::Dht, {})));
    REQUIRE(a.open(kNow, b.seal(kNow, random, SealedKind::Dht, {})));
  };

  for (int number = 1; number <= 3; ++number) {
    CAPTURE(number);
    exchange();
    step(number % 2 == 0 ? a : b, number);
    exchange();
    step(number % 2 == 0 ? b : a, number);
    exchange();
  }

  CHECK(a.current_ring() == 1);
  CHECK(a.find_psk(0) == nullptr);
}

TEST_CASE("SealedChannel: an envelope tells the ring that opened it, and the ring its psk") {
  SeededRandom random{20};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  from.add_ring(200, secret(9));
  to.add_ring(200, secret(9));
  CHECK(from.current_ring() == 0);
  REQUIRE(from.use_ring(200));
  CHECK(from.current_ring() == 200);

  const Bytes datagram = from.seal(kNow, random, SealedKind::Dht, {});
  const auto opened = to.open(kNow, datagram);

  CHECK(datagram[1] == 200);
  REQUIRE(opened);
  CHECK(opened->ring == 200);
  REQUIRE(to.find_psk(200) != nullptr);
  CHECK(to.find_psk(200)->expose() == derive_psk(secret(9)).expose());
  CHECK(to.find_psk(0)->expose() == derive_psk(secret(1)).expose());
  CHECK(to.find_psk(1) == nullptr);
}

TEST_CASE("SealedChannel: a replay does not get through under another ring") {
  SeededRandom random{21};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  to.add_ring(1, secret(1));  // the same secret: only the associated data differs
  Bytes datagram = from.seal(kNow, random, SealedKind::Dht, {});
  REQUIRE(to.open(kNow, datagram));

  datagram[1] = 1;

  CHECK(to.open(kNow, datagram).error() == Error::Undecryptable);
}

TEST_CASE("SealedChannel: knows two rings at most and keeps the one that seals") {
  SealedChannel side = channel(1);
  CHECK_FALSE(side.use_ring(1));
  side.add_ring(1, secret(2));
  side.add_ring(2, secret(3));

  CHECK(side.find_psk(0) != nullptr);
  CHECK(side.find_psk(1) == nullptr);
  CHECK(side.find_psk(2) != nullptr);
  CHECK_FALSE(side.use_ring(1));
  CHECK(side.current_ring() == 0);
}

TEST_CASE("SealedChannel: does not open what a dropped ring sealed") {
  SeededRandom random{22};
  SealedChannel from = channel(1);
  SealedChannel to = channel(2);
  to.add_ring(1, secret(2));
  REQUIRE(to.use_ring(1));
  to.drop_ring(5);  // not there: nothing happens
  REQUIRE(to.open(kNow, from.seal(kNow, random, SealedKind::Dht, {})));

  to.drop_ring(0);

  CHECK(to.open(kNow, from.seal(kNow, random, SealedKind::Dht, {})).error() == Error::Unknown);
}

}  // namespace rove
