#include "core/forward/advance_table.h"

#include <algorithm>
#include <utility>

namespace rove {

bool AdvanceTable::begin(TimePoint now, const MacAddress& vm, const NodeId& peer, bool detoured) {
  const auto known = advances_.find(vm);
  if (known != advances_.end()) {
    if (known->second.shown_until) return false;
    end(known);  // what is kept is of an earlier stop
  }
  if (advances_.size() >= kAdvancesMax) return false;
  Advance& advance = advances_[vm];
  advance.peer = peer;
  advance.begun = now;
  advance.detoured = detoured;
  return true;
}

AdvanceTable::Iterator AdvanceTable::find_of(const MacAddress& vm, const NodeId& peer) {
  const auto known = advances_.find(vm);
  return known != advances_.end() && known->second.peer == peer ? known : advances_.end();
}

void AdvanceTable::cancel(const MacAddress& vm, const NodeId& peer) {
  const auto known = find_of(vm, peer);
  if (known != advances_.end() && !known->second.shown_until) end(known);
}

bool AdvanceTable::handle_returned(const MacAddress& vm, const NodeId& peer) {
  const auto known = find_of(vm, peer);
  if (known == advances_.end()) return false;
  // Else some went there again since.
  if (known->second.keeps_local) set_returned(known->second);
  return true;
}

void AdvanceTable::handle_switched(const MacAddress& vm, const NodeId& peer) {
  const auto known = find_of(vm, peer);
  if (known != advances_.end() && known->second.shown_until) set_returned(known->second);
}

void AdvanceTable::handle_forwarded(const MacAddress& vm) {
  const auto known = advances_.find(vm);
  if (known == advances_.end() || std::exchange(known->second.extended, true)) return;
  if (known->second.claimed) known->second.returned_until = known->second.returned_until_max;
}

void AdvanceTable::set_returned(Advance& advance) {
  if (!advance.detoured || std::exchange(advance.returned, true)) return;
  if (advance.shown_until) return release(advance.local, /*onward=*/false);
  for (const HeldFrame& held : advance.local) {
    octets_ += held.frame.size();
    released_.push_back({held, false});
  }
  advance.queued = advance.local.size();
}

bool AdvanceTable::show(TimePoint now, const MacAddress& vm) {
  const auto known = advances_.find(vm);
  if (known == advances_.end() || known->second.shown_until) return false;
  Advance& advance = known->second;
  advance.shown_until = now + kAdvanceShownTime;
  advance.returned_until = now + kAdvanceReturnTime;
  release(advance.forwarded, /*onward=*/false);
  forget_queued(advance);
  if (!advance.waits()) release(advance.local, /*onward=*/false);
  return true;
}

AdvanceTable::Answer AdvanceTable::keep_forwarded(const MacAddress& vm, const NodeId& from, std::uint8_t flags,
                                                  BytesView frame) {
  const auto known = find_of(vm, from);
  if (known == advances_.end()) return Answer::None;
  Advance& advance = known->second;
  if (advance.shown_until) return Answer::Deliver;
  if (advance.detoured) return ++advance.delivered % kAdvanceKeptEvery == 0 ? Answer::DeliverTell : Answer::Deliver;
  const bool fits = advance.forwarded.size() < kAdvanceForwardedMax &&
                    push(advance.forwarded, {vm, from, flags, {frame.begin(), frame.end()}});
  if (!fits) {
    end(known);
    return Answer::Full;
  }
  return advance.forwarded.size() % kAdvanceKeptEvery == 0 ? Answer::KeptTell : Answer::Kept;
}

AdvanceTable::Answer AdvanceTable::keep_local(const MacAddress& vm, BytesView frame) {
  const auto known = advances_.find(vm);
  if (known == advances_.end()) return Answer::None;
  Advance& advance = known->second;
  if (advance.shown_until && !advance.waits()) return deliver(vm, frame);
  if (!advance.keeps_local && !advance.shown_until) return Answer::None;
  const bool fits =
      advance.local.size() < kAdvanceLocalMax && push(advance.local, {vm, NodeId{}, 0, {frame.begin(), frame.end()}});
  if (fits && advance.detoured && advance.returned) {
    ++advance.queued;
    return deliver(vm, frame);
  }
  if (fits) return Answer::Kept;
  if (advance.shown_until) {
    set_returned(advance);
    return deliver(vm, frame);
  }
  stop_keeping(advance);
  return Answer::None;
}

AdvanceTable::Answer AdvanceTable::deliver(const MacAddress& vm, BytesView frame) {
  if (released_.empty()) return Answer::Deliver;
  octets_ += frame.size();
  released_.push_back({{vm, NodeId{}, 0, {frame.begin(), frame.end()}}, false});
  return Answer::Kept;
}

// From here on all go by the old host, or they would overtake.
void AdvanceTable::stop_keeping(Advance& advance) {
  advance.keeps_local = false;
  advance.returned = false;  // when it comes, they wait for these again
  if (advance.queued == 0) release(advance.local, /*onward=*/true);
}

void AdvanceTable::forget_queued(Advance& advance) {
  for (; advance.queued > 0; --advance.queued) {
    octets_ -= advance.local.front().frame.size();
    advance.local.pop_front();
  }
}

bool AdvanceTable::push(std::deque<HeldFrame>& frames, HeldFrame frame) {
  if (octets_ + frame.frame.size() > kAdvanceOctetsMax) return false;
  octets_ += frame.frame.size();
  frames.push_back(std::move(frame));
  return true;
}

void AdvanceTable::release(std::deque<HeldFrame>& frames, bool onward) {
  for (HeldFrame& held : frames) released_.push_back({std::move(held), onward});
  frames.clear();
}

void AdvanceTable::discard(std::deque<HeldFrame>& frames) {
  for (const HeldFrame& held : frames) octets_ -= held.frame.size();
  frames.clear();
}

AdvanceTable::Iterator AdvanceTable::end(Iterator it) {
  discard(it->second.forwarded);
  release(it->second.local, /*onward=*/true);
  return advances_.erase(it);
}

std::optional<AdvanceFrame> AdvanceTable::take_released() {
  if (released_.empty()) return std::nullopt;
  AdvanceFrame frame = std::move(released_.front());
  released_.pop_front();
  octets_ -= frame.held.frame.size();
  return frame;
}

void AdvanceTable::expire(TimePoint now) {
  for (auto it = advances_.begin(); it != advances_.end();) {
    Advance& advance = it->second;
    const bool over = advance.shown_until ? now >= *advance.shown_until : now - advance.begun >= kAdvanceKeptTime;
    if (over) {
      it = end(it);
      continue;
    }
    if (advance.waits() && now >= advance.returned_until) set_returned(advance);
    if (!advance.shown_until && advance.keeps_local && now - advance.begun >= kAdvanceLocalTime) {
      stop_keeping(advance);
    }
    ++it;
  }
}

std::optional<TimePoint> AdvanceTable::poll_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [vm, advance] : advances_) {
    const TimePoint at = advance.waits()       ? advance.returned_until
                         : advance.shown_until ? *advance.shown_until
                         : advance.keeps_local ? advance.begun + kAdvanceLocalTime
                                               : advance.begun + kAdvanceKeptTime;
    if (!next || at < *next) next = at;
  }
  return next;
}

}  // namespace rove
