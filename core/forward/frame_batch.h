// Frames that the packet path delivers and the shell writes. Allocated once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/forward/batch.h"
#include "core/wire/superframe.h"
#include "core/wire/transport.h"

namespace rove {

// Frames to write to the TAP, or past the bridge to a VM's port; those that make a superframe are one.
//
// The payloads of a superframe lie one behind the other, so that the kernel takes it in one part. (In 47 parts, as the
// datagrams have them, a TCP stream has 4% less: Xeon of family 6, model 207, Linux 6.18, 2026-11-29.) To copy them
// would cost as much again. So a datagram that may continue the last frame is opened to where its payload will lie; the
// last octets of what is there already, which its headers cover, are kept aside meanwhile:
//
//     … payload │ payload          land(): where to open
//                  headers│payload
//     … payload │ payload │payload  append(): it continues; what was covered is back
class FrameBatch {
 public:
  struct Entry {
    BytesView frame;  // of the datagram that it came in, or in this batch's memory
    bool needs_checksum = false;
    unsigned port = 0;               // by interface index; 0: the TAP
    std::uint16_t segment_size = 0;  // a superframe; 0: none
    TransportPlace place{};          // of a superframe
  };
  // Memory for what is landed or joined between two clear()s: all that UDP gives at a time of large pieces.
  static constexpr std::size_t kOctetsMax = 10 * kSuperframeSizeMax;

  explicit FrameBatch(std::size_t frames_max);

  // Room for so many frames, of one datagram. Without it nothing is joined that needs memory.
  [[nodiscard]] bool has_room(std::size_t frames) const {
    return frames_.capacity() - frames_.size() >= frames && kOctetsMax - octets_ >= 2 * kDatagramSizeMax;
  }
  [[nodiscard]] bool full() const { return frames_.size() == frames_.capacity(); }
  [[nodiscard]] bool empty() const { return frames_.empty(); }
  // The frame lies in memory that outlives the batch's use, or where it landed.
  void push(BytesView frame, bool needs_checksum, unsigned port = 0);

  // The frame that was pushed last may go on with what comes next in its session.
  void open_join(SessionIndex session, const SegmentJoin& join) {
    join_ = join;
    joined_session_ = session;
  }
  void end_join() { join_.reset(); }
  // True: the frame, which came in that session and has a partial checksum, is part of the last one now.
  [[nodiscard]] bool append(SessionIndex session, BytesView frame);

  // Where to open a frame of that session: `size` octets, which are the batch's if it is pushed. Empty: there is no
  // room. Nothing else may be called before append() took it, or settle() or give_up() was called.
  [[nodiscard]] MutableBytes land(SessionIndex session, std::size_t size);
  // It continues nothing: where it lies from now on. What was opened elsewhere stays where it is.
  [[nodiscard]] MutableBytes settle(MutableBytes frame);
  // Nothing comes of it.
  void give_up() {
    if (covered_) uncover();
  }

  [[nodiscard]] std::span<const Entry> frames() const { return frames_; }
  void clear();

 private:
  [[nodiscard]] bool holds(BytesView frame) const;
  [[nodiscard]] std::uint8_t* next_place() const;
  void uncover();

  std::vector<Entry> frames_;
  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t octets_ = 0;  // of the memory, in use
  std::optional<SegmentJoin> join_;
  SessionIndex joined_session_{};
  std::array<std::uint8_t, kSegmentHeaderMax> aside_{};  // the last octets before octets_, some of which are covered
  bool covered_ = false;
};

}  // namespace rove
