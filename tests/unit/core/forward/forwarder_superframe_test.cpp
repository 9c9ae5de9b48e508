// Superframes, partial checksums and packed frames: from one host's TAP to the other's.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <ostream>
#include <vector>

#include "tests/support/allocation_counter.h"
#include "tests/support/test_packets.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

const ForwarderConfig kAll{.packs = true, .joins_tcp = true, .joins_udp = true};

// Two hosts whose TAPs do all of it. Unlike Host's, datagrams of one batch stay until the next one.
struct Lab : Pair {
  explicit Lab(const ForwarderConfig& config_of_b = kAll) : Pair(AeadAlgorithm::Aes256Gcm, kAll, config_of_b) {
    ends = {vm_a, vm_b, ip_a, ip_b, ip6_a, ip6_b};
  }

  [[nodiscard]] Bytes packet(const PacketShape& shape, std::size_t payload, std::uint8_t flags = kTcpAck) const {
    return transport_packet(shape, payload, flags, payload, ends);
  }

  void deliver_all() { deliver(a.sent); }
  void deliver(const DatagramBatch& batch) {
    b.delivered.clear();
    datagrams.clear();
    for (const DatagramBatch::Slot& slot : batch.slots()) {
      Bytes& datagram = datagrams.emplace_back(slot.bytes().begin(), slot.bytes().end());
      b.forwarder.handle_datagram(b.now, a.endpoint, datagram, b.delivered, b.relayed);
    }
  }

  [[nodiscard]] std::vector<Bytes> delivered() const {
    std::vector<Bytes> frames;
    for (const FrameBatch::Entry& entry : b.delivered.frames()) {
      frames.emplace_back(entry.frame.begin(), entry.frame.end());
    }
    return frames;
  }

  PacketEnds ends;
  std::deque<Bytes> datagrams;
};

TapOffload superframe_of(const PacketShape& shape, std::uint16_t segment_size) {
  return {.needs_checksum = true,
          .checksum_start = static_cast<std::uint16_t>(shape.transport_at()),
          .checksum_offset = static_cast<std::uint16_t>(shape.checksum_at() - shape.transport_at()),
          .segment_size = segment_size};
}

TapOffload partial_checksum_of(const PacketShape& shape) {
  return superframe_of(shape, 0);
}

std::uint8_t flags_of(const DatagramBatch::Slot& slot) {
  return parse_header(slot.bytes())->flags;
}

}  // namespace

TEST_CASE("Forwarder: a superframe crosses the network in frames that fit, and is whole at the other side") {
  for (const PacketShape shape : {PacketShape{}, PacketShape{.tcp = false}, PacketShape{.v4 = false},
                                  PacketShape{.v4 = false, .tcp = false}, PacketShape{.tagged = true}}) {
    CAPTURE(shape.v4);
    CAPTURE(shape.tcp);
    Lab lab;
    const Bytes frame = lab.packet(shape, 60000, kTcpAck | kTcpPush);

    lab.a.take_frame(frame, superframe_of(shape, 1300));
    const auto slots = lab.a.sent.slots();
    REQUIRE(slots.size() == 47);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const Header header = *parse_header(slots[i].bytes());
      CHECK(header.index == i);
      CHECK(header.flags == (kFlagNeedsChecksum | kFlagSuperframe | (i == 46 ? kFlagLast : 0)));
      CHECK(slots[i].size <= 1300 + shape.header_size() + kDataOverhead);
    }
    lab.deliver_all();

    REQUIRE(lab.delivered() == std::vector<Bytes>{frame});
    const FrameBatch::Entry& entry = lab.b.delivered.frames()[0];
    CHECK(entry.needs_checksum);
    CHECK(entry.segment_size == 1300);
    CHECK(entry.place.start == shape.transport_at());
    CHECK(lab.a.all_drops() + lab.b.all_drops() == 0);
    CHECK(lab.b.forwarder.counters().frames_out == 47);
  }
}

TEST_CASE("Forwarder: a TAP that takes no superframes gets every segment as a frame of its own") {
  for (const bool udp : {false, true}) {
    Lab lab{ForwarderConfig{.joins_tcp = udp, .joins_udp = false}};
    const PacketShape shape{.tcp = !udp};

    lab.a.take_frame(lab.packet(shape, 4000), superframe_of(shape, 1000));
    lab.deliver_all();

    REQUIRE(lab.b.delivered.frames().size() == 4);
    for (const FrameBatch::Entry& entry : lab.b.delivered.frames()) {
      CHECK(entry.segment_size == 0);
      CHECK(entry.needs_checksum);
      CHECK(load_be<std::uint16_t>(&entry.frame[shape.checksum_at()]) == pseudo_sum_of(shape, entry.frame));
    }
  }
}

TEST_CASE("Forwarder: what goes where the kernel's segments do not arrive says so") {
  for (const bool segments : {true, false}) {
    CAPTURE(segments);
    Lab lab;
    for (auto& [index, session] : lab.a.snapshot.sessions) session.segments = segments;
    lab.a.publish();
    const PacketShape shape{};
    lab.a.take_frame(lab.packet(shape, 4000, kTcpAck), superframe_of(shape, 1300));
    REQUIRE(lab.a.sent.slots().size() == 4);
    for (const DatagramBatch::Slot& slot : lab.a.sent.slots()) CHECK(slot.alone != segments);
  }
}

TEST_CASE("Forwarder: lost and reordered segments of a superframe cost nothing but themselves") {
  Lab lab;
  const PacketShape shape;
  lab.a.take_frame(lab.packet(shape, 8000), superframe_of(shape, 1000));
  DatagramBatch others{16};
  for (const std::size_t i : {0U, 1U, 2U, 4U, 3U, 6U, 7U}) {  // 5 is lost
    DatagramBatch::Slot& slot = others.next();
    const BytesView datagram = lab.a.sent.slots()[i].bytes();
    std::copy(datagram.begin(), datagram.end(), slot.data);
    slot.size = datagram.size();
    others.commit();
  }

  lab.deliver(others);

  std::vector<std::size_t> payloads;
  for (const Bytes& frame : lab.delivered()) payloads.push_back((frame.size() - shape.header_size()) / 1000);
  CHECK(payloads == std::vector<std::size_t>{3, 1, 1, 2});
  CHECK(lab.b.all_drops() == 0);
}

TEST_CASE("Forwarder: TCP's segments are cut to what the network takes, UDP's datagrams are not changed") {
  Lab lab;
  const PacketShape tcp;
  const PacketShape udp{.tcp = false};

  lab.a.take_frame(lab.packet(tcp, 10000), superframe_of(tcp, 1448));
  for (const DatagramBatch::Slot& slot : lab.a.sent.slots()) CHECK(slot.size <= 1400 + 14 + kDataOverhead);
  lab.a.take_frame(lab.packet(udp, 3000), superframe_of(udp, 1472));

  REQUIRE(lab.a.sent.slots().size() == 3);
  CHECK(lab.a.sent.slots()[0].size == 1472 + udp.header_size() + kDataOverhead);
}

TEST_CASE("Forwarder: what of a superframe the control thread has to see is whole frames with complete checksums") {
  Lab lab;
  const PacketShape shape;
  lab.a.snapshot.vms.erase(lab.vm_b);
  lab.a.publish();

  lab.a.take_frame(lab.packet(shape, 4000), superframe_of(shape, 1000));

  CHECK(lab.a.sent.empty());
  const auto punted = lab.a.take_events_of<PuntedFrame>();
  REQUIRE(punted.size() == 4);
  for (const PuntedFrame& event : punted) {
    const BytesView frame{event.frame};
    Bytes pseudo;
    Writer to{pseudo};
    to.write_bytes(frame.subspan(26, 8));
    to.write(std::uint16_t{6});
    to.write(static_cast<std::uint16_t>(frame.size() - 34));
    CHECK(internet_checksum({pseudo, frame.subspan(34)}) == 0);
  }
}

TEST_CASE("Forwarder: a superframe that contradicts itself is dropped and counted") {
  Lab lab;
  const PacketShape shape;
  Bytes frame = lab.packet(shape, 4000);
  frame.push_back(0);

  lab.a.take_frame(frame, superframe_of(shape, 1000));
  lab.a.take_frame(ipv4_frame(lab.vm_b, lab.vm_a, lab.ip_a, lab.ip_b, Bytes(4000), 1), superframe_of(shape, 1000));

  // Segments that would be larger than any datagram.
  const PacketShape udp{.tcp = false};
  lab.a.take_frame(lab.packet(udp, 60000), superframe_of(udp, 30000));

  CHECK(lab.a.sent.empty());
  CHECK(lab.a.drops(DropReason::BadFrame) == 3);
}

TEST_CASE("Forwarder: a partial checksum travels as such, and is completed for the control thread") {
  Lab lab;
  const PacketShape shape{.tcp = false};
  const Bytes frame = lab.packet(shape, 1000);

  lab.a.take_frame(frame, partial_checksum_of(shape));
  REQUIRE(lab.a.sent.slots().size() == 1);
  CHECK(flags_of(lab.a.sent.slots()[0]) == kFlagNeedsChecksum);
  lab.deliver_all();
  CHECK(lab.delivered() == std::vector<Bytes>{frame});
  CHECK(lab.b.delivered.frames()[0].needs_checksum);

  Bytes completed = frame;
  REQUIRE(complete_checksum(completed));
  lab.a.snapshot.vms.erase(lab.vm_b);
  lab.a.publish();
  lab.a.take_frame(frame, partial_checksum_of(shape));
  const auto punted = lab.a.take_events_of<PuntedFrame>();
  REQUIRE(punted.size() == 1);
  CHECK(punted[0].frame == completed);
}

TEST_CASE("Forwarder: a checksum at another place than TCP's and UDP's is completed before it leaves") {
  Lab lab;
  Bytes payload(1000, 0x11);
  store_be(&payload[6], std::uint16_t{0});
  const Bytes frame = ipv4_frame(lab.vm_b, lab.vm_a, lab.ip_a, lab.ip_b, payload, 47);

  lab.a.take_frame(frame, {.needs_checksum = true, .checksum_start = 34 + 4, .checksum_offset = 2});
  REQUIRE(lab.a.sent.slots().size() == 1);
  CHECK(flags_of(lab.a.sent.slots()[0]) == 0);
  lab.deliver_all();

  REQUIRE(lab.delivered().size() == 1);
  CHECK(internet_checksum({BytesView{lab.delivered()[0]}.subspan(38)}) == 0);
  // One that points out of the frame is left as it is.
  lab.a.take_frame(frame, {.needs_checksum = true, .checksum_start = 65535, .checksum_offset = 65535});
  CHECK(lab.a.sent.slots().size() == 1);
}

TEST_CASE("Forwarder: small frames to one peer share a datagram, in their order; a lone one has its own") {
  Lab lab;
  std::vector<Bytes> frames;
  for (std::uint8_t i = 0; i < 10; ++i) {
    frames.push_back(ipv4_frame(lab.vm_b, lab.vm_a, lab.ip_a, lab.ip_b, Bytes(20, i)));
  }
  lab.a.sent.clear();
  for (const Bytes& frame : frames) lab.a.add_frame(frame);
  CHECK(lab.a.sent.empty());
  lab.a.forwarder.flush(lab.a.sent);
  REQUIRE(lab.a.sent.slots().size() == 1);
  CHECK(flags_of(lab.a.sent.slots()[0]) == kFlagPacked);
  lab.deliver_all();
  CHECK(lab.delivered() == frames);

  lab.a.take_frame(frames[0]);
  REQUIRE(lab.a.sent.slots().size() == 1);
  CHECK(flags_of(lab.a.sent.slots()[0]) == 0);
  CHECK(lab.a.sent.slots()[0].size == frames[0].size() + kDataOverhead);
}

TEST_CASE("Forwarder: a pack is no larger than the largest frame, and nothing overtakes what waits in it") {
  Lab lab;
  std::vector<Bytes> frames;
  for (std::uint8_t i = 0; i < 60; ++i) {
    const std::size_t size = i % 9 == 0 ? 1200 : 10 + i;
    frames.push_back(ipv4_frame(lab.vm_b, lab.vm_a, lab.ip_a, lab.ip_b, Bytes(size, i)));
  }

  lab.a.sent.clear();
  for (const Bytes& frame : frames) lab.a.add_frame(frame);
  lab.a.forwarder.flush(lab.a.sent);

  CHECK(lab.a.sent.slots().size() < frames.size() / 2);
  for (const DatagramBatch::Slot& slot : lab.a.sent.slots()) CHECK(slot.size <= 1400 + 18 + kDataOverhead);
  lab.deliver_all();
  CHECK(lab.delivered() == frames);
}

TEST_CASE("Forwarder: small frames to two peers do not share a datagram") {
  Lab lab;
  Host c{3};
  lab.maker.connect(lab.a, c);
  const MacAddress vm_c = mac_of("02:00:5e:10:00:0c");
  lab.a.snapshot.vms[vm_c] = remote_vm(c, {ip_of("10.77.0.12")});
  lab.a.publish();
  lab.a.sent.clear();

  for (int i = 0; i < 3; ++i) {
    lab.a.add_frame(lab.frame());
    lab.a.add_frame(ipv4_frame(vm_c, lab.vm_a, lab.ip_a, ip_of("10.77.0.12"), Bytes(20)));
  }
  lab.a.forwarder.flush(lab.a.sent);

  const auto slots = lab.a.sent.slots();
  REQUIRE(slots.size() == 6);
  CHECK(std::count_if(slots.begin(), slots.end(), [&](const auto& slot) { return slot.to == c.endpoint; }) == 3);
}

TEST_CASE("Forwarder: equal datagrams of one flow are delivered as one superframe of UDP") {
  Lab lab;
  const PacketShape shape{.tcp = false};
  lab.a.sent.clear();
  for (std::uint16_t i = 0; i < 30; ++i) {
    Bytes frame = lab.packet(shape, 64);
    const auto id = static_cast<std::uint16_t>(kFirstId + i);
    store_be(&frame[24], updated_checksum(load_be<std::uint16_t>(&frame[24]), kFirstId, id));
    store_be(&frame[18], id);
    lab.a.add_frame(frame, partial_checksum_of(shape));
  }
  lab.a.forwarder.flush(lab.a.sent);
  lab.deliver_all();

  REQUIRE(lab.b.delivered.frames().size() == 1);
  CHECK(lab.b.delivered.frames()[0].segment_size == 64);
  CHECK(lab.delivered()[0].size() == shape.header_size() + 30 * 64);
}

TEST_CASE("Forwarder: frames that may have to wait for others are not joined") {
  Lab lab;
  const PacketShape shape;
  lab.b.snapshot.vms[lab.vm_b].hold = {
      .id = 7, .until = kStart + std::chrono::milliseconds{50}, .until_max = kStart + std::chrono::milliseconds{100}};
  lab.b.publish();

  lab.a.take_frame(lab.packet(shape, 4000), superframe_of(shape, 1000));
  lab.deliver_all();

  CHECK(lab.b.delivered.empty());
  CHECK(lab.b.forwarder.counters().frames_held == 4);
}

TEST_CASE("Forwarder: superframes and packs allocate nothing after the first") {
  Lab lab;
  const PacketShape shape;
  const Bytes large = lab.packet(shape, 60000);
  const Bytes small = lab.packet(shape, 100);
  lab.a.taken.reserve(kSuperframeSizeMax);
  DatagramBatch copies{kSegmentsMax};
  const auto round = [&] {
    lab.a.sent.clear();
    lab.a.add_frame(large, superframe_of(shape, 1300));
    for (int i = 0; i < 5; ++i) lab.a.add_frame(small, partial_checksum_of(shape));
    lab.a.forwarder.flush(lab.a.sent);
    lab.b.delivered.clear();
    copies.clear();
    for (const DatagramBatch::Slot& slot : lab.a.sent.slots()) {
      DatagramBatch::Slot& copy = copies.next();
      std::copy_n(slot.data, slot.size, copy.data);
      copy.size = slot.size;
      copies.commit();
      lab.b.forwarder.handle_datagram(lab.b.now, lab.a.endpoint, {copy.data, copy.size}, lab.b.delivered,
                                      lab.b.relayed);
    }
  };
  round();
  (void)lab.a.take_events();
  (void)lab.b.take_events();

  const AllocationCounter allocations;
  for (int i = 0; i < 100; ++i) round();
  CHECK(allocations.count() == 0);
  CHECK(lab.b.delivered.frames().size() == 6);
}

}  // namespace rove
