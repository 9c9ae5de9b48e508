// `rove watch-qemu`: follows one QEMU by its machine protocol, and tells the daemon what only QEMU knows.
#pragma once

#include <filesystem>
#include <string>

namespace rove {

class Log;

struct WatchQemuOptions {
  std::filesystem::path qmp;  // QEMU's socket
  std::filesystem::path control;
  std::string network;
};

// Until SIGTERM or SIGINT. Waits for QEMU, also after it has ended; nothing else is a reason to go on: throws Failure
// when who listens is no QEMU, or the socket is not for us. The daemon may come and go.
void watch_qemu(const WatchQemuOptions& options, Log& log);

}  // namespace rove
