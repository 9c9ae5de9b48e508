// Datagrams that the packet path makes and the shell sends. Allocated once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/wire/ethernet.h"
#include "core/wire/header.h"
#include "core/wire/superframe.h"

namespace rove {

inline constexpr std::size_t kDatagramSizeMax = kFrameSizeMax + 64;  // header, tag, packing

// All datagrams that one superframe can become: each segment has its headers and its own overhead.
inline constexpr std::size_t kSuperframeOctetsMax =
    kSuperframeSizeMax + kSegmentsMax * (kSegmentHeaderMax + kDataOverhead);

// Datagrams to send: each with its destination, in the order to send them. They lie one behind the other, so that
// several of one size and destination are one piece of memory for the kernel (UDP_SEGMENT).
class DatagramBatch {
 public:
  struct Slot {
    Endpoint to;
    std::size_t size = 0;
    std::uint8_t* data = nullptr;
    bool alone = false;     // never in one piece with others, for the kernel to cut
    std::uint8_t lane = 0;  // … nor with those of other lanes: the kernel of who receives gives a piece to one thread
    [[nodiscard]] BytesView bytes() const { return {data, size}; }
  };

  // For `slots_max` datagrams of kDatagramSizeMax, or as many smaller ones as fit `octets_max`.
  explicit DatagramBatch(std::size_t slots_max) : DatagramBatch(slots_max, slots_max * kDatagramSizeMax) {}
  DatagramBatch(std::size_t slots_max, std::size_t octets_max);

  // Whether so many datagrams fit of so many octets in all.
  [[nodiscard]] bool has_room(std::size_t slots, std::size_t octets) const {
    return slots <= slots_.size() - used_ && octets <= octets_max_ - octets_;
  }
  // No room for a datagram of kDatagramSizeMax.
  [[nodiscard]] bool full() const { return !has_room(1, kDatagramSizeMax); }
  [[nodiscard]] bool empty() const { return used_ == 0; }
  // The slot to fill next, with room for kDatagramSizeMax octets; commit() makes it part of the batch. Not when full().
  [[nodiscard]] Slot& next() {
    ROVE_CHECK(!full());
    Slot& slot = slots_[used_];
    slot.data = memory_.get() + octets_;
    return slot;
  }
  void commit() { octets_ += slots_[used_++].size; }
  [[nodiscard]] std::span<const Slot> slots() const { return {slots_.data(), used_}; }
  void clear() { used_ = octets_ = 0; }

 private:
  std::size_t octets_max_;
  std::unique_ptr<std::uint8_t[]> memory_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::size_t octets_ = 0;
};

}  // namespace rove
