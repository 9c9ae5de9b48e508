#include "cli/daemon/service_notify.h"

#include <systemd/sd-daemon.h>

#include <string>

namespace rove {
namespace {

// The outcome does not matter: without a manager nobody listens, and one that is broken cannot be told.
void notify(const std::string& state) {
  (void)sd_notify(/*unset_environment=*/0, state.c_str());
}

}  // namespace

void notify_ready(std::string_view status) {
  notify("READY=1\nSTATUS=" + std::string{status});
}

void notify_starting(std::string_view status, std::chrono::seconds extend) {
  notify("STATUS=" + std::string{status} +
         "\nEXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds{extend}.count()));
}

void notify_stopping() {
  notify("STOPPING=1");
}

}  // namespace rove
