#include "core/forward/late_copies.h"

namespace rove {

void LateCopies::begin(TimePoint now, const MacAddress& vm, const NodeId& peer) {
  expire(now);
  if (vms_.size() >= kAdvancesMax && !vms_.contains(vm)) return;
  vms_[vm] = {.peer = peer, .until = now + kLateTime, .ended = false, .frames = {}};
}

void LateCopies::end(const MacAddress& vm, const NodeId& peer) {
  const auto known = vms_.find(vm);
  if (known != vms_.end() && known->second.peer == peer) known->second.ended = true;
}

bool LateCopies::is_copy(TimePoint now, const MacAddress& vm, const NodeId& peer, std::uint64_t frame_hash) {
  expire(now);
  const auto known = vms_.find(vm);
  if (known == vms_.end() || known->second.peer != peer) return false;
  Vm& late = known->second;
  if (late.ended) return late.frames.erase(frame_hash) > 0;
  if (late.frames.size() < kAdvanceForwardedMax) late.frames.insert(frame_hash);
  return false;
}

void LateCopies::expire(TimePoint now) {
  std::erase_if(vms_, [now](const auto& entry) { return entry.second.until <= now; });
}

}  // namespace rove
