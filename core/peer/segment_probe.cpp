#include "core/peer/segment_probe.h"

namespace rove {

void SegmentProbe::start(TimePoint now) {
  next_ = now;
  round_.reset();
  plain_answered_ = false;
  failed_ = tries_ = 0;
}

bool SegmentProbe::handle_timeout(TimePoint now) {
  if (!next_ || now < *next_) return false;
  if (round_ && plain_answered_ && ++failed_ == kRoundsMax) {
    state_ = State::Broken;
    stop();
    return false;
  }
  if (tries_++ == kTriesMax) {
    stop();
    return false;
  }
  plain_answered_ = false;
  round_.reset();
  next_ = now + kInterval;
  return true;
}

void SegmentProbe::handle_pong(std::uint64_t id) {
  if (!round_) return;
  if (id == round_->plain) plain_answered_ = true;
  if (id != round_->cut.back()) return;
  state_ = State::Works;
  round_.reset();
  stop();
}

std::string_view to_string(SegmentProbe::State state) {
  switch (state) {
    case SegmentProbe::State::Works: return "works";
    case SegmentProbe::State::Broken: return "broken";
    case SegmentProbe::State::Unknown: break;
  }
  return "unknown";
}

}  // namespace rove
