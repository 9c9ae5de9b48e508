// Several frames in one data datagram (flag `packed`): {length u16, flags u8, frame}*. docs/protocol.md §2.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace rove {

// Frames in one datagram; one with more is malformed. Receivers reserve so many slots per datagram: the 82 smallest
// frames that fit a 1500-byte underlay would not pay for larger batches.
inline constexpr std::size_t kPackedFramesMax = 64;
inline constexpr std::size_t kPackedFrameOverhead = 3;
inline constexpr std::uint8_t kPackedNeedsChecksum = 0x01;

struct PackedFrame {
  BytesView frame;
  bool needs_checksum = false;
};

// The frames of a packed plaintext, borrowed from it. The whole layout is checked before the first frame is seen,
// so that iterating cannot fail.
class PackedFrames {
 public:
  class Iterator {
   public:
    [[nodiscard]] PackedFrame operator*() const;
    Iterator& operator++();
    [[nodiscard]] bool operator==(const Iterator& other) const { return at_ == other.at_; }

   private:
    friend class PackedFrames;
    explicit Iterator(const std::uint8_t* at) : at_(at) {}
    const std::uint8_t* at_;
  };

  // Errors: Truncated (the last frame is cut), Malformed (no frame, a frame size out of bounds, unknown flags),
  // TooLarge (more than kPackedFramesMax frames).
  [[nodiscard]] static Result<PackedFrames> parse(BytesView plaintext);

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] Iterator begin() const { return Iterator{plaintext_.data()}; }
  [[nodiscard]] Iterator end() const { return Iterator{plaintext_.data() + plaintext_.size()}; }

 private:
  PackedFrames(BytesView plaintext, std::size_t count) : plaintext_(plaintext), count_(count) {}

  BytesView plaintext_;
  std::size_t count_ = 0;
};

// Fills a buffer with packed frames.
class FramePacker {
 public:
  // `buffer` outlives it. It may hold `count` packed frames in its first `used` octets already.
  explicit FramePacker(MutableBytes buffer, std::size_t used = 0, std::size_t count = 0)
      : buffer_(buffer), used_(used), count_(count) {}

  // False, and nothing changed, when it does not fit, the size is out of bounds or kPackedFramesMax are in.
  [[nodiscard]] bool append(BytesView frame, bool needs_checksum);
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] BytesView plaintext() const { return buffer_.first(used_); }

 private:
  MutableBytes buffer_;
  std::size_t used_ = 0;
  std::size_t count_ = 0;
};

}  // namespace rove
