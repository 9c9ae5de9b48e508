#include "cli/daemon/service_notify.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdint>
#include <string>

namespace rove {
namespace {

// The outcome does not matter: without a manager nobody listens, and one that is broken cannot be told.
void notify(const std::string& state) {
  (void)sd_notify(/*unset_environment=*/0, state.c_str());
}

// The clock by which systemd tells a reload that it asked for from an earlier one.
std::int64_t monotonic_us() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_nsec / 1'000;
}

}  // namespace

void notify_ready(std::string_view status) {
  notify("READY=1\nSTATUS=" + std::string{status});
}

void notify_starting(std::string_view status, std::chrono::seconds extend) {
  notify("STATUS=" + std::string{status} +
         "\nEXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds{extend}.count()));
}

void notify_status(std::string_view status) {
  notify("STATUS=" + std::string{status});
}

void notify_reloading() {
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_us()));
}

void notify_stopping() {
  notify("STOPPING=1\nSTATUS=stopping");
}

void notify_alive() {
  notify("WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t interval = 0;
  // A value that makes no sense is an error of whoever set it: as if there were none.
  if (sd_watchdog_enabled(/*unset_environment=*/0, &interval) <= 0) return std::nullopt;
  return std::chrono::microseconds{interval};
}

}  // namespace rove
