// Fixed batches that the packet path fills and the shell empties. Allocated once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/ids.h"
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

// Frames to write to the TAP, or past the bridge to a VM's port. Borrowed: they lie in the datagrams that they came in,
// a superframe in several: its first segment, whose headers speak of the whole, and the payloads of the others.
class FrameBatch {
 public:
  struct Entry {
    BytesView frame;
    bool needs_checksum = false;
    unsigned port = 0;               // by interface index; 0: the TAP
    std::uint16_t segment_size = 0;  // a superframe; 0: none
    TransportPlace place{};          // of a superframe
    std::size_t first_part = 0;      // of parts(): what of a superframe follows `frame`
    std::size_t parts = 0;
  };
  explicit FrameBatch(std::size_t frames_max) {
    frames_.reserve(frames_max);
    parts_.reserve(frames_max);
  }

  // Room for so many calls of push() or append().
  [[nodiscard]] bool has_room(std::size_t frames) const {
    return frames_.capacity() - frames_.size() >= frames && parts_.capacity() - parts_.size() >= frames;
  }
  [[nodiscard]] bool full() const { return !has_room(1); }
  [[nodiscard]] bool empty() const { return frames_.empty(); }
  void push(BytesView frame, bool needs_checksum, unsigned port = 0) {
    ROVE_CHECK(!full());
    join_.reset();
    frames_.push_back({.frame = frame, .needs_checksum = needs_checksum, .port = port});
  }

  // The frame that was pushed last may go on with what comes next in its session.
  void open_join(SessionIndex session, const SegmentJoin& join) {
    join_ = join;
    joined_session_ = session;
  }
  void end_join() { join_.reset(); }
  // True: the frame, which came in that session and has a partial checksum, is part of the last one now.
  [[nodiscard]] bool append(SessionIndex session, BytesView frame) {
    if (!join_ || session != joined_session_ || full()) return false;
    const BytesView payload = join_->append(frame);
    if (payload.empty()) return false;
    Entry& entry = frames_.back();
    if (entry.parts++ == 0) {
      entry.first_part = parts_.size();
      entry.segment_size = join_->segment_size();
      entry.place = join_->place();
    }
    parts_.push_back(payload);
    return true;
  }

  [[nodiscard]] std::span<const Entry> frames() const { return frames_; }
  [[nodiscard]] std::span<const BytesView> parts(const Entry& entry) const {
    return std::span{parts_}.subspan(entry.first_part, entry.parts);
  }
  void clear() {
    frames_.clear();
    parts_.clear();
    join_.reset();
  }

 private:
  std::vector<Entry> frames_;
  std::vector<BytesView> parts_;
  std::optional<SegmentJoin> join_;
  SessionIndex joined_session_{};
};

}  // namespace rove
