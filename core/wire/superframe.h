// Superframes: TCP segments and UDP datagrams larger than a frame, as the kernel hands them over and takes them
// (virtio-net's "generic segmentation offload"; virtio 1.2 §5.1.6, struct virtio_net_hdr).
//
//   TAP ─► one large frame ─ Segmenter ─► frames that fit the network ═══► SegmentJoin ─► one large frame ─► TAP
//
// Both work in place, allocate nothing, and leave transport checksums partial: the sum of the pseudo-header stands
// where the checksum belongs, and whoever delivers the frame at last completes it (Linux, CHECKSUM_PARTIAL).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/wire/ethernet.h"
#include "core/wire/transport.h"

namespace rove {

// The largest IP packet behind an Ethernet header with a VLAN tag.
inline constexpr std::size_t kSuperframeSizeMax = 14 + 4 + 65535;
// Ethernet, tag, IPv4 with options, TCP with options.
inline constexpr std::size_t kSegmentHeaderMax = 14 + 4 + 60 + 60;
// Segments of one superframe; with more (less than some 64 octets in each) it is refused.
inline constexpr std::size_t kSegmentsMax = 1024;
// Joined datagrams of UDP. A kernel refuses one packet of more than UDP_MAX_SEGMENTS: 128, and 64 before Linux 6.9.
inline constexpr std::size_t kJoinedDatagramsMax = 64;

// Cuts a superframe into frames, one after the other, each made right in front of its payload: over the payload of the
// one before, which must have been used by then. Numbers IPv4 packets and TCP segments on, with FIN and PSH on the last
// and CWR on the first only (as Linux's tcp_gso_segment()).
class Segmenter {
 public:
  // `frame` outlives it; `info` is its parse_frame(). Errors: Malformed (no TCP or UDP directly behind IP, sizes that
  // contradict each other, a segment size of 0, nothing to be cut), TooLarge (more than kSegmentsMax segments, or one
  // that is a frame of more than kFrameSizeMax).
  [[nodiscard]] static Result<Segmenter> make(MutableBytes frame, const FrameInfo& info, std::size_t segment_size);

  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] bool done() const { return at_ == frame_.size(); }
  // The next segment, valid until the next call. Not when done().
  [[nodiscard]] MutableBytes next();

 private:
  Segmenter(MutableBytes frame, const TransportPlace& place, std::size_t segment_size);

  MutableBytes frame_;
  TransportPlace place_;
  std::size_t segment_size_;
  std::size_t count_;
  std::size_t at_;  // what has not been cut yet
  std::uint16_t index_ = 0;
  std::array<std::uint8_t, kSegmentHeaderMax> header_{};
  std::uint64_t pseudo_sum_ = 0;  // without the length
  std::uint64_t ip_sum_ = 0;      // of the IPv4 header without what changes: length, identification, checksum
};

// Joins frames that follow each other in one flow to one superframe, of which the first one is the beginning; its
// headers are kept true of the whole. Only frames whose checksum is partial may be handed in.
//
// What is joined is exactly what a Segmenter would cut the result into (so nobody can tell afterwards): equal headers
// but for lengths, checksums, numbers that count on, and FIN or PSH, which end it; equal sizes but for the last.
class SegmentJoin {
 public:
  // nullopt: nothing can follow this frame. `first` outlives it; `info` is its parse_frame().
  [[nodiscard]] static std::optional<SegmentJoin> begin(MutableBytes first, const FrameInfo& info);

  // The payload to be put behind all before it, borrowed from `frame`; empty: it does not follow, nothing changed.
  [[nodiscard]] BytesView append(BytesView frame);
  // The first frame is there now.
  void move_to(std::uint8_t* first) { first_ = {first, first_.size()}; }

  [[nodiscard]] const TransportPlace& place() const { return place_; }
  [[nodiscard]] std::uint16_t segment_size() const { return static_cast<std::uint16_t>(segment_size_); }

 private:
  SegmentJoin(MutableBytes first, const TransportPlace& place);
  [[nodiscard]] bool follows(BytesView frame) const;
  [[nodiscard]] bool has_equal_headers(BytesView frame) const;
  void update_headers(std::size_t added, std::uint8_t tcp_flags);

  MutableBytes first_;
  TransportPlace place_;
  std::size_t segment_size_;
  std::array<std::uint8_t, kSegmentHeaderMax> mask_{};  // bits of the headers that are the same in all segments
  std::size_t size_;                                    // of the whole, from the IP header on
  std::size_t count_ = 1;
  bool closed_ = false;
};

}  // namespace rove
