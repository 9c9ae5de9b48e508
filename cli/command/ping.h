// `rove ping`.
#pragma once

#include "cli/base/failure.h"
#include "cli/command/daemon_access.h"

namespace rove {

struct Console;
struct PingCommand;

// One line an answer, and a summary. Until the count, SIGINT or SIGTERM. NotFound when nothing was answered. Throws
// Failure: the target is nobody, the daemon is gone.
[[nodiscard]] ExitStatus ping(const PingCommand& command, const DaemonAccess& daemon, Console& console);

}  // namespace rove
