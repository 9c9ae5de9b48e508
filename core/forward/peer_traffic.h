// What the packet path carried to and from one peer, and whether that peer speaks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"
#include "core/forward/heard.h"
#include "core/wire/shard.h"

namespace rove {

// Frames are those of VMs; octets are those of the datagrams that carried them, with our header and tag, without UDP
// and IP. Control messages are not counted.
struct PeerTrafficCounts {
  std::uint64_t frames_out = 0;
  std::uint64_t octets_out = 0;
  std::uint64_t frames_in = 0;
  std::uint64_t octets_in = 0;
  std::uint64_t drops_in = 0;  // datagrams of its sessions, and frames in them, that were not delivered
  bool operator==(const PeerTrafficCounts&) const = default;
};

// One worker's part: it adds, once for each datagram. On a cache line of its own.
class alignas(64) PeerTrafficMeter {
 public:
  void count_sent(std::size_t frames, std::size_t octets) {
    add(frames_out_, frames);
    add(octets_out_, octets);
  }
  void count_received(std::size_t frames, std::size_t octets) {
    add(frames_in_, frames);
    add(octets_in_, octets);
  }
  void count_dropped() { add(drops_in_, 1); }

  void add_to(PeerTrafficCounts& counts) const {
    counts.frames_out += frames_out_.load(std::memory_order_relaxed);
    counts.octets_out += octets_out_.load(std::memory_order_relaxed);
    counts.frames_in += frames_in_.load(std::memory_order_relaxed);
    counts.octets_in += octets_in_.load(std::memory_order_relaxed);
    counts.drops_in += drops_in_.load(std::memory_order_relaxed);
  }

 private:
  using Counter = std::atomic<std::uint64_t>;

  // Not fetch_add(): with a single writer a locked instruction would buy nothing.
  static void add(Counter& counter, std::uint64_t count) {
    counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  Counter frames_out_{0};
  Counter octets_out_{0};
  Counter frames_in_{0};
  Counter octets_in_{0};
  Counter drops_in_{0};
};

// Outlives the sessions with the peer: its owner is the control thread's Peer. The control thread reads whenever an
// operator asks, each number by itself. It is shared because a message that told the same would be one for each peer
// and second, for nobody most of the time.
class PeerTraffic {
 public:
  // The worker's with this number, less than kShards.
  [[nodiscard]] PeerTrafficMeter& meter(unsigned worker) { return meters_.at(worker); }
  // When any worker heard the peer last.
  [[nodiscard]] Heard& heard() { return heard_; }

  [[nodiscard]] PeerTrafficCounts counts() const {
    PeerTrafficCounts counts;
    for (const PeerTrafficMeter& meter : meters_) meter.add_to(counts);
    return counts;
  }

 private:
  std::array<PeerTrafficMeter, kShards> meters_{};
  Heard heard_;
};

}  // namespace rove
