#include <memory>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/forward/forwarder.h"
#include "tests/bench/bulk_frames.h"
#include "tests/bench/frame_workloads.h"
#include "tests/bench/workload.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

const ForwarderConfig kConfig{.packs = true, .joins_tcp = true, .joins_udp = true};
constexpr std::size_t kPackedFrames = 20;
constexpr std::size_t kSingleFrames = 32;
constexpr std::size_t kSinglePayload = kBulkSegmentSize;
constexpr std::size_t kFrameSlots = 2048;  // as a worker has

// Frames of one turn from a's VM to b's, through both packet paths. Sealing and opening wear out counters and
// overwrite buffers, so each run() has new ones.
class Turn : public Workload {
 public:
  Turn(AeadAlgorithm algorithm, MakeFrames make_frames) : pair_(algorithm, kConfig, kConfig) {
    const PacketEnds ends{pair_.vm_a, pair_.vm_b, pair_.ip_a, pair_.ip_b, pair_.ip6_a, pair_.ip6_b};
    originals_ = make_frames(ends);
    for (const TapFrame& frame : originals_) {
      octets_ += frame.octets.size();
      segments_ += frame.offload.segment_size == 0 ? 1 : kBulkSegments;
    }
  }

  [[nodiscard]] std::size_t items() const override { return segments_; }
  [[nodiscard]] std::size_t octets() const override { return octets_; }

 protected:
  void take_frames() {
    frames_ = originals_;  // into the same memory, from the second time on
    sealed_.clear();
  }
  void seal() {
    for (TapFrame& frame : frames_) {
      pair_.a.forwarder.handle_frame(pair_.a.now, frame.octets, frame.offload, sealed_);
    }
    pair_.a.forwarder.flush(sealed_);
  }
  // They lie one behind the other, as UDP_GRO lays them.
  void open() {
    for (const DatagramBatch::Slot& slot : sealed_.slots()) {
      pair_.b.forwarder.handle_datagram(pair_.b.now, pair_.a.endpoint, {slot.data, slot.size}, delivered_,
                                        pair_.b.relayed);
    }
  }
  void check_opened() {
    std::size_t octets = 0;
    for (const FrameBatch::Entry& entry : delivered_.frames()) octets += entry.frame.size();
    ROVE_CHECK(octets > 0 && octets <= octets_);
    ROVE_CHECK(pair_.b.all_drops() == 0);
  }

  Pair pair_;
  std::vector<TapFrame> originals_;
  std::vector<TapFrame> frames_;
  std::size_t octets_ = 0;
  std::size_t segments_ = 0;
  DatagramBatch sealed_{2 * kSegmentsMax, kSuperframeOctetsMax};
  FrameBatch delivered_{kFrameSlots};
};

class SealTurn final : public Turn {
 public:
  using Turn::Turn;
  void prepare() override { take_frames(); }
  void run() override { seal(); }
  void verify() override { ROVE_CHECK(!sealed_.empty() && pair_.a.all_drops() == 0); }
};

class OpenTurn final : public Turn {
 public:
  using Turn::Turn;
  void prepare() override {
    take_frames();
    seal();
    delivered_.clear();
  }
  void run() override { open(); }
  void verify() override { check_opened(); }
};

std::vector<TapFrame> one_superframe(const PacketEnds& ends) {
  return {{bulk_superframe(ends), bulk_offload()}};
}

// Each fills a datagram. All are alike, so none continues another: they are not joined when they are opened.
std::vector<TapFrame> large_frames(const PacketEnds& ends) {
  const PacketShape shape;
  return {kSingleFrames, {transport_packet(shape, kSinglePayload, kTcpAck, 1, ends), bulk_offload(0)}};
}

std::vector<TapFrame> packed_frames(const PacketEnds& ends) {
  return small_frames(ends, kPackedFrames);
}

}  // namespace

std::vector<NamedWorkload> forwarder_workloads() {
  return with_each_algorithm<SealTurn, OpenTurn>({
      {"seal_superframe", "open_superframe", one_superframe},
      {"seal_frames", "open_frames", large_frames},
      {"seal_packed", "open_packed", packed_frames},
  });
}

}  // namespace rove
