// The metrics endpoint as the daemon has it: perhaps none, and perhaps another one later.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/base/log.h"
#include "cli/config/config.h"
#include "cli/metrics/metrics_server.h"

namespace rove {

// Control thread only. `log` must outlive it.
class MetricsService {
 public:
  // Serves at once when the configuration says so; throws as MetricsServer does. `wake`: as there.
  MetricsService(const DaemonConfig& config, std::function<void()> wake, Log& log);

  // Serves at another address, or not at all. Throws as MetricsServer does, and serves at the old one as before then.
  void set_address(const std::optional<MetricsAddress>& address, const std::string& group);
  // Gives a unix socket to another group. Throws std::system_error.
  void set_group(const std::string& group);

  // Answers with make() when a report is wanted.
  void serve(const std::function<StatusReport()>& make);
  // Of all servers that there were.
  [[nodiscard]] MetricsCounters counters() const;

 private:
  void start(const std::optional<MetricsAddress>& address, const std::string& group);
  void stop();

  std::function<void()> wake_;
  Log& log_;
  std::unique_ptr<MetricsServer> server_;
  std::string group_;
  MetricsCounters past_;  // of servers that are gone
};

}  // namespace rove
