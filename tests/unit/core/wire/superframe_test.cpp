#include "core/wire/superframe.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/wire/checksum.h"
#include "tests/support/test_packets.h"

namespace rove {
namespace {

std::optional<Error> failure_of(Bytes frame, std::size_t segment_size) {
  const auto segmenter = Segmenter::make(frame, *parse_frame(frame, kSuperframeSizeMax), segment_size);
  if (segmenter) return std::nullopt;
  for (const Error error : {Error::Malformed, Error::TooLarge, Error::Truncated}) {
    if (segmenter.error() == error) return error;
  }
  return std::nullopt;
}

// Joins what can be joined; the frames that a TAP would get.
std::vector<Bytes> join(const std::vector<Bytes>& frames) {
  std::vector<Bytes> joined;
  Bytes first;
  Bytes rest;
  std::optional<SegmentJoin> current;
  const auto finish = [&] {
    if (first.empty()) return;
    first.insert(first.end(), rest.begin(), rest.end());
    joined.push_back(first);
  };
  for (const Bytes& frame : frames) {
    if (current) {
      const BytesView payload = current->append(frame);
      rest.insert(rest.end(), payload.begin(), payload.end());
      if (!payload.empty()) continue;
    }
    finish();
    first = frame;
    rest.clear();
    current = SegmentJoin::begin(first, *parse_frame(first));
  }
  finish();
  return joined;
}

const std::vector<PacketShape> kShapes{
    {.v4 = true, .tcp = true},   {.v4 = true, .tcp = false},   {.v4 = false, .tcp = true},
    {.v4 = false, .tcp = false}, {.v4 = true, .tagged = true}, {.v4 = true, .tcp_options = 0},
};

}  // namespace

TEST_CASE("Segmenter: every segment is a packet of its own with true headers, and together they have all the data") {
  for (const PacketShape& shape : kShapes) {
    CAPTURE(shape.v4);
    CAPTURE(shape.tcp);
    const Bytes whole = transport_packet(shape, 5000, kTcpAck | kTcpPush);
    const std::vector<Bytes> segments = segments_of(whole, 1300);
    REQUIRE(segments.size() == 4);

    Bytes data;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      Bytes segment = segments[i];
      const std::size_t head = shape.header_size();
      CHECK(segment.size() == head + (i < 3 ? 1300 : 1100));
      const BytesView ip = BytesView{segment}.subspan(shape.ip_at());
      if (shape.v4) {
        CHECK(internet_checksum({ip.first(20)}) == 0);
        CHECK(load_be<std::uint16_t>(&ip[2]) == ip.size());
        CHECK(load_be<std::uint16_t>(&ip[4]) == static_cast<std::uint16_t>(kFirstId + i));
      } else {
        CHECK(load_be<std::uint16_t>(&ip[4]) == ip.size() - 40);
      }
      const std::uint8_t* transport = &segment[shape.transport_at()];
      if (shape.tcp) {
        CHECK(load_be<std::uint32_t>(transport + 4) == static_cast<std::uint32_t>(kFirstSequence + 1300 * i));
        CHECK(transport[13] == (i < 3 ? kTcpAck : kTcpAck | kTcpPush));
      } else {
        CHECK(load_be<std::uint16_t>(transport + 4) == segment.size() - shape.transport_at());
      }
      CHECK(load_be<std::uint16_t>(&segment[shape.checksum_at()]) == pseudo_sum_of(shape, segment));
      REQUIRE(parse_frame(segment));
      data.insert(data.end(), segment.begin() + static_cast<std::ptrdiff_t>(head), segment.end());
    }
    CHECK(data == Bytes(whole.begin() + static_cast<std::ptrdiff_t>(shape.header_size()), whole.end()));
  }
}

TEST_CASE("Segmenter: FIN and PSH are on the last segment, CWR is on the first") {
  const PacketShape shape;
  const std::vector<Bytes> segments =
      segments_of(transport_packet(shape, 3000, kTcpAck | kTcpFin | kTcpPush | kTcpWindowReduced), 1000);

  REQUIRE(segments.size() == 3);
  CHECK(segments[0][shape.transport_at() + 13] == (kTcpAck | kTcpWindowReduced));
  CHECK(segments[1][shape.transport_at() + 13] == kTcpAck);
  CHECK(segments[2][shape.transport_at() + 13] == (kTcpAck | kTcpFin | kTcpPush));
}

TEST_CASE("Segmenter: the largest packet, and one that is no larger than a segment") {
  const PacketShape shape;
  CHECK(segments_of(transport_packet(shape, 65535 - 52), 1348).size() == 49);
  const Bytes small = transport_packet(shape, 100);
  const std::vector<Bytes> one = segments_of(small, 1348);
  REQUIRE(one.size() == 1);
  CHECK(one[0] == small);
}

TEST_CASE("Segmenter: what contradicts itself is refused") {
  const PacketShape shape;
  const Bytes good = transport_packet(shape, 3000);
  CHECK(failure_of(good, 0) == Error::Malformed);
  CHECK(failure_of(transport_packet(shape, 0), 1000) == Error::Malformed);
  CHECK(failure_of(transport_packet(shape, kSegmentsMax + 1), 1) == Error::TooLarge);
  CHECK_FALSE(failure_of(transport_packet(shape, kSegmentsMax), 1));

  // A guest may say anything: no segment is larger than a frame.
  const PacketShape datagram{.tcp = false};
  const std::size_t largest = kFrameSizeMax - datagram.header_size();
  CHECK_FALSE(failure_of(transport_packet(datagram, 30000), largest));
  CHECK(failure_of(transport_packet(datagram, 30000), largest + 1) == Error::TooLarge);
  CHECK(failure_of(transport_packet(datagram, 30000), 65535) == Error::TooLarge);
  CHECK_FALSE(failure_of(transport_packet(datagram, 1000), 65535));

  Bytes padded = good;
  padded.push_back(0);
  CHECK(failure_of(padded, 1000) == Error::Malformed);
  Bytes fragment = good;
  fragment[14 + 6] = 0x20;
  CHECK(failure_of(fragment, 1000) == Error::Malformed);
  Bytes icmp = good;
  icmp[14 + 9] = 1;
  CHECK(failure_of(icmp, 1000) == Error::Malformed);
  Bytes udp = transport_packet({.tcp = false}, 3000);
  udp[14 + 20 + 5] ^= 1;  // its own length
  CHECK(failure_of(udp, 1000) == Error::Malformed);
}

TEST_CASE("SegmentJoin: what was cut becomes what it was, to the octet") {
  for (const PacketShape& shape : kShapes) {
    for (const std::size_t size : {1301U, 2600U, 5000U, 60000U}) {
      CAPTURE(shape.v4);
      CAPTURE(shape.tcp);
      CAPTURE(size);
      const Bytes whole = transport_packet(shape, size, kTcpAck | kTcpPush, size);
      const std::vector<Bytes> joined = join(segments_of(whole, 1300));
      REQUIRE(joined.size() == 1);
      CHECK(joined[0] == whole);
    }
  }
}

TEST_CASE("SegmentJoin: a lost segment ends one and begins another") {
  const PacketShape shape;
  const Bytes whole = transport_packet(shape, 10 * 1000);
  std::vector<Bytes> segments = segments_of(whole, 1000);
  segments.erase(segments.begin() + 4);

  const std::vector<Bytes> joined = join(segments);

  REQUIRE(joined.size() == 2);
  CHECK(joined[0].size() == shape.header_size() + 4000);
  CHECK(joined[1].size() == shape.header_size() + 5000);
  for (const Bytes& frame : joined) {
    CHECK(load_be<std::uint16_t>(&frame[shape.checksum_at()]) == pseudo_sum_of(shape, frame));
    CHECK(internet_checksum({BytesView{frame}.subspan(14, 20)}) == 0);
  }
}

TEST_CASE("SegmentJoin: a short segment, FIN and PSH end it") {
  const PacketShape shape;
  std::vector<Bytes> segments = segments_of(transport_packet(shape, 5000), 1000);
  SUBCASE("PSH") {
    segments[2][shape.transport_at() + 13] |= kTcpPush;
  }
  SUBCASE("FIN") {
    segments[2][shape.transport_at() + 13] |= kTcpFin;
  }

  const std::vector<Bytes> joined = join(segments);

  REQUIRE(joined.size() == 2);
  CHECK(joined[0].size() == shape.header_size() + 3000);
}

TEST_CASE("SegmentJoin: nothing follows a segment that is no plain data") {
  const PacketShape shape;
  for (const int flags :
       {kTcpAck | kTcpPush, kTcpAck | kTcpFin, +kTcpSyn, kTcpAck | kTcpSyn, kTcpAck | kTcpWindowReduced, 0}) {
    const Bytes frame = transport_packet(shape, 1000, static_cast<std::uint8_t>(flags));
    Bytes first = frame;
    CHECK_FALSE(SegmentJoin::begin(first, *parse_frame(first)));
  }
  Bytes empty = transport_packet(shape, 0);
  CHECK_FALSE(SegmentJoin::begin(empty, *parse_frame(empty)));
  Bytes padded = transport_packet(shape, 100);
  padded.push_back(0);
  CHECK_FALSE(SegmentJoin::begin(padded, *parse_frame(padded)));
}

TEST_CASE("SegmentJoin: one octet of difference in any header field that must not change is enough") {
  for (const PacketShape& shape : kShapes) {
    const std::vector<Bytes> segments = segments_of(transport_packet(shape, 4000), 1000);
    // IPv4's checksum is not looked at: it is written anew.
    const std::size_t ip_checksum = shape.v4 ? shape.ip_at() + 10 : 0;
    for (std::size_t at = 0; at < shape.header_size(); ++at) {
      if (at == shape.checksum_at() || at == shape.checksum_at() + 1) continue;
      if (shape.v4 && (at == ip_checksum || at == ip_checksum + 1)) continue;
      CAPTURE(at);
      Bytes first = segments[0];
      auto join = SegmentJoin::begin(first, *parse_frame(first));
      REQUIRE(join);
      Bytes second = segments[1];
      second[at] ^= 0x04;

      CHECK(join->append(second).empty());
      CHECK(first == segments[0]);
      CHECK_FALSE(join->append(segments[1]).empty());
    }
  }
}

TEST_CASE("SegmentJoin: never more than an IP packet holds") {
  const PacketShape shape{.tcp = false};
  std::vector<Bytes> datagrams(64, transport_packet(shape, 1400));
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    store_be(&datagrams[i][18], static_cast<std::uint16_t>(kFirstId + i));
  }

  const std::vector<Bytes> joined = join(datagrams);

  REQUIRE(joined.size() == 2);
  CHECK(joined[0].size() == shape.header_size() + 46 * 1400);
}

TEST_CASE("SegmentJoin: no more datagrams of UDP than every kernel takes in one piece") {
  const PacketShape shape{.tcp = false};
  std::vector<Bytes> datagrams(150, transport_packet(shape, 100));
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    store_be(&datagrams[i][18], static_cast<std::uint16_t>(kFirstId + i));
  }

  const std::vector<Bytes> joined = join(datagrams);

  REQUIRE(joined.size() == 3);
  CHECK(joined[0].size() == shape.header_size() + kJoinedDatagramsMax * 100);
  CHECK(joined[2].size() == shape.header_size() + (150 - 2 * kJoinedDatagramsMax) * 100);
}

TEST_CASE("SegmentJoin: cut to any size it never reads past a frame") {
  const PacketShape shape;
  const std::vector<Bytes> segments = segments_of(transport_packet(shape, 2000), 1000);
  Bytes first = segments[0];
  auto join = SegmentJoin::begin(first, *parse_frame(first));
  REQUIRE(join);
  for (std::size_t size = 0; size < segments[1].size(); ++size) {
    const Bytes cut(segments[1].begin(), segments[1].begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(join->append(cut).empty());
  }
}

}  // namespace rove
