// Seals frames into datagrams: one into one, a superframe into many, several small ones into one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/forward/batch.h"
#include "core/forward/counters.h"
#include "core/forward/event_queue.h"
#include "core/forward/session_table.h"
#include "core/wire/ethernet.h"
#include "core/wire/frame_pack.h"
#include "core/wire/marker.h"
#include "core/wire/superframe.h"

namespace rove {

// One worker. Borrows queue and counters. Allocates nothing but notices.
//
// A small frame waits for others of its shard to the same peer until flush(), which its owner calls before it lets go
// of the batch: so none is delayed, and none is overtaken, as everything else that is sealed flushes first.
class FrameSealer {
 public:
  FrameSealer(bool packs, EventQueue& events, ForwarderCounters& counters)
      : packs_(packs), events_(events), counters_(counters) {}

  // What is larger than a network of this MTU takes is not packed, and TCP's MSS is clamped to it.
  void set_inner_mtu(std::size_t mtu) { inner_mtu_ = mtu; }

  // False when the session's lane is used up: nothing was sent then. Needs room for two datagrams in `out`. seal_marker
  // and seal() are behind all that was given before.
  [[nodiscard]] bool seal(WorkerSession& session, std::uint8_t flags, BytesView frame, const FrameInfo& info,
                          DatagramBatch& out);
  [[nodiscard]] bool seal_marker(WorkerSession& session, const Marker& marker, DatagramBatch& out);
  // As seal(), but a small frame may wait for flush().
  [[nodiscard]] bool seal_or_pack(WorkerSession& session, bool needs_checksum, BytesView frame, const FrameInfo& info,
                                  DatagramBatch& out);
  // `shard` is the superframe's. Needs room for a datagram and a superframe. How many segments could not be sealed
  // because the lane is used up.
  [[nodiscard]] std::size_t seal_segments(WorkerSession& session, unsigned shard, Segmenter& segmenter,
                                          DatagramBatch& out);
  // Nothing waits. To be so when sessions change.
  [[nodiscard]] bool empty() const { return packing_ == nullptr; }
  // Needs room for one datagram. A pack for which the lane has no count left is dropped (no_session).
  void flush(DatagramBatch& out);

 private:
  // `plaintext`, with so many frames in it, may lie where it will be sealed: kHeaderSize behind the start of out's next
  // slot.
  [[nodiscard]] bool seal_plaintext(WorkerSession& session, unsigned shard, std::uint8_t flags, std::uint8_t index,
                                    BytesView plaintext, std::size_t frames, DatagramBatch& out);
  // Into a pack, no more than a full-sized frame takes (with a VLAN tag): what fits the path by itself fits it packed.
  [[nodiscard]] std::size_t pack_size_max() const { return inner_mtu_ + kEthernetHeaderSize + 4; }

  bool packs_;
  EventQueue& events_;
  ForwarderCounters& counters_;
  std::size_t inner_mtu_ = 0;

  WorkerSession* packing_ = nullptr;  // whose frames wait; nullptr: none do
  unsigned packing_shard_ = 0;        // of all of them
  std::array<std::uint8_t, kFrameSizeMax> pack_{};
  std::size_t pack_size_ = 0;
  std::size_t pack_frames_ = 0;
};

}  // namespace rove
