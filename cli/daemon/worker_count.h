// How many threads move packets.
#pragma once

#include <algorithm>

namespace rove {

// `configured`: the configuration's, which reads 0 to kShards; 0: one for four processors, as VMs want the others, and
// no more than 4, which is what several 10 Gb/s take.
[[nodiscard]] constexpr unsigned choose_workers(int configured, unsigned processors) {
  if (configured > 0) return static_cast<unsigned>(configured);
  return std::clamp(processors / 4, 1U, 4U);
}

}  // namespace rove
