#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/forward/vm_map.h"
#include "core/wire/ethernet.h"
#include "core/wire/superframe.h"
#include "tests/bench/bulk_frames.h"
#include "tests/bench/workload.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

constexpr std::size_t kQuestions = 1000;  // of one run, where one takes nanoseconds

class CutSuperframe final : public Workload {
 public:
  void prepare() override { frame_ = original_; }
  void run() override {
    auto segmenter = Segmenter::make(frame_, info_, kBulkSegmentSize);
    while (!segmenter->done()) octets_ += segmenter->next().size();
  }
  void verify() override {
    const std::size_t repeated = (kBulkSegments - 1) * PacketShape{}.header_size();
    ROVE_CHECK(std::exchange(octets_, 0) == original_.size() + repeated);
  }
  [[nodiscard]] std::size_t items() const override { return kBulkSegments; }

 private:
  const Bytes original_ = bulk_superframe();
  const FrameInfo info_ = *parse_frame(original_, kSuperframeSizeMax);
  Bytes frame_;
  std::size_t octets_ = 0;
};

class JoinSegments final : public Workload {
 public:
  JoinSegments() {
    Bytes frame = bulk_superframe();
    auto segmenter = Segmenter::make(frame, *parse_frame(frame, kSuperframeSizeMax), kBulkSegmentSize);
    while (!segmenter->done()) {
      const MutableBytes segment = segmenter->next();
      segments_.emplace_back(segment.begin(), segment.end());
    }
    info_ = *parse_frame(segments_[0]);
  }

  void prepare() override { first_ = segments_[0]; }
  void run() override {
    auto join = SegmentJoin::begin(first_, info_);
    octets_ = first_.size();
    for (std::size_t i = 1; i < segments_.size(); ++i) octets_ += join->append(segments_[i]).size();
  }
  void verify() override { ROVE_CHECK(octets_ == bulk_size_); }
  [[nodiscard]] std::size_t items() const override { return kBulkSegments; }

 private:
  const std::size_t bulk_size_ = bulk_superframe().size();
  std::vector<Bytes> segments_;
  FrameInfo info_;
  Bytes first_;
  std::size_t octets_ = 0;
};

class ParseFrame final : public Workload {
 public:
  explicit ParseFrame(const PacketShape& shape) : frame_(transport_packet(shape, 1000)) {}

  void run() override {
    for (std::size_t i = 0; i < kQuestions; ++i) parsed_ += parse_frame(frame_).has_value();
  }
  void verify() override { ROVE_CHECK(std::exchange(parsed_, 0) == kQuestions); }
  [[nodiscard]] std::size_t items() const override { return kQuestions; }

 private:
  Bytes frame_;
  std::size_t parsed_ = 0;
};

// As a host knows them: consecutive MACs of one maker, each asked for as often as the others.
class FindVm final : public Workload {
 public:
  FindVm() {
    MacAddress mac = mac_of("52:54:00:12:00:00");
    for (std::uint16_t i = 0; i < kQuestions; ++i) {
      store_be(&mac.octets[4], i);
      vms_[mac].ips = {ip_of("10.77.0.1"), ip_of("fd00::1")};
      macs_.push_back(mac);
    }
    SeededRandom random{3};
    for (std::size_t i = macs_.size(); i > 1; --i) {
      std::swap(macs_[i - 1], macs_[static_cast<std::size_t>(random.fraction() * static_cast<double>(i))]);
    }
  }

  void run() override {
    for (const MacAddress& mac : macs_) found_ += vms_.find(mac)->ips.size();
  }
  void verify() override { ROVE_CHECK(std::exchange(found_, 0) == 2 * kQuestions); }
  [[nodiscard]] std::size_t items() const override { return kQuestions; }
  [[nodiscard]] std::string item() const override { return "question"; }

 private:
  VmMap vms_;
  std::vector<MacAddress> macs_;
  std::size_t found_ = 0;
};

}  // namespace

std::vector<NamedWorkload> plain_workloads() {
  return {
      {"cut_superframe", [] { return std::make_unique<CutSuperframe>(); }},
      {"join_segments", [] { return std::make_unique<JoinSegments>(); }},
      {"parse_frame/tcp4", [] { return std::make_unique<ParseFrame>(PacketShape{}); }},
      {"parse_frame/tcp6", [] { return std::make_unique<ParseFrame>(PacketShape{.v4 = false}); }},
      {"find_vm/1000", [] { return std::make_unique<FindVm>(); }},
  };
}

}  // namespace rove
