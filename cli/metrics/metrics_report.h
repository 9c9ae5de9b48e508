// What monitoring is told, made of what `rove status` tells.
#pragma once

#include <string>

#include "cli/report/report.h"

namespace rove {

// Everything in `report` as metrics; docs/metrics.md lists them.
[[nodiscard]] std::string render_metrics(const StatusReport& report);

// {"schema":1,"usable":…,"problems":[…]}
[[nodiscard]] std::string render_health(const StatusReport& report);
// … of a daemon whose control thread does not answer.
[[nodiscard]] std::string render_health_unknown();

}  // namespace rove
