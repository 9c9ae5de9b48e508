#include "core/forward/frame_backlog.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <vector>

#include "tests/support/allocation_counter.h"
#include "tests/support/test_packets.h"

namespace rove {
namespace {

Bytes tcp_frame(std::uint16_t port, std::size_t payload, std::uint8_t number = 0) {
  const PacketShape shape;
  Bytes frame = transport_packet(shape, payload + 1);
  store_be(&frame[shape.transport_at()], port);
  frame.back() = number;
  return frame;
}

void put(FrameBacklog& backlog, const Bytes& frame, std::uint16_t segment_size = 0) {
  std::copy(frame.begin(), frame.end(), backlog.buffer().begin());
  backlog.push(frame.size(), {.segment_size = segment_size});
}

// The last octet of each frame that comes out.
std::vector<int> take_all(FrameBacklog& backlog) {
  std::vector<int> numbers;
  while (const auto frame = backlog.pop()) numbers.push_back(frame->octets.back());
  return numbers;
}

}  // namespace

TEST_CASE("FrameBacklog: a small flow goes ahead of a large one") {
  FrameBacklog backlog;
  put(backlog, tcp_frame(1, 30000, 1), 1300);
  put(backlog, tcp_frame(1, 30000, 2), 1300);
  put(backlog, tcp_frame(2, 100, 3));
  put(backlog, tcp_frame(1, 30000, 4), 1300);
  put(backlog, tcp_frame(3, 100, 5));

  CHECK(take_all(backlog) == std::vector{3, 5, 1, 2, 4});
  CHECK(backlog.empty());
}

TEST_CASE("FrameBacklog: no frame overtakes one of its own flow, whatever their sizes") {
  SeededRandom random{7};
  FrameBacklog backlog;
  std::map<int, int> last;  // by port
  std::uint8_t number = 0;
  int taken = 0;
  for (int round = 0; round < 200; ++round) {
    const std::size_t pushes = random.below(40);
    for (std::size_t i = 0; i < pushes && !backlog.full(); ++i) {
      Bytes frame = tcp_frame(static_cast<std::uint16_t>(random.below(4)), random.below(2) == 0 ? 50 : 1300);
      store_be(&frame[frame.size() - 2], ++number);
      frame.back() = number;
      put(backlog, frame);
    }
    const std::size_t pops = random.below(40);
    for (std::size_t i = 0; i < pops; ++i) {
      const auto frame = backlog.pop();
      if (!frame) break;
      const int port = load_be<std::uint16_t>(&frame->octets[34]);
      const auto step = static_cast<std::uint8_t>(frame->octets.back() - last[port]);
      CHECK(step < 128);
      last[port] = frame->octets.back();
      ++taken;
    }
  }
  CHECK(taken > 1000);
}

TEST_CASE("FrameBacklog: a flood of small frames goes ahead in part only") {
  FrameBacklog backlog;
  put(backlog, tcp_frame(1, 30000, 100), 1300);
  for (std::uint8_t i = 0; i < 20; ++i) put(backlog, tcp_frame(2, 50, i));

  const std::vector<int> numbers = take_all(backlog);

  REQUIRE(numbers.size() == 21);
  CHECK(numbers[FrameBacklog::kAheadMax] == 100);
  std::vector<int> flood = numbers;
  flood.erase(std::find(flood.begin(), flood.end(), 100));
  CHECK(std::is_sorted(flood.begin(), flood.end()));
}

TEST_CASE("FrameBacklog: it is full at its limit, and its buffers come back") {
  FrameBacklog backlog{4};
  for (int round = 0; round < 10; ++round) {
    for (std::uint8_t i = 0; i < 4; ++i) {
      REQUIRE_FALSE(backlog.full());
      put(backlog, tcp_frame(i, 50, i));
    }
    CHECK(backlog.full());
    CHECK(take_all(backlog) == std::vector{0, 1, 2, 3});
    CHECK(backlog.empty());
  }
}

TEST_CASE("FrameBacklog: what was left to be done comes out with the frame") {
  FrameBacklog backlog;
  const TapOffload offload{.needs_checksum = true, .checksum_start = 34, .checksum_offset = 16, .segment_size = 1300};
  const Bytes frame = tcp_frame(1, 5000);
  std::copy(frame.begin(), frame.end(), backlog.buffer().begin());
  backlog.push(frame.size(), offload);

  const auto popped = backlog.pop();

  REQUIRE(popped);
  CHECK(popped->offload == offload);
  CHECK(Bytes{popped->octets.begin(), popped->octets.end()} == frame);
}

TEST_CASE("FrameBacklog: nothing is allocated after its construction") {
  FrameBacklog backlog;
  const Bytes frame = tcp_frame(1, 1000);
  const AllocationCounter allocations;
  for (int i = 0; i < 1000; ++i) {
    put(backlog, frame);
    put(backlog, frame, 500);
    while (backlog.pop()) {
    }
  }
  CHECK(allocations.count() == 0);
}

TEST_CASE("flow_of: TCP by ports, other IP by protocol, fragments with what they are of, the rest by MACs") {
  CHECK(flow_of(tcp_frame(1, 10)) == flow_of(tcp_frame(1, 2000)));
  CHECK(flow_of(tcp_frame(1, 10)) != flow_of(tcp_frame(2, 10)));
  CHECK(flow_of(with_vlan_tag(tcp_frame(1, 10), 5)) == flow_of(tcp_frame(1, 10)));
  const Bytes udp = transport_packet({.tcp = false}, 100);
  Bytes other_port = udp;
  other_port[35] ^= 1;
  Bytes fragment = udp;
  fragment[20] = 0x20;
  CHECK(flow_of(udp) == flow_of(other_port));
  CHECK(flow_of(udp) == flow_of(fragment));
  CHECK(flow_of(udp) != flow_of(tcp_frame(1, 100)));
  const Bytes v6 = transport_packet({.v4 = false}, 100);
  Bytes other_v6 = v6;
  other_v6[55] ^= 1;  // a port
  CHECK(flow_of(v6) != flow_of(other_v6));
  const PacketShape udp6{.v4 = false, .tcp = false};
  const Bytes whole6 = transport_packet(udp6, 100);
  Bytes fragment6 = whole6;
  const Bytes fragment_header{17, 0, 0, 1, 0, 0, 0, 7};
  fragment6[20] = 44;
  fragment6.insert(fragment6.begin() + 54, fragment_header.begin(), fragment_header.end());
  CHECK(flow_of(fragment6) == flow_of(whole6));
  CHECK(flow_of(fragment6) != flow_of(v6));
  // Anything cut short has one, too.
  for (std::size_t size = 0; size < 60; ++size) {
    (void)flow_of(BytesView{v6}.first(size));
    (void)flow_of(BytesView{udp}.first(std::min(size, udp.size())));
  }
}

}  // namespace rove
