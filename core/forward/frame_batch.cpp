#include "core/forward/frame_batch.h"

#include <cstring>
#include <functional>

#include "core/base/check.h"

namespace rove {
namespace {

constexpr std::size_t kAlignment = 64;

constexpr std::size_t aligned(std::size_t octets) {
  return (octets + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

// Not initialized: pages that are never written to cost no memory.
FrameBatch::FrameBatch(std::size_t frames_max) : memory_(new std::uint8_t[kOctetsMax]) {
  frames_.reserve(frames_max);
}

void FrameBatch::push(BytesView frame, bool needs_checksum, unsigned port) {
  ROVE_CHECK(!full() && !covered_);
  join_.reset();
  if (holds(frame)) octets_ = static_cast<std::size_t>(frame.data() + frame.size() - memory_.get());
  frames_.push_back({.frame = frame, .needs_checksum = needs_checksum, .port = port});
}

bool FrameBatch::append(SessionIndex session, BytesView frame) {
  if (!join_ || session != joined_session_) return false;
  Entry& last = frames_.back();
  const bool begun = holds(last.frame);
  // What landed lies where the first frame would have to go.
  if (!begun && holds(frame)) return false;
  const std::size_t start = begun ? octets_ : aligned(octets_) + last.frame.size();
  if (start + frame.size() > kOctetsMax) return false;
  const BytesView payload = join_->append(frame);
  if (payload.empty()) return false;

  if (!begun) {
    std::uint8_t* const to = next_place();
    std::memcpy(to, last.frame.data(), last.frame.size());
    last.frame = {to, last.frame.size()};
    join_->move_to(to);
  }
  if (covered_) {
    uncover();
  } else {
    std::memmove(memory_.get() + start, payload.data(), payload.size());
  }
  octets_ = start + payload.size();
  last.frame = {last.frame.data(), last.frame.size() + payload.size()};
  last.segment_size = join_->segment_size();
  last.place = join_->place();
  return true;
}

MutableBytes FrameBatch::land(SessionIndex session, std::size_t size) {
  if (aligned(octets_) + size > kOctetsMax) return {};
  if (!join_ || session != joined_session_) return {next_place(), size};
  const std::size_t headers = join_->place().payload;
  const BytesView last = frames_.back().frame;
  // It may not cover the last frame's own headers.
  if (!holds(last) || size <= headers || last.size() < headers + aside_.size()) return {next_place(), size};
  covered_ = true;
  std::uint8_t* const end = memory_.get() + octets_;
  std::memcpy(aside_.data(), end - aside_.size(), aside_.size());  // of a size that the compiler knows
  return {end - headers, size};
}

MutableBytes FrameBatch::settle(MutableBytes frame) {
  if (!covered_) return frame;
  std::uint8_t* const to = next_place();
  std::memmove(to, frame.data(), frame.size());
  uncover();
  return {to, frame.size()};
}

void FrameBatch::clear() {
  frames_.clear();
  join_.reset();
  octets_ = 0;
  covered_ = false;
}

bool FrameBatch::holds(BytesView frame) const {
  const std::less<> before;
  return !before(frame.data(), memory_.get()) && before(frame.data(), memory_.get() + kOctetsMax);
}

std::uint8_t* FrameBatch::next_place() const {
  return memory_.get() + aligned(octets_);
}

void FrameBatch::uncover() {
  std::memcpy(memory_.get() + octets_ - aside_.size(), aside_.data(), aside_.size());
  covered_ = false;
}

}  // namespace rove
