#include "core/forward/frame_backlog.h"

#include "core/base/check.h"
#include "core/wire/ethernet.h"

namespace rove {
namespace {

constexpr std::size_t kCacheLine = 64;
// An odd number of cache lines apart, so that the frames' beginnings do not all fall into the same sets of the cache.
constexpr std::size_t kStride = ((kSuperframeSizeMax + kCacheLine - 1) / kCacheLine | 1) * kCacheLine;
static_assert(kStride >= kSuperframeSizeMax && kStride / kCacheLine % 2 == 1);

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kFragment = 44;  // IPv6's header of one, which names the protocol

// Words of a key, mixed. Flows are told apart, not protected: who can choose addresses may make his own flows collide.
class Mixer {
 public:
  void add(BytesView octets) {
    std::size_t i = 0;
    for (; i + 4 <= octets.size(); i += 4) mix(load_be<std::uint32_t>(&octets[i]));
    for (; i < octets.size(); ++i) mix(octets[i]);
  }
  [[nodiscard]] std::uint32_t result() const { return static_cast<std::uint32_t>(state_ >> 32); }

 private:
  void mix(std::uint32_t word) { state_ = (state_ ^ word) * 0x9e3779b97f4a7c15ULL; }  // Fibonacci hashing
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

}  // namespace

std::uint32_t flow_of(BytesView frame) {
  Mixer mixer;
  std::size_t at = kEthernetHeaderSize;
  if (frame.size() < at) return 0;
  std::uint16_t ethertype = load_be<std::uint16_t>(&frame[at - 2]);
  if (ethertype == kEtherTypeVlan && frame.size() >= at + 4) {
    at += 4;
    ethertype = load_be<std::uint16_t>(&frame[at - 2]);
  }
  const BytesView ip = frame.subspan(at);
  if (ethertype == kEtherTypeIpv4 && ip.size() >= 20) {
    mixer.add(ip.subspan(12, 8));
    mixer.add(ip.subspan(9, 1));
    const std::size_t header_size = std::size_t{ip[0] & 0x0fU} * 4;
    if (ip[9] == kTcp && ip.size() >= header_size + 4) mixer.add(ip.subspan(header_size, 4));
    return mixer.result();
  }
  if (ethertype == kEtherTypeIpv6 && ip.size() >= 40) {
    mixer.add(ip.subspan(8, 32));
    const bool fragment = ip[6] == kFragment && ip.size() >= 48;
    mixer.add(ip.subspan(fragment ? 40 : 6, 1));
    if (ip[6] == kTcp && ip.size() >= 44) mixer.add(ip.subspan(40, 4));
    return mixer.result();
  }
  mixer.add(frame.first(at));
  return mixer.result();
}

FrameBacklog::FrameBacklog(std::size_t frames_max)
    : memory_(new std::uint8_t[frames_max * kStride]), frames_(frames_max), sparse_(frames_max), bulk_(frames_max) {
  free_.reserve(frames_max);
  for (std::size_t i = 0; i < frames_max; ++i) free_.push_back(static_cast<Number>(frames_max - 1 - i));
}

MutableBytes FrameBacklog::octets_of(Number number, std::size_t size) {
  return {memory_.get() + number * kStride, size};
}

MutableBytes FrameBacklog::buffer() {
  ROVE_CHECK(!full());
  return octets_of(free_.back(), kSuperframeSizeMax);
}

void FrameBacklog::push(std::size_t size, const TapOffload& offload) {
  ROVE_CHECK(!full() && size <= kSuperframeSizeMax);
  const Number number = free_.back();
  free_.pop_back();
  const auto flow = static_cast<std::uint16_t>(flow_of(octets_of(number, size)) % kFlows);
  frames_[number] = {size, offload, flow};
  octets_ += size;
  Waiting& waiting = waiting_[flow];
  const bool ahead = size <= kSmallMax && offload.segment_size == 0 && waiting.bulk == 0 && waiting.ahead < kAheadMax;
  ++(ahead ? waiting.ahead : waiting.bulk);
  (ahead ? sparse_ : bulk_).push(number);
}

std::optional<FrameBacklog::Frame> FrameBacklog::pop() {
  if (popped_) {
    free_.push_back(*popped_);
    popped_.reset();
  }
  const bool ahead = !sparse_.empty();
  if (!ahead && bulk_.empty()) return std::nullopt;
  popped_ = (ahead ? sparse_ : bulk_).pop();
  const Held& held = frames_[*popped_];
  octets_ -= held.size;
  Waiting& waiting = waiting_[held.flow];
  --(ahead ? waiting.ahead : waiting.bulk);
  return Frame{octets_of(*popped_, held.size), held.offload, ahead};
}

}  // namespace rove
