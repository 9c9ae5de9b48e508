#include "core/replay/port_ring.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/wire/ethernet.h"
#include "core/wire/superframe.h"

namespace rove {

void PortRing::push(PortFrame frame) {
  ++seen_;
  octets_ += frame.frame.size();
  frames_.push_back(std::move(frame));
  while (frames_.size() > kPortFramesMax || octets_ > kPortOctetsMax) forget_first();
}

void PortRing::forget_first() {
  octets_ -= frames_.front().frame.size();
  frames_.pop_front();
}

void PortRing::handle_lost(std::uint64_t frames) {
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(frames, kPortFramesMax); ++i) push({});
  if (frames > kPortFramesMax) seen_ += frames - kPortFramesMax;
}

std::int64_t PortRing::raw_unread() const {
  const std::uint64_t gone = now_.read - start_.read + dropped_before_ - start_.dropped;
  return static_cast<std::int64_t>(seen_at_counters_ - gone) + correction_;
}

void PortRing::handle_counters(TimePoint now, const PortCounters& counters) {
  if (counters.read != now_.read) dropped_before_ = now_.dropped;
  now_ = counters;
  seen_at_counters_ = seen_;
  // More read than seen: those were queued before the capture began.
  if (raw_unread() < 0) correction_ -= raw_unread();

  if (!window_) window_ = Window{now, counters.read, raw_unread()};
  window_->lowest = std::min(window_->lowest, raw_unread());
  if (now - window_->begin < kDriftTime) return;
  if (counters.read - window_->read >= kDriftReads) correction_ -= window_->lowest;
  window_ = Window{now, counters.read, raw_unread()};
}

std::uint64_t PortRing::unread() const {
  return static_cast<std::uint64_t>(raw_unread());
}

std::optional<std::uint64_t> PortRing::undelivered(std::uint64_t delivered) const {
  if (delivered > now_.read || now_.read - delivered > kUndeliveredMax) return std::nullopt;
  return now_.read - delivered;
}

void PortRing::trim() {
  const std::uint64_t keep = unread() + (seen_ - seen_at_counters_) + kPortReadKept;
  while (frames_.size() > keep) forget_first();
}

PortRing::Taken PortRing::take(const MacAddress& destination, std::uint64_t read) const {
  const std::uint64_t wanted = unread() + (seen_ - seen_at_counters_);
  return take_last(destination, wanted + read, wanted);
}

PortRing::Taken PortRing::take_after(const MacAddress& destination, std::uint64_t seen) const {
  const std::uint64_t wanted = seen_ - std::min(seen, seen_);
  return take_last(destination, wanted, wanted);
}

PortRing::Taken PortRing::take_last(const MacAddress& destination, std::uint64_t last, std::uint64_t wanted) const {
  Taken taken;
  if (wanted > frames_.size()) taken.missing = wanted - frames_.size();
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(last, frames_.size()));
  for (std::size_t i = frames_.size() - count; i < frames_.size(); ++i) {
    const PortFrame& frame = frames_[i];
    const bool is_wanted = i + wanted >= frames_.size();
    if (frame.frame.size() < destination.octets.size()) {
      if (is_wanted) ++taken.missing;
    } else if (!std::equal(destination.octets.begin(), destination.octets.end(), frame.frame.begin())) {
      continue;
    } else if (frame.segment_size == 0) {
      taken.frames.push_back(frame);
    } else {
      std::vector<PortFrame> segments = segments_of(frame);
      if (segments.empty() && is_wanted) ++taken.missing;
      std::move(segments.begin(), segments.end(), std::back_inserter(taken.frames));
    }
  }
  return taken;
}

std::vector<PortFrame> PortRing::segments_of(PortFrame superframe) {
  std::vector<PortFrame> segments;
  const auto info = parse_frame(superframe.frame, kSuperframeSizeMax);
  if (!info) return segments;
  auto segmenter = Segmenter::make(superframe.frame, *info, superframe.segment_size);
  while (segmenter && !segmenter->done()) {
    const MutableBytes segment = segmenter->next();
    segments.push_back({.frame = {segment.begin(), segment.end()}, .needs_checksum = true});
  }
  return segments;
}

}  // namespace rove
