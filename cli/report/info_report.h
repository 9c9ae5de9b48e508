// `rove info`: all about one member on one screen.
#pragma once

#include <string>

#include "cli/base/table.h"
#include "cli/report/json.h"
#include "core/node/node.h"

namespace rove {

[[nodiscard]] std::string report_info(const MemberInfo& member, Now now);
[[nodiscard]] std::string render_info(const ReportJson& answer, const TextStyle& style);

}  // namespace rove
