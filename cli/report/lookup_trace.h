// What a lookup did, step by step.
#pragma once

#include <string>

#include "cli/base/table.h"
#include "cli/report/json.h"
#include "core/node/node.h"

namespace rove {

// {"steps":[…],"left_out":N}
[[nodiscard]] ReportJson trace_json(const LookupResult& result);
[[nodiscard]] std::string render_trace(const ReportJson& trace, const TextStyle& style);

}  // namespace rove
