// What went to a VM's bridge port lately, and how much of it the hypervisor has not read.
//
//   bridge ─► port's TAP device: a queue in the kernel ─► hypervisor ─► guest
//          └► capture, a copy of each frame: push()       counter "read" of the device: handle_counters()
//
// The queue is in order, so the unread frames are the last ones that were seen: unread = seen − read − dropped. When
// the VM moves, nobody will ever read these: they are handed to its new host.
//
// A TAP device's tx_packets counts what its file descriptor's owner has read (Linux, tun_put_user()); a capture by
// AF_PACKET sees each frame once, right before the device queues or drops it (dev_queue_xmit_nit()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace rove {

// Kept of one port: what its queue can hold (txqueuelen, 1000 by default), and some that were read.
inline constexpr std::size_t kPortFramesMax = 1024 + 64;
inline constexpr std::size_t kPortOctetsMax = std::size_t{4} << 20;
// What was read stays for as many frames: the hypervisor reads one frame more after it has stopped the guest.
inline constexpr std::size_t kPortReadKept = 64;

// QEMU (7.2) purges one frame at most while it stops, and takes one more afterwards.
inline constexpr std::uint64_t kUndeliveredMax = 2;

struct PortFrame {
  Bytes frame;                     // empty: it was too large to be kept whole
  bool needs_checksum = false;     // TCP or UDP checksum of the pseudo-header only
  std::uint16_t segment_size = 0;  // a superframe: the payload of each of its segments; 0: none
};

// What the capture of a port tells ahead of a VM that is stopped.
enum class AheadState : std::uint8_t {
  More,      // further frames may follow
  UpToDate,  // … and these are all that have gone to the port before it was asked
  Resumed,   // its hypervisor reads again: there is nothing to hand on
};

// The device's counters; they only grow.
struct PortCounters {
  std::uint64_t read = 0;
  std::uint64_t dropped = 0;
};

// One port; one thread.
class PortRing {
 public:
  // `at_start`: the counters when the capture began.
  explicit PortRing(const PortCounters& at_start)
      : start_(at_start), now_(at_start), dropped_before_(at_start.dropped) {}

  void push(PortFrame frame);
  // Frames that the capture could not take (its buffer was full).
  void handle_lost(std::uint64_t frames);
  // The counters, when every frame that went before them was pushed and none after.
  void handle_counters(TimePoint now, const PortCounters& counters);

  // As of the last handle_counters().
  [[nodiscard]] std::uint64_t unread() const;
  [[nodiscard]] std::uint64_t read() const { return now_.read; }
  // How many of the frames that were read last the guest never got, when its hypervisor has stopped and gave it those
  // up to `delivered` (as read()) only. nullopt: more than a hypervisor that stops can hold, so that number is none.
  [[nodiscard]] std::optional<std::uint64_t> undelivered(std::uint64_t delivered) const;
  // Frees what was read, as of the last handle_counters(), but for kPortReadKept frames.
  void trim();
  [[nodiscard]] std::size_t size() const { return frames_.size(); }

  struct Taken {
    std::vector<PortFrame> frames;  // for that MAC, oldest first; of a superframe all its segments
    std::uint64_t missing = 0;      // unread, but not here any more: too many, too large, or lost by the capture
  };
  // As of push(): how many frames have been seen in all.
  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  // Those for that MAC after the first `seen` ones.
  [[nodiscard]] Taken take_after(const MacAddress& destination, std::uint64_t seen) const;
  // The unread frames and the `read` last ones before them, as far as they go to `destination`. Frames to groups are
  // left out: every host's bridge has them already.
  [[nodiscard]] Taken take(const MacAddress& destination, std::uint64_t read) const;

 private:
  // What it is in frames that fit the network; nothing of what contradicts itself.
  [[nodiscard]] static std::vector<PortFrame> segments_of(PortFrame superframe);
  // The last `count` of those that are here; `wanted` of them were to be.
  [[nodiscard]] Taken take_last(const MacAddress& destination, std::uint64_t count, std::uint64_t wanted) const;
  // Should more be seen than is ever read (frames that some filter of the device swallows), the lowest number of unread
  // frames over this time is taken for such an error, if so many were read in it.
  static constexpr std::chrono::seconds kDriftTime{10};
  static constexpr std::uint64_t kDriftReads = 32;

  [[nodiscard]] std::int64_t raw_unread() const;
  void forget_first();

  PortCounters start_;
  PortCounters now_;
  std::uint64_t dropped_before_;  // while the queue was being read
  std::int64_t correction_ = 0;
  std::uint64_t seen_ = 0;
  std::uint64_t seen_at_counters_ = 0;
  std::deque<PortFrame> frames_;  // the last ones of those seen; `lost` ones in between stand as empty frames
  std::size_t octets_ = 0;

  struct Window {
    TimePoint begin{};
    std::uint64_t read = 0;
    std::int64_t lowest = 0;
  };
  std::optional<Window> window_;
};

}  // namespace rove
