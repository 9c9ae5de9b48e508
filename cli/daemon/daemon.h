// The daemon: everything that runs between `rove up` and `rove down`.
#pragma once

#include <filesystem>
#include <string>

#include "cli/base/paths.h"
#include "cli/config/config.h"

namespace rove {

struct DaemonOptions {
  std::string network;
  std::filesystem::path config_file;  // read again by `rove reload` and on SIGHUP
  DaemonConfig config;                // of the file, with the overrides
  ConfigOverrides overrides{};
  // The one of `config`, or the copy of it that a service manager holds for this process.
  std::filesystem::path credential;
  KeyGuard credential_guard = KeyGuard::Mode;
  Paths paths;
};

// Builds the daemon and runs it until SIGTERM, SIGINT or `rove down`; then claims are withdrawn, peers told,
// and the state is saved. Throws Failure, std::system_error or std::runtime_error when it cannot start.
void run_daemon(const DaemonOptions& options);

}  // namespace rove
