#include "core/forward/frame_batch.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/test_packets.h"

namespace rove {
namespace {

constexpr SessionIndex kSession{7};

// Opened to where the batch wants it.
MutableBytes land(FrameBatch& batch, const Bytes& frame, SessionIndex session = kSession) {
  const MutableBytes landed = batch.land(session, frame.size());
  std::copy(frame.begin(), frame.end(), landed.begin());
  return landed;
}

void push(FrameBatch& batch, MutableBytes frame) {
  batch.push(frame, true);
  batch.open_join(kSession, SegmentJoin::begin(frame, parse_frame(frame).value()).value());
}

Bytes frame_at(const FrameBatch& batch, std::size_t i) {
  const BytesView frame = batch.frames()[i].frame;
  return {frame.begin(), frame.end()};
}

}  // namespace

TEST_CASE("FrameBatch: what landed and continues lies in one piece, whatever the headers") {
  for (const PacketShape shape : {PacketShape{}, PacketShape{.tcp = false}, PacketShape{.v4 = false},
                                  PacketShape{.tagged = true, .tcp_options = 0}, PacketShape{.tcp_options = 40}}) {
    CAPTURE(shape.header_size());
    const Bytes whole = transport_packet(shape, 60000, kTcpAck | kTcpPush);
    FrameBatch batch{2};
    bool first = true;
    for (const Bytes& segment : segments_of(whole, 1300)) {
      const MutableBytes landed = land(batch, segment);
      if (first)
        push(batch, batch.settle(landed));
      else
        REQUIRE(batch.append(kSession, landed));
      first = false;
    }
    REQUIRE(batch.frames().size() == 1);
    CHECK(frame_at(batch, 0) == whole);
    CHECK(batch.frames()[0].segment_size == 1300);
    CHECK(batch.frames()[0].place.start == shape.transport_at());
  }
}

TEST_CASE("FrameBatch: what does not continue leaves as it was what it was opened over, and is whole elsewhere") {
  const PacketShape shape;
  const std::vector<Bytes> segments = segments_of(transport_packet(shape, 3000), 1000);
  const Bytes other = transport_packet(shape, 900, kTcpAck, 2);
  FrameBatch batch{2};
  push(batch, batch.settle(land(batch, segments[0])));
  const MutableBytes landed = land(batch, segments[1]);
  REQUIRE(batch.append(kSession, landed));
  const Bytes before = frame_at(batch, 0);

  SUBCASE("it is another flow's") {
    const MutableBytes over = land(batch, other);
    CHECK(frame_at(batch, 0) != before);
    CHECK_FALSE(batch.append(kSession, over));
    const MutableBytes settled = batch.settle(over);
    CHECK(frame_at(batch, 0) == before);
    batch.push(settled, true);
    CHECK(frame_at(batch, 1) == other);
    CHECK(frame_at(batch, 0) == before);
  }
  SUBCASE("it could not be opened") {
    const MutableBytes over = batch.land(kSession, 1400);
    std::fill(over.begin(), over.end(), std::uint8_t{0xee});
    batch.give_up();
    CHECK(frame_at(batch, 0) == before);
    REQUIRE(batch.append(kSession, land(batch, segments[2])));
    CHECK(frame_at(batch, 0) == transport_packet(shape, 3000));
  }
  SUBCASE("it is another session's") {
    const MutableBytes beside = land(batch, segments[2], SessionIndex{8});
    CHECK(frame_at(batch, 0) == before);
    CHECK_FALSE(batch.append(SessionIndex{8}, beside));
    CHECK(batch.settle(beside).data() == beside.data());
  }
}

TEST_CASE("FrameBatch: what was opened elsewhere is copied when it continues") {
  const PacketShape shape{.tcp = false};
  const Bytes whole = transport_packet(shape, 640);
  std::vector<Bytes> segments = segments_of(whole, 64);
  FrameBatch batch{4};
  push(batch, segments[0]);
  CHECK(batch.frames()[0].frame.data() == segments[0].data());
  for (std::size_t i = 1; i < segments.size(); ++i) REQUIRE(batch.append(kSession, segments[i]));
  for (Bytes& segment : segments) std::fill(segment.begin(), segment.end(), std::uint8_t{0});
  CHECK(frame_at(batch, 0) == whole);
}

TEST_CASE("FrameBatch: a frame no longer than its headers is never opened over") {
  const PacketShape shape;
  const std::vector<Bytes> segments = segments_of(transport_packet(shape, 60), 20);
  FrameBatch batch{1};
  push(batch, batch.settle(land(batch, segments[0])));
  REQUIRE(batch.append(kSession, land(batch, segments[1])));
  REQUIRE(batch.append(kSession, land(batch, segments[2])));
  CHECK(frame_at(batch, 0) == transport_packet(shape, 60));
}

TEST_CASE("FrameBatch: without room nothing lands or is joined, and nothing is lost of what is there") {
  const PacketShape shape;
  const std::vector<Bytes> segments = segments_of(transport_packet(shape, 60000), 1400);
  FrameBatch batch{4096};
  while (batch.has_room(1)) {
    const MutableBytes landed = land(batch, segments[0]);
    REQUIRE(!landed.empty());
    push(batch, batch.settle(landed));
  }
  CHECK(FrameBatch::kOctetsMax / segments[0].size() - batch.frames().size() < 100);  // what alignment takes
  Bytes next;
  std::size_t joined = 0;
  for (std::size_t i = 1; i < segments.size(); ++i, ++joined) {
    next = segments[i];
    const MutableBytes landed = batch.land(kSession, next.size());
    if (landed.empty()) break;
    std::copy(next.begin(), next.end(), landed.begin());
    if (!batch.append(kSession, landed)) break;
  }
  CHECK(joined <= 2 * kDatagramSizeMax / 1400);
  CHECK(batch.land(kSession, next.size()).empty());
  CHECK_FALSE(batch.append(kSession, next));
  for (std::size_t i = 0; i + 1 < batch.frames().size(); ++i) CHECK(frame_at(batch, i) == segments[0]);
  CHECK(batch.frames().back().frame.size() == segments[0].size() + joined * 1400);

  batch.clear();
  CHECK(batch.has_room(1));
  CHECK(batch.land(kSession, next.size()).size() == next.size());
}

}  // namespace rove
