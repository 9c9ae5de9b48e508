// Tells the service manager how the daemon is (sd_notify(3)). Does nothing when there is none.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace rove {

// READY=1: the daemon is usable, not merely running.
void notify_ready(std::string_view status);
// Not usable yet, but alive: the manager shall wait this much longer before it calls the start failed.
void notify_starting(std::string_view status, std::chrono::seconds extend);
// The line that `systemctl status` shows.
void notify_status(std::string_view status);
// The configuration is read again; ended by notify_ready() (Type=notify-reload).
void notify_reloading();
void notify_stopping();
// All that has to turn does; within watchdog_interval() again.
void notify_alive();

// WatchdogSec= of this process's unit; nullopt: nobody waits for notify_alive().
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace rove
