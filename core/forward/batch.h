// Fixed batches that the packet path fills and the shell empties. Allocated once.
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

namespace rove {

inline constexpr std::size_t kDatagramSizeMax = kFrameSizeMax + 64;  // header, tag, packing

// Datagrams to send: each with its destination, in the order to send them.
class DatagramBatch {
 public:
  struct Slot {
    Endpoint to;
    std::size_t size = 0;
    std::uint8_t* data = nullptr;  // kDatagramSizeMax octets
    [[nodiscard]] BytesView bytes() const { return {data, size}; }
  };

  explicit DatagramBatch(std::size_t slots_max);

  [[nodiscard]] bool full() const { return used_ == slots_.size(); }
  [[nodiscard]] bool empty() const { return used_ == 0; }
  // The slot to fill next; commit() makes it part of the batch. Not when full().
  [[nodiscard]] Slot& next() {
    ROVE_CHECK(!full());
    return slots_[used_];
  }
  void commit() { ++used_; }
  [[nodiscard]] std::span<const Slot> slots() const { return {slots_.data(), used_}; }
  void clear() { used_ = 0; }

 private:
  std::unique_ptr<std::uint8_t[]> memory_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
};

// Frames to write to the TAP, or past the bridge to a VM's port. Borrowed: they lie in the datagram that they came in.
class FrameBatch {
 public:
  struct Entry {
    BytesView frame;
    bool needs_checksum = false;
    unsigned port = 0;  // by interface index; 0: the TAP
  };
  explicit FrameBatch(std::size_t frames_max) { frames_.reserve(frames_max); }

  [[nodiscard]] bool full() const { return frames_.size() == frames_.capacity(); }
  [[nodiscard]] bool empty() const { return frames_.empty(); }
  void push(BytesView frame, bool needs_checksum, unsigned port = 0) {
    ROVE_CHECK(!full());
    frames_.push_back({frame, needs_checksum, port});
  }
  [[nodiscard]] std::span<const Entry> frames() const { return frames_; }
  void clear() { frames_.clear(); }

 private:
  std::vector<Entry> frames_;
};

}  // namespace rove
