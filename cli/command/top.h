// `rove top`.
#pragma once

#include "cli/base/failure.h"
#include "cli/command/daemon_access.h"

namespace rove {

struct Console;
struct TopCommand;

// On a terminal the screen is drawn anew each time, until q, SIGINT or SIGTERM, and left as it was. Elsewhere lines, or
// with --json objects, follow each other. Throws Failure when the daemon is gone.
[[nodiscard]] ExitStatus top(const TopCommand& command, const DaemonAccess& daemon, Console& console);

}  // namespace rove
