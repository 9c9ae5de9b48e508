#include "core/peer/handshake_timestamp.h"

#include <algorithm>

#include "core/base/bytes.h"

namespace rove {
namespace {

// 1970 as a TAI64 label; ten leap seconds, as everybody writes it. Only the order matters here.
constexpr std::uint64_t kTaiEpoch = (std::uint64_t{1} << 62) + 10;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kNsPerUs = 1'000;
constexpr std::uint64_t kUsPerMs = 1'000;
constexpr std::uint64_t kSecondsMax = std::uint64_t{1} << 33;  // the year 2242; nanoseconds until then fit 64 bits

}  // namespace

Tai64n TimestampClock::next(WallTime now, std::uint64_t floor_us) {
  const std::uint64_t reached_us = std::max(to_unix_ms(now) * kUsPerMs, floor_us);
  last_ns_ = std::max(reached_us * kNsPerUs, last_ns_ + 1);
  Tai64n label{};
  store_be(label.data(), kTaiEpoch + last_ns_ / kNsPerSecond);
  store_be(label.data() + sizeof(std::uint64_t), static_cast<std::uint32_t>(last_ns_ % kNsPerSecond));
  return label;
}

std::optional<Duration> lead_of(const Tai64n& timestamp, WallTime now) {
  const auto label = load_be<std::uint64_t>(timestamp.data());
  if (label < kTaiEpoch || label - kTaiEpoch > kSecondsMax) return std::nullopt;
  const Duration since_epoch = std::chrono::seconds{static_cast<std::int64_t>(label - kTaiEpoch)} +
                               Duration{load_be<std::uint32_t>(timestamp.data() + sizeof label)};
  return since_epoch - now.time_since_epoch();
}

TimestampTable::Order TimestampTable::compare(const NodeId& initiator, const Tai64n& timestamp) const {
  const auto it = last_.find(initiator);
  if (it == last_.end() || timestamp > it->second) return Order::Newer;
  return timestamp == it->second ? Order::Same : Order::Older;
}

void TimestampTable::accept(const NodeId& initiator, const Tai64n& timestamp) {
  const auto [it, inserted] = last_.try_emplace(initiator, timestamp);
  if (!inserted) {
    if (timestamp <= it->second) return;
    by_age_.erase({it->second, initiator});
    it->second = timestamp;
  }
  by_age_.emplace(timestamp, initiator);
  if (last_.size() <= entries_max_) return;
  last_.erase(by_age_.begin()->second);
  by_age_.erase(by_age_.begin());
}

}  // namespace rove
