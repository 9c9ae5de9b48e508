// What was read from the TAP and waits to be handled. A flow that has nothing waiting goes ahead of those that have: a
// keystroke does not wait behind a copy of a disk (as in FQ-CoDel's list of new flows, RFC 8290 §4.2).
//
//   TAP ─► buffer(), push() ─┬─► sparse: small frames of flows without any in bulk ─┐ first
//                            └─► bulk: the rest, in the order of arrival ───────────┴─► pop()
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/forward/forwarder.h"
#include "core/wire/superframe.h"

namespace rove {

// Superframes in it: some milliseconds of a fast link. What does not fit waits in the kernel's queue, in its order.
inline constexpr std::size_t kBacklogFrames = 64;
// With so much waiting no more is read: it is to be in the cache still when its turn comes.
inline constexpr std::size_t kBacklogOctets = std::size_t{128} << 10;

// The frame's flow: equal for all frames that must keep their order. TCP by addresses and ports; other IP by addresses
// and protocol, as fragments show no ports; all else by MACs and type.
[[nodiscard]] std::uint32_t flow_of(BytesView frame);

// One worker. No allocation after construction. Frames of one flow come out in the order in which they went in.
class FrameBacklog {
 public:
  // Frames of one flow that go ahead at a time.
  static constexpr std::uint8_t kAheadMax = 8;
  // Larger frames do not go ahead.
  static constexpr std::size_t kSmallMax = 600;

  explicit FrameBacklog(std::size_t frames_max = kBacklogFrames);

  [[nodiscard]] bool full() const { return free_.empty() || octets_ >= kBacklogOctets; }
  // Nothing is left for pop().
  [[nodiscard]] bool empty() const { return sparse_.empty() && bulk_.empty(); }

  // Where the next frame is to be written: kSuperframeSizeMax octets. Not when full().
  [[nodiscard]] MutableBytes buffer();
  // What was written there.
  void push(std::size_t size, const TapOffload& offload);

  struct Frame {
    MutableBytes octets;
    TapOffload offload;
    bool ahead = false;
  };
  // The next frame, valid until the next call of pop(). nullopt when there is none.
  [[nodiscard]] std::optional<Frame> pop();

 private:
  using Number = std::uint16_t;  // of a buffer
  // A ring of numbers, as many as there are buffers.
  class Ring {
   public:
    explicit Ring(std::size_t size) : numbers_(size) {}
    [[nodiscard]] bool empty() const { return count_ == 0; }
    void push(Number number) { numbers_[(begin_ + count_++) % numbers_.size()] = number; }
    Number pop() {
      const Number number = numbers_[begin_];
      begin_ = (begin_ + 1) % numbers_.size();
      --count_;
      return number;
    }

   private:
    std::vector<Number> numbers_;
    std::size_t begin_ = 0;
    std::size_t count_ = 0;
  };
  struct Held {
    std::size_t size = 0;
    TapOffload offload;
    std::uint16_t flow = 0;
  };
  // Flows that share one are taken for one.
  static constexpr std::size_t kFlows = 1024;
  struct Waiting {
    std::uint16_t ahead = 0;
    std::uint16_t bulk = 0;
  };

  [[nodiscard]] MutableBytes octets_of(Number number, std::size_t size);

  std::unique_ptr<std::uint8_t[]> memory_;
  std::vector<Held> frames_;
  std::vector<Number> free_;  // the last one was used last, and is in the cache still
  Ring sparse_;
  Ring bulk_;
  std::array<Waiting, kFlows> waiting_{};
  std::optional<Number> popped_;
  std::size_t octets_ = 0;  // waiting
};

}  // namespace rove
