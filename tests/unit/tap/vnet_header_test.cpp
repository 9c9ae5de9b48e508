#include "tap/vnet_header.h"

#include <doctest/doctest.h>

#include "tests/support/test_packets.h"

namespace rove {

TEST_CASE("make_vnet_header: the place of a partial checksum, or nothing at all") {
  const PacketShape shape{.v4 = false};
  const auto header = make_vnet_header(transport_packet(shape, 100), true);
  REQUIRE(header);
  CHECK(header->flags == kVnetNeedsChecksum);
  CHECK(header->gso_type == 0);
  CHECK(header->csum_start == shape.transport_at());
  CHECK(header->csum_offset == 16);

  CHECK(make_vnet_header(transport_packet(shape, 100), false)->flags == 0);
  CHECK_FALSE(make_vnet_header(
      ethernet_frame(mac_of("02:00:00:00:00:01"), mac_of("02:00:00:00:00:02"), 0x0806, Bytes(46)), true));
}

TEST_CASE("make_vnet_header, offload_of: a superframe's header says what was joined") {
  struct Case {
    PacketShape shape;
    std::uint8_t gso_type;
  };
  for (const Case& one : {Case{{}, kVnetGsoTcpV4}, Case{{.v4 = false}, kVnetGsoTcpV6},
                          Case{{.tcp = false}, kVnetGsoUdp}, Case{{.v4 = false, .tcp = false}, kVnetGsoUdp}}) {
    const Bytes frame = transport_packet(one.shape, 1000);
    FrameBatch::Entry entry{.frame = frame, .needs_checksum = true, .segment_size = 1000};
    entry.place = *find_transport(frame);

    const VnetHeader header = make_vnet_header(entry);

    CHECK(header.gso_type == one.gso_type);
    CHECK(header.hdr_len == one.shape.header_size());
    const TapOffload offload = offload_of(header);
    CHECK(offload.segment_size == 1000);
    CHECK(offload.needs_checksum);
    CHECK(offload.checksum_start == one.shape.transport_at());
    CHECK(offload.checksum_start + offload.checksum_offset == one.shape.checksum_at());
  }
}

TEST_CASE("offload_of: congestion marks are a bit beside the kind; other kinds are none of ours") {
  VnetHeader header{.flags = kVnetNeedsChecksum, .gso_type = kVnetGsoTcpV4 | 0x80, .gso_size = 1000};
  CHECK(offload_of(header).segment_size == 1000);
  header.gso_type = 3;  // VIRTIO_NET_HDR_GSO_UDP, which cuts into IP fragments
  CHECK(offload_of(header).segment_size == 0);
}

}  // namespace rove
