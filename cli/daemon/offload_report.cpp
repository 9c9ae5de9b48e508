#include "cli/daemon/offload_report.h"

#include <algorithm>

namespace rove {

CounterList offload_counters(const std::vector<OffloadUse>& uses) {
  CounterList counters;
  for (const OffloadUse& use : uses) counters.emplace_back(use.name, use.used ? 1 : 0);
  return counters;
}

std::vector<std::string> OffloadReport::take_ended(const CounterList& offloads) {
  std::vector<std::string> ended;
  for (const auto& [name, in_use] : last_) {
    const auto now = std::find_if(offloads.begin(), offloads.end(), [&](const auto& one) { return one.first == name; });
    if (in_use != 0 && now != offloads.end() && now->second == 0) ended.push_back(name);
  }
  last_ = offloads;
  ended_.insert(ended_.end(), ended.begin(), ended.end());
  return ended;
}

std::vector<std::string> OffloadReport::problems() const {
  std::vector<std::string> problems;
  for (const std::string& name : ended_) {
    problems.push_back("the offload " + name + " has ended by itself: this kernel or network card does it wrongly");
  }
  return problems;
}

}  // namespace rove
