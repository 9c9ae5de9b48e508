#include "core/node/resolver.h"

#include <algorithm>
#include <utility>

namespace rove {

Resolver::Outcome Resolver::handle_miss(TimePoint now, const VmAddress& address, BytesView frame) {
  if (const auto negative = negative_.find(address); negative != negative_.end()) {
    if (now < negative->second) return Outcome::Negative;
    negative_.erase(negative);
  }
  auto it = waiting_.find(address);
  if (it == waiting_.end()) {
    if (waiting_.size() >= kResolvingMax) return Outcome::Full;
    it = waiting_.emplace(address, Waiting{}).first;
    it->second.deadline = now + kResolveTimeout;
    questions_.push_back(address);
  }
  std::deque<Bytes>& frames = it->second.frames;
  if (frames.size() == kHeldPerAddress) {
    frames.pop_front();
    ++held_dropped_;
  }
  frames.emplace_back(frame.begin(), frame.end());
  return Outcome::Held;
}

std::optional<VmAddress> Resolver::poll_question() {
  while (!questions_.empty()) {
    const VmAddress address = questions_.front();
    questions_.pop_front();
    if (waiting_.contains(address)) return address;
  }
  return std::nullopt;
}

void Resolver::set_lookup(const VmAddress& address, LookupId lookup) {
  const auto it = waiting_.find(address);
  if (it == waiting_.end()) return;
  it->second.lookup = lookup;
  lookups_[lookup] = address;
}

std::optional<VmAddress> Resolver::find_by_lookup(LookupId lookup) const {
  const auto it = lookups_.find(lookup);
  if (it == lookups_.end()) return std::nullopt;
  return it->second;
}

std::vector<VmAddress> Resolver::waiting() const {
  std::vector<VmAddress> addresses;
  addresses.reserve(waiting_.size());
  for (const auto& [address, waiting] : waiting_) addresses.push_back(address);
  return addresses;
}

std::vector<Bytes> Resolver::take_resolved(const VmAddress& address) {
  negative_.erase(address);
  const auto it = waiting_.find(address);
  if (it == waiting_.end()) return {};
  if (it->second.lookup) lookups_.erase(*it->second.lookup);
  std::vector<Bytes> frames{std::make_move_iterator(it->second.frames.begin()),
                            std::make_move_iterator(it->second.frames.end())};
  waiting_.erase(it);
  return frames;
}

std::vector<Bytes> Resolver::take_negative(TimePoint now, const VmAddress& address) {
  std::vector<Bytes> frames = take_resolved(address);
  if (negative_.size() < kResolvingMax) negative_[address] = now + kNegativeTime;
  return frames;
}

std::size_t Resolver::handle_timeout(TimePoint now) {
  std::size_t dropped = 0;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second.deadline > now) {
      ++it;
      continue;
    }
    dropped += it->second.frames.size();
    if (it->second.lookup) lookups_.erase(*it->second.lookup);
    it = waiting_.erase(it);
  }
  held_dropped_ += dropped;
  std::erase_if(negative_, [now](const auto& entry) { return entry.second <= now; });
  return dropped;
}

std::optional<TimePoint> Resolver::poll_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [address, waiting] : waiting_) {
    if (!next || waiting.deadline < *next) next = waiting.deadline;
  }
  for (const auto& [address, until] : negative_) {
    if (!next || until < *next) next = until;
  }
  return next;
}

}  // namespace rove
