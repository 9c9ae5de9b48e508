#include "core/node/claim_pusher.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{100}};
const NodeId kPeer = NodeId::from_bytes(Bytes(16, 1));
const NodeId kOther = NodeId::from_bytes(Bytes(16, 2));

SignedClaim claim(std::uint8_t mark, std::uint8_t mac = 1) {
  SignedClaim claim;
  claim.claim.mac = MacAddress{{0x02, 0, 0, 0, 0, mac}};
  claim.encoded = Bytes(8, mark);
  claim.id = RecordId::from_bytes(Bytes(8, mark));
  return claim;
}

}  // namespace

TEST_CASE("ClaimPusher: a push goes out at once and is repeated until acknowledged") {
  ClaimPusher pusher;
  CHECK(pusher.push(kStart, kPeer, claim(1)));

  CHECK(pusher.take_due(kStart).size() == 1);
  CHECK(pusher.take_due(kStart).empty());
  CHECK(pusher.take_due(kStart + kPushIntervals[0]).size() == 1);
  CHECK(pusher.handle_ack(kPeer, claim(1).id) == claim(1).claim.mac);
  CHECK_FALSE(pusher.handle_ack(kPeer, claim(1).id).has_value());

  CHECK(pusher.take_due(kStart + std::chrono::seconds{10}).empty());
  CHECK(pusher.outstanding() == 0);
}

TEST_CASE("ClaimPusher: without an answer it is repeated as long as the session lasts, after ever longer waits") {
  ClaimPusher pusher;
  CHECK(pusher.push(kStart, kPeer, claim(1)));

  std::vector<std::chrono::milliseconds> sent;
  for (std::chrono::milliseconds at{0}; at < std::chrono::minutes{5}; at += std::chrono::milliseconds{10}) {
    if (!pusher.take_due(kStart + at).empty()) sent.push_back(at);
  }

  REQUIRE(sent.size() > 2 * kPushIntervals.size());
  for (std::size_t i = 0; i + 1 < sent.size(); ++i) {
    CHECK(sent[i + 1] - sent[i] == kPushIntervals[std::min(i, kPushIntervals.size() - 1)]);
  }
  CHECK(std::chrono::minutes{5} - sent.back() <= kPushIntervals.back());
  CHECK(pusher.outstanding() == 1);
  CHECK(pusher.abandoned() == 0);

  pusher.forget_peer(kPeer);
  CHECK(pusher.abandoned() == 1);
  CHECK(pusher.take_due(kStart + std::chrono::minutes{6}).empty());
  CHECK_FALSE(pusher.poll_timeout().has_value());
}

TEST_CASE("ClaimPusher: a newer claim of the same MAC replaces the older, an old acknowledgement does not end it") {
  ClaimPusher pusher;
  CHECK(pusher.push(kStart, kPeer, claim(1)));
  CHECK(pusher.take_due(kStart).size() == 1);
  CHECK(pusher.push(kStart + std::chrono::milliseconds{1}, kPeer, claim(2)));
  pusher.handle_ack(kPeer, claim(1).id);

  const std::vector<ClaimPusher::Push> due = pusher.take_due(kStart + std::chrono::milliseconds{1});

  REQUIRE(due.size() == 1);
  CHECK(due[0].record == claim(2).encoded);
  CHECK(pusher.outstanding() == 1);
}

TEST_CASE("ClaimPusher: a peer that may have lost what it was told gets it after the short waits once more") {
  ClaimPusher pusher;
  CHECK(pusher.push(kStart, kPeer, claim(1)));
  CHECK(pusher.push(kStart, kOther, claim(1)));
  std::chrono::milliseconds at{0};
  for (; at < std::chrono::seconds{24}; at += std::chrono::milliseconds{10}) (void)pusher.take_due(kStart + at);

  pusher.restart(kStart + at, kPeer);

  const std::vector<ClaimPusher::Push> due = pusher.take_due(kStart + at);
  REQUIRE(due.size() == 1);
  CHECK(due[0].peer == kPeer);
  CHECK(pusher.poll_timeout() == kStart + at + kPushIntervals[0]);
  std::size_t repeated = 0;
  for (const std::chrono::milliseconds end = at + std::chrono::seconds{4}; at < end;
       at += std::chrono::milliseconds{10}) {
    for (const ClaimPusher::Push& push : pusher.take_due(kStart + at)) repeated += push.peer == kPeer ? 1U : 0U;
  }
  CHECK(repeated == 6);
  CHECK(pusher.outstanding() == 2);
}

TEST_CASE("ClaimPusher: peers are acknowledged and forgotten separately") {
  ClaimPusher pusher;
  CHECK(pusher.push(kStart, kPeer, claim(1)));
  CHECK(pusher.push(kStart, kOther, claim(1)));
  CHECK(pusher.push(kStart, kOther, claim(3, 2)));
  CHECK(pusher.take_due(kStart).size() == 3);

  pusher.handle_ack(kPeer, claim(1).id);
  CHECK(pusher.outstanding() == 2);
  pusher.forget_peer(kOther);

  CHECK(pusher.outstanding() == 0);
  CHECK(pusher.take_due(kStart + std::chrono::seconds{10}).empty());
}

}  // namespace rove
