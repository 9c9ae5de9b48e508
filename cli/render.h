// The daemon's answers as people read them.
#pragma once

#include <string>
#include <string_view>

#include "cli/control_protocol.h"
#include "cli/table.h"

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
