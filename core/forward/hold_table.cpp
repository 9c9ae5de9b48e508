#include "core/forward/hold_table.h"

#include <algorithm>
#include <utility>

namespace rove {

HoldTable::Hold* HoldTable::open(const MacAddress& vm, const VmView& view) {
  const auto known = holds_.find(vm);
  if (known != holds_.end() && known->second.id == view.hold.id) {
    Hold& hold = known->second;
    hold.deadline = hold.extended ? view.hold.until_max : view.hold.until;
    return &hold;
  }
  if (time_ >= view.hold.until) return nullptr;
  if (known == holds_.end() && holds_.size() >= kHeldVmsMax) return nullptr;
  Hold& hold = known == holds_.end() ? holds_[vm] : known->second;
  // It moved again: what waited for the earlier move waits no longer.
  release_all(hold);
  const std::size_t releasing = hold.releasing;
  hold = {};
  hold.id = view.hold.id;
  hold.deadline = view.hold.until;
  hold.releasing = releasing;
  if (view.detoured) hold.switching.insert(NodeId{});
  return &hold;
}

bool HoldTable::is_blocked(const Hold& hold, const NodeId& from) {
  return !hold.replay_ended || hold.switching.contains(from);
}

bool HoldTable::keep(const MacAddress& vm, const VmView& view, const NodeId& from, std::uint8_t flags,
                     BytesView frame) {
  Hold* hold = open(vm, view);
  if (hold == nullptr || (!is_blocked(*hold, from) && hold->releasing == 0)) return false;
  if (frames_ >= kHeldFramesMax || octets_ + frame.size() > kHeldOctetsMax) return false;
  ++frames_;
  octets_ += frame.size();
  HeldFrame held{vm, from, flags, {frame.begin(), frame.end()}};
  if (is_blocked(*hold, from)) {
    hold->frames.push_back(std::move(held));
  } else {
    ++hold->releasing;
    released_.push_back(std::move(held));
  }
  return true;
}

void HoldTable::handle_forwarded(const MacAddress& vm, const VmView& view) {
  Hold* hold = open(vm, view);
  if (hold == nullptr || hold->replay_ended) return;
  hold->extended = true;
  hold->deadline = view.hold.until_max;
}

void HoldTable::handle_replay_end(const MacAddress& vm, const VmView& view) {
  Hold* hold = open(vm, view);
  if (hold == nullptr) return;
  hold->replay_ended = true;
  hold->extended = true;
  hold->deadline = view.hold.until_max;
  release_unblocked(*hold);
}

void HoldTable::handle_switch_ahead(const MacAddress& vm, const VmView& view, const NodeId& sender) {
  Hold* hold = open(vm, view);
  if (hold == nullptr || hold->switched.contains(sender) || hold->switching.size() >= kSwitchesMax) return;
  hold->switching.insert(sender);
}

void HoldTable::handle_path_switch(const MacAddress& vm, const VmView& view, const NodeId& sender) {
  Hold* hold = open(vm, view);
  if (hold == nullptr || hold->switched.size() >= kSwitchesMax) return;
  hold->switching.erase(sender);
  hold->switched.insert(sender);
  release_unblocked(*hold);
}

void HoldTable::release_unblocked(Hold& hold) {
  std::deque<HeldFrame> blocked;
  for (HeldFrame& held : hold.frames) {
    if (is_blocked(hold, held.from)) {
      blocked.push_back(std::move(held));
    } else {
      ++hold.releasing;
      released_.push_back(std::move(held));
    }
  }
  hold.frames = std::move(blocked);
}

void HoldTable::release_all(Hold& hold) {
  hold.replay_ended = true;
  hold.switching.clear();
  release_unblocked(hold);
}

void HoldTable::expire() {
  for (auto it = holds_.begin(); it != holds_.end();) {
    Hold& hold = it->second;
    if (time_ >= hold.deadline) release_all(hold);
    it = time_ >= hold.deadline && hold.releasing == 0 ? holds_.erase(it) : std::next(it);
  }
}

std::optional<HeldFrame> HoldTable::take_released() {
  if (released_.empty()) return std::nullopt;
  HeldFrame held = std::move(released_.front());
  released_.pop_front();
  --frames_;
  octets_ -= held.frame.size();
  if (const auto hold = holds_.find(held.vm); hold != holds_.end()) --hold->second.releasing;
  return held;
}

bool HoldTable::has_released(TimePoint caught_up) {
  time_ = std::max(time_, caught_up);
  expire();
  return !released_.empty();
}

std::optional<TimePoint> HoldTable::poll_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [vm, hold] : holds_) {
    if (!next || hold.deadline < *next) next = hold.deadline;
  }
  return next;
}

}  // namespace rove
