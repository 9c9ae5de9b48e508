// Serves who changes the daemon's settings while it runs: `rove log-level`, `rove reload`, SIGHUP.
#pragma once

#include "cli/base/log.h"
#include "cli/config/reloader.h"
#include "cli/control/control_protocol.h"

namespace rove {

// Control thread only. `log` must outlive it. Everything it does is logged.
class SettingsDesk {
 public:
  SettingsDesk(Log& log, Reloader reloader) : log_(log), reloader_(std::move(reloader)) {}

  [[nodiscard]] Reloader& reloader() { return reloader_; }

  // LogLevel only.
  [[nodiscard]] ControlResponse handle_log_level(const ControlRequest& request);
  [[nodiscard]] ControlResponse reload();

 private:
  Log& log_;
  Reloader reloader_;
};

}  // namespace rove
