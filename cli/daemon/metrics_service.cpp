#include "cli/daemon/metrics_service.h"

#include <utility>

#include "cli/control/unix_listener.h"

namespace rove {
namespace {

MetricsCounters sum(const MetricsCounters& a, const MetricsCounters& b) {
  return {.requests = a.requests + b.requests,
          .refused = a.refused + b.refused,
          .clients_refused = a.clients_refused + b.clients_refused,
          .unanswered = a.unanswered + b.unanswered};
}

}  // namespace

MetricsService::MetricsService(const DaemonConfig& config, std::function<void()> wake, Log& log)
    : wake_(std::move(wake)), log_(log) {
  start(config.metrics, config.control_group);
}

void MetricsService::start(const std::optional<MetricsAddress>& address, const std::string& group) {
  if (address) server_ = std::make_unique<MetricsServer>(*address, find_group(group), wake_);
  group_ = group;
  if (!address) return;
  log_.write(LogLevel::Info, "metrics-served", {{"address", to_string(*address)}});
  if (!address->is_local()) {
    log_.write(LogLevel::Warn, "metrics-exposed",
               {{"address", to_string(*address)}, {"reason", "whoever reaches it can read them"}});
  }
}

void MetricsService::stop() {
  past_ = counters();
  server_.reset();
}

// The old one ends first: the new address may overlap with it.
void MetricsService::set_address(const std::optional<MetricsAddress>& address, const std::string& group) {
  std::optional<MetricsAddress> before;
  if (server_) before = server_->address();
  stop();
  try {
    start(address, group);
  } catch (...) {
    start(before, group_);
    throw;
  }
}

void MetricsService::set_group(const std::string& group) {
  if (server_ && !server_->address().socket.empty()) {
    give_to_group(server_->address().socket, find_group(group), "serve metrics at " + to_string(server_->address()));
  }
  group_ = group;
}

void MetricsService::serve(const std::function<StatusReport()>& make) {
  if (server_ && server_->poll_question()) server_->answer(std::make_shared<const StatusReport>(make()));
}

MetricsCounters MetricsService::counters() const {
  return server_ ? sum(past_, server_->counters()) : past_;
}

}  // namespace rove
