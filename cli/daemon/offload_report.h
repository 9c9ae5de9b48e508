// What of the kernel's offloads ended by itself.
#pragma once

#include <string>
#include <vector>

#include "cli/report/report.h"

namespace rove {

// As the counters' group "offloads": 1 or 0 each.
[[nodiscard]] CounterList offload_counters(const std::vector<OffloadUse>& uses);

// Control thread.
class OffloadReport {
 public:
  // Names of those that were in use at the last call, and are no longer.
  [[nodiscard]] std::vector<std::string> take_ended(const CounterList& offloads);
  // A sentence for each that ended since the start.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  CounterList last_;
  std::vector<std::string> ended_;
};

}  // namespace rove
