// The daemon's answers as people read them.
#pragma once

#include <string>
#include <string_view>

#include "cli/base/table.h"
#include "cli/control/control_protocol.h"

namespace rove {

struct RenderOptions {
  TextStyle style;
  bool counters = false;  // status: every counter that is not zero
};

// `data` is the JSON object of an answer to `verb`, found or not. Throws Failure when it lacks what this
// version of rove reads: the daemon is of another one.
[[nodiscard]] std::string render(ControlVerb verb, std::string_view data, const RenderOptions& options);

// What `rove wait` looks at in the answer to Status.
[[nodiscard]] bool is_usable(std::string_view status_data);

}  // namespace rove
