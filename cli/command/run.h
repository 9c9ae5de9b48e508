// One invocation of `rove`, from its arguments to its exit status.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/base/failure.h"
#include "cli/base/paths.h"
#include "cli/base/table.h"

namespace rove {

struct Console {
  std::ostream& out;     // data
  std::ostream& errors;  // diagnostics
  TextStyle style;       // of `out`
};

// `arguments` without the program's name. Never throws; what commands throw is printed here.
[[nodiscard]] ExitStatus run_command(const std::vector<std::string>& arguments, const Environment& environment,
                                     Console& console);

}  // namespace rove
