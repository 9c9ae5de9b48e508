#include "core/forward/peer_traffic.h"

#include <doctest/doctest.h>

#include <ostream>

#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

// A pair whose session counts at both ends.
struct Counted : Pair {
  explicit Counted(ForwarderConfig config = {}) : Pair(AeadAlgorithm::ChaCha20Poly1305, config, config) {
    session = maker.make(a, b);
    session.first.traffic = at_a;
    session.second.traffic = at_b;
    SessionMaker::put(a, session.first);
    SessionMaker::put(b, session.second);
  }

  std::shared_ptr<PeerTraffic> at_a = std::make_shared<PeerTraffic>();
  std::shared_ptr<PeerTraffic> at_b = std::make_shared<PeerTraffic>();
};

TEST_CASE("PeerTraffic: a frame counts where it is sealed and where it is opened, with its datagram's octets") {
  Counted pair;
  const Bytes frame = pair.frame();

  const Bytes datagram = pair.sealed(frame);
  pair.b.take_datagram(pair.a.endpoint, datagram);

  CHECK(datagram.size() == frame.size() + kDataOverhead);
  CHECK(pair.at_a->counts() == PeerTrafficCounts{.frames_out = 1, .octets_out = datagram.size()});
  CHECK(pair.at_b->counts() == PeerTrafficCounts{.frames_in = 1, .octets_in = datagram.size()});
}

TEST_CASE("PeerTraffic: frames that share a datagram are counted each, its octets once") {
  Counted pair{{.packs = true}};
  pair.a.sent.clear();
  for (int i = 0; i < 3; ++i) pair.a.add_frame(pair.frame());
  pair.a.forwarder.flush(pair.a.sent);
  REQUIRE(pair.a.sent.slots().size() == 1);
  const std::size_t size = pair.a.sent.slots()[0].size;

  pair.b.take_datagram_of(pair.a);

  CHECK(pair.at_a->counts() == PeerTrafficCounts{.frames_out = 3, .octets_out = size});
  CHECK(pair.at_b->counts() == PeerTrafficCounts{.frames_in = 3, .octets_in = size});
}

TEST_CASE("PeerTraffic: a marker is octets without a frame") {
  Counted pair;
  pair.a.sent.clear();
  pair.a.forwarder.handle_command(pair.a.now, SendMarker{pair.b.id, {MarkerKind::ReplayEnd, pair.vm_b, pair.a.id}},
                                  pair.a.sent);
  REQUIRE(pair.a.sent.slots().size() == 1);

  CHECK(pair.at_a->counts().frames_out == 0);
  CHECK(pair.at_a->counts().octets_out == pair.a.sent.slots()[0].size);
}

TEST_CASE("PeerTraffic: what a peer sent in vain is a drop of its, what a stranger sent is nobody's") {
  Counted pair;
  const Bytes datagram = pair.sealed(pair.frame());
  pair.b.take_datagram(pair.a.endpoint, datagram);

  pair.b.take_datagram(pair.a.endpoint, datagram);  // replayed
  CHECK(pair.at_b->counts().drops_in == 1);
  Bytes damaged = pair.sealed(pair.frame());
  damaged.back() ^= 1;
  pair.b.take_datagram(pair.a.endpoint, damaged);
  CHECK(pair.at_b->counts().drops_in == 2);
  CHECK(pair.at_b->counts().frames_in == 1);

  Bytes unknown = pair.sealed(pair.frame());
  unknown[4] ^= 0x55;  // of no session
  pair.b.take_datagram(pair.a.endpoint, unknown);
  CHECK(pair.b.drops(DropReason::UnknownSession) + pair.b.drops(DropReason::Malformed) == 1);
  CHECK(pair.at_b->counts().drops_in == 2);
}

TEST_CASE("PeerTraffic: a session whose peer nobody counts works as well") {
  Pair pair;
  pair.b.take_datagram(pair.a.endpoint, pair.sealed(pair.frame()));
  CHECK(pair.b.delivered.frames().size() == 1);
}

}  // namespace
}  // namespace rove
