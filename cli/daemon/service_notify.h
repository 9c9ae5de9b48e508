// Tells the service manager how the daemon is (sd_notify(3)). Does nothing when there is none.
#pragma once

#include <chrono>
#include <string_view>

namespace rove {

// READY=1: the daemon is usable, not merely running.
void notify_ready(std::string_view status);
// Not usable yet, but alive: the manager shall wait this much longer before it calls the start failed.
void notify_starting(std::string_view status, std::chrono::seconds extend);
void notify_stopping();

}  // namespace rove
