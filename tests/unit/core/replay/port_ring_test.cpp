#include "core/replay/port_ring.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/test_packets.h"

namespace rove {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};
const MacAddress kVm{{2, 0, 0, 0, 0, 1}};

PortFrame frame_to(const MacAddress& to, std::uint8_t number, std::size_t size = 60) {
  Bytes frame(size);
  std::copy(to.octets.begin(), to.octets.end(), frame.begin());
  frame[14] = number;
  return {std::move(frame), false};
}

struct Port {
  void see(std::uint8_t first, std::uint8_t last) {
    for (unsigned number = first; number <= last; ++number) {
      ring.push(frame_to(kVm, static_cast<std::uint8_t>(number)));
    }
  }
  void count(std::uint64_t read, std::uint64_t dropped = 0) {
    now += 20ms;
    ring.handle_counters(now, {100 + read, 7 + dropped});
  }
  // The numbers of the frames that are handed over.
  [[nodiscard]] std::string taken(std::uint64_t read = 0) const {
    std::string numbers;
    for (const PortFrame& frame : ring.take(kVm, read).frames) numbers += std::to_string(frame.frame[14]) + " ";
    return numbers;
  }

  PortRing ring{{100, 7}};  // the device had counted before
  TimePoint now = kStart;
};

TEST_CASE("PortRing: the frames that were not read are the last ones") {
  Port port;
  port.see(1, 10);
  port.count(7);

  CHECK(port.ring.unread() == 3);
  CHECK(port.taken() == "8 9 10 ");
  CHECK(port.taken(1) == "7 8 9 10 ");
  CHECK(port.ring.take(kVm, 0).missing == 0);
}

TEST_CASE("PortRing: what a stopped hypervisor has read and not delivered is handed over first") {
  Port port;
  port.see(1, 10);
  port.count(7);

  CHECK(port.ring.undelivered(107) == 0);
  CHECK(port.ring.undelivered(105) == 2);
  CHECK(port.taken(*port.ring.undelivered(105)) == "6 7 8 9 10 ");
}

TEST_CASE("PortRing: a number of delivered frames that no hypervisor can mean is none") {
  Port port;
  port.see(1, 10);
  port.count(7);

  CHECK_FALSE(port.ring.undelivered(104));
  CHECK_FALSE(port.ring.undelivered(108));
}

TEST_CASE("PortRing: frames that came after the counters are unread too") {
  Port port;
  port.see(1, 2);
  port.count(2);
  port.see(3, 4);

  CHECK(port.taken() == "3 4 ");
}

TEST_CASE("PortRing: frames that were queued before the capture began are no frames of ours") {
  Port port;
  port.see(1, 2);
  port.count(5);  // three older ones and ours
  CHECK(port.ring.unread() == 0);
  port.see(3, 6);
  port.count(7);

  CHECK(port.taken() == "5 6 ");
}

TEST_CASE("PortRing: what the device drops after its reader has stopped is unread") {
  Port port;
  port.see(1, 4);
  port.count(4);
  port.see(5, 10);
  port.count(5, 2);  // read one more, then the hypervisor left

  CHECK(port.taken() == "6 7 8 9 10 ");
}

TEST_CASE("PortRing: what the device dropped while it was read does not count") {
  Port port;
  port.see(1, 10);
  port.count(2, 3);
  port.count(4, 3);

  CHECK(port.ring.unread() == 3);
}

TEST_CASE("PortRing: only the VM's own frames are handed over, though all count") {
  Port port;
  port.ring.push(frame_to(kVm, 1));
  port.ring.push(frame_to(MacAddress{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, 2));
  port.ring.push(frame_to(MacAddress{{2, 0, 0, 0, 0, 9}}, 3));
  port.ring.push(frame_to(kVm, 4));
  port.count(0);

  CHECK(port.ring.unread() == 4);
  CHECK(port.taken() == "1 4 ");
}

TEST_CASE("PortRing: frames that the capture lost, or could not keep, are missing") {
  Port port;
  port.see(1, 2);
  port.ring.handle_lost(3);
  port.see(3, 3);
  port.count(1);

  const auto taken = port.ring.take(kVm, 0);
  CHECK(taken.frames.size() == 2);
  CHECK(taken.missing == 3);
}

TEST_CASE("PortRing: keeps what the queue can hold and no more") {
  Port port;
  for (std::size_t i = 0; i < kPortFramesMax + 10; ++i) port.see(1, 1);
  CHECK(port.ring.size() == kPortFramesMax);
  port.count(0);
  CHECK(port.ring.take(kVm, 0).missing == 10);

  PortRing large{{}};
  for (int i = 0; i < 1000; ++i) large.push(frame_to(kVm, 1, 9000));
  CHECK(large.size() == kPortOctetsMax / 9000);
}

TEST_CASE("PortRing: frees what was read, but for the last ones") {
  Port port;
  for (int i = 0; i < 500; ++i) port.see(1, 1);
  port.count(490);
  port.ring.trim();

  CHECK(port.ring.size() == 10 + kPortReadKept);
  CHECK(port.ring.take(kVm, 0).frames.size() == 10);
}

TEST_CASE("PortRing: frames that are never read by anybody do not count for ever") {
  Port port;
  port.ring.push(frame_to(kVm, 0));  // swallowed by a filter of the device: no counter shows it
  std::uint64_t read = 0;
  for (int i = 0; i < 1200; ++i) {
    port.see(1, 1);
    port.count(++read);
  }

  CHECK(port.ring.unread() == 0);
}

TEST_CASE("PortRing: a queue that is not read for long is no error") {
  Port port;
  port.see(1, 5);
  for (int i = 0; i < 1200; ++i) port.count(2);

  CHECK(port.ring.unread() == 3);
}

}  // namespace

TEST_CASE("PortRing: a superframe is one unread frame, and is handed on in segments") {
  const PacketShape shape;
  PortRing ring{{0, 0}};
  const PacketEnds ends;
  ring.push({.frame = transport_packet(shape, 100), .needs_checksum = true});
  ring.push({.frame = transport_packet(shape, 3500), .needs_checksum = true, .segment_size = 1000});
  Bytes damaged = transport_packet(shape, 3500);
  damaged.push_back(0);
  ring.push({.frame = damaged, .needs_checksum = true, .segment_size = 1000});
  ring.handle_counters(TimePoint{}, {1, 0});

  const PortRing::Taken taken = ring.take(ends.to_mac, 0);

  CHECK(ring.unread() == 2);
  CHECK(taken.missing == 1);
  REQUIRE(taken.frames.size() == 4);
  for (const PortFrame& frame : taken.frames) {
    CHECK(frame.needs_checksum);
    CHECK(frame.segment_size == 0);
    CHECK(load_be<std::uint16_t>(&frame.frame[shape.checksum_at()]) == pseudo_sum_of(shape, frame.frame));
  }
  CHECK(taken.frames[3].frame.size() == shape.header_size() + 500);
}

}  // namespace rove
