#include "core/replay/transit_log.h"

#include <algorithm>
#include <utility>

namespace rove {

void TransitLog::handle_in(PortFrame frame) {
  octets_ += frame.frame.size();
  const std::uint64_t hash = hash_bytes(frame.frame);
  entries_.push_back({hash, std::move(frame)});
  while (entries_.size() > kTransitFramesMax || octets_ > kTransitOctetsMax) {
    octets_ -= entries_.front().frame.frame.size();
    entries_.pop_front();
  }
}

void TransitLog::handle_out(BytesView frame, bool to_vm_port) {
  const std::uint64_t hash = hash_bytes(frame);
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.hash == hash; });
  if (same == entries_.end()) {
    // The port works, so what is missing is missing for another reason, such as a filter of the host's.
    if (to_vm_port) handle_lost();
    return;
  }
  const auto first = to_vm_port ? entries_.begin() : same;
  for (auto it = first; it != std::next(same); ++it) octets_ -= it->frame.frame.size();
  entries_.erase(first, std::next(same));
}

void TransitLog::handle_lost() {
  entries_.clear();
  octets_ = 0;
}

std::vector<PortFrame> TransitLog::take_dropped() {
  std::vector<PortFrame> dropped;
  for (Entry& entry : entries_) dropped.push_back(std::move(entry.frame));
  handle_lost();
  return dropped;
}

}  // namespace rove
