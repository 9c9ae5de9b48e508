// The packet path of one worker, without its I/O: decides on each frame and each datagram, seals and opens.
//
//   TAP  → handle_frame    → route known, session up: sealed into `out`; anything else: an event
//   UDP  → handle_datagram → data: opened in place, checked, frames in `out`; the rest: an event
//   Node → handle_command  → new snapshot; frames to seal; frames to write
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/forward/batch.h"
#include "core/forward/counters.h"
#include "core/forward/frame_batch.h"
#include "core/forward/heard.h"
#include "core/forward/snapshot.h"
#include "core/forward/worker_messages.h"

namespace rove {

struct ForwarderConfig {
  unsigned worker = 0;  // its number, less than kShards (core/wire/shard.h)
  // Which VMs of this host talk, as all its workers know it; nullptr: there is one worker.
  std::shared_ptr<HeardVms> heard_vms{};
  // Events waiting for the control thread; half of them may be frames, half control and sealed datagrams. Further
  // frames and datagrams count as DropReason::EventsFull, further notices as events_dropped.
  std::size_t events_max = 4096;
  // Small frames that are handed in before a flush() share datagrams.
  bool packs = false;
  // What is delivered may be superframes of TCP; of UDP too.
  bool joins_tcp = false;
  bool joins_udp = false;
};

// What the kernel left undone of a frame from the TAP (struct virtio_net_hdr).
struct TapOffload {
  bool needs_checksum = false;  // the Internet checksum from `checksum_start` on, at `checksum_offset` from there
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
  std::uint16_t segment_size = 0;  // a superframe of TCP or UDP: the payload of its segments; 0: a whole frame
  bool operator==(const TapOffload&) const = default;
};

// One worker thread. With several on a host each is handed the frames and datagrams of shards of its own, in both
// directions (WorkerPool). Allocates in handle_command() and for events only: a data frame that is forwarded,
// either way, costs no allocation.
class Forwarder {
 public:
  explicit Forwarder(const ForwarderConfig& config);
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // A frame read from the TAP, which is overwritten. Needs room for two datagrams in `out`, or for one and a
  // superframe.
  void handle_frame(TimePoint now, MutableBytes frame, const TapOffload& offload, DatagramBatch& out);
  // After the last frame of a batch, and before anything else is handed in: small ones may wait for each other until
  // then. Needs room for one datagram.
  void flush(DatagramBatch& out);

  // A datagram read from the network, which is overwritten. Frames for the TAP go to `out` (some borrowed from
  // `datagram`); frames to send on to a moved VM go to `relay`, which needs one free slot per frame that
  // a datagram can hold (kPackedFramesMax), as does `out`.
  void handle_datagram(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out,
                       DatagramBatch& relay);

  // The port to which a frame of the control thread goes instead of the TAP, by interface index; 0: the TAP.
  [[nodiscard]] unsigned port_for(BytesView frame) const;

  // A command of the control thread other than WriteFrame. SendFrame and SendMarker need one free slot in `out`.
  void handle_command(TimePoint now, WorkerCommand command, DatagramBatch& out);

  // Frames for a VM's port, and those that waited for older ones and may go now: ask after every input, before the next
  // one. release() seals the first of them into `out`, which needs one free slot, or returns it when it is for the TAP
  // or a port. What waits is given up by `caught_up` only: all datagrams that arrived before that have been handled.
  struct Released {
    Bytes frame;
    bool needs_checksum = false;
    unsigned port = 0;  // by interface index; 0: the TAP
  };
  [[nodiscard]] bool has_released(TimePoint caught_up);
  [[nodiscard]] std::optional<Released> release(TimePoint now, DatagramBatch& out);
  // When has_released() is to be asked though nothing came.
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  [[nodiscard]] std::optional<WorkerEvent> poll_event();
  [[nodiscard]] const ForwarderCounters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
