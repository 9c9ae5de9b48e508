// The HTTP endpoint for monitoring: GET /metrics and GET /health.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

#include "cli/base/metrics_address.h"
#include "cli/report/report.h"

namespace rove {

struct MetricsCounters {
  std::uint64_t requests = 0;         // for what there is
  std::uint64_t refused = 0;          // for anything else, and what is no request
  std::uint64_t clients_refused = 0;  // above kMetricsClientsMax
  std::uint64_t unanswered = 0;       // the control thread did not answer in time
};

inline constexpr std::size_t kMetricsClientsMax = 16;               // further ones are closed
inline constexpr std::chrono::seconds kMetricsExchangeMax{5};       // for a request to come, and for its answer to go
inline constexpr std::chrono::seconds kMetricsAnswerMax{2};         // for the control thread's answer
inline constexpr std::chrono::milliseconds kMetricsReportAge{100};  // so long a report serves the next request too

// Serves on a thread of its own, of low priority, which has nothing but the last report: the control thread is asked
// for one at most every kMetricsReportAge, however many clients there are, and takes the time of one `rove status` to
// answer. One request a connection. The thread blocks all signals.
class MetricsServer {
 public:
  // Listens at once. A unix socket gets mode 0660 and `group`. `wake` is called from the thread when poll_question()
  // will be true; it must be thread-safe and not block. Throws Failure when the address is taken, std::system_error
  // otherwise.
  MetricsServer(const MetricsAddress& address, std::optional<gid_t> group, std::function<void()> wake);
  // Closes all clients, and removes a unix socket.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Control thread: whether a report is wanted, and here it is.
  [[nodiscard]] bool poll_question();
  void answer(std::shared_ptr<const StatusReport> report);
  // Each number by itself.
  [[nodiscard]] MetricsCounters counters() const;
  [[nodiscard]] const MetricsAddress& address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
