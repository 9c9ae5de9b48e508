// What each counter of `rove status` is as a metric.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/metrics/exposition.h"

namespace rove {

struct MetricEntry {
  std::string_view group;  // as in StatusReport::counters
  std::string_view counter;
  MetricType type = MetricType::Counter;
  std::string_view help;
};

// nullopt: the table does not know it. docs/metrics.md says the same, and a test holds both against a daemon.
[[nodiscard]] std::optional<MetricEntry> find_metric(std::string_view group, std::string_view counter);

// rove_GROUP_COUNTER, with _total behind it unless it is a gauge.
[[nodiscard]] std::string metric_name(const MetricEntry& entry);

}  // namespace rove
