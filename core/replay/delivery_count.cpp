#include "core/replay/delivery_count.h"

#include <algorithm>

namespace rove {

void DeliveryCount::handle_sample(std::uint16_t used, std::uint64_t read_before, std::uint64_t read_after) {
  const bool is_first = !known_;
  if (is_first) known_ = Known{.used = used};
  known_->buffers += static_cast<std::uint16_t>(used - known_->used);
  known_->used = used;
  const auto low = static_cast<std::int64_t>(read_before - known_->buffers);
  const auto high = static_cast<std::int64_t>(read_after - known_->buffers);
  const bool agrees = !is_first && low <= known_->ahead_max && high >= known_->ahead_min;
  known_->agreeing = agrees ? std::min(known_->agreeing + 1, kAgreeingSamples) : 1;
  known_->ahead_min = agrees ? std::max(low, known_->ahead_min) : low;
  known_->ahead_max = agrees ? std::min(high, known_->ahead_max) : high;
}

std::optional<std::uint64_t> DeliveryCount::delivered(std::uint16_t used) const {
  const bool exact = known_ && known_->agreeing >= kAgreeingSamples && known_->ahead_min == known_->ahead_max;
  if (!exact) return std::nullopt;
  const std::uint64_t buffers = known_->buffers + static_cast<std::uint16_t>(used - known_->used);
  return buffers + static_cast<std::uint64_t>(known_->ahead_min);
}

}  // namespace rove
