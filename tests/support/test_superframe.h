// Superframes for tests of what writes them.
#pragma once

#include <vector>

#include "core/forward/frame_batch.h"
#include "tests/support/test_packets.h"

namespace rove {

// A packet cut as a sender would, and joined again as a receiver does: one frame of a batch.
class JoinedFrame {
 public:
  JoinedFrame(const Bytes& whole, std::size_t segment_size) : segments_(segments_of(whole, segment_size)) {
    batch_.push(segments_[0], true);
    batch_.open_join({}, SegmentJoin::begin(segments_[0], parse_frame(segments_[0]).value()).value());
    for (std::size_t i = 1; i < segments_.size(); ++i) ROVE_CHECK(batch_.append({}, segments_[i]));
  }
  JoinedFrame(const JoinedFrame&) = delete;
  JoinedFrame& operator=(const JoinedFrame&) = delete;

  [[nodiscard]] const FrameBatch::Entry& entry() const { return batch_.frames()[0]; }
  [[nodiscard]] std::size_t segments() const { return segments_.size(); }

 private:
  std::vector<Bytes> segments_;
  FrameBatch batch_{kSegmentsMax};
};

}  // namespace rove
