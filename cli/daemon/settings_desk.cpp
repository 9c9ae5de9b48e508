#include "cli/daemon/settings_desk.h"

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include "cli/report/reload_report.h"

namespace rove {
namespace {

ControlResponse refuse_file(std::string why) {
  return {.status = ExitStatus::Failure,
          .data = {},
          .what = "reload, nothing has changed",
          .why = std::move(why),
          .next = "rove check"};
}

}  // namespace

ControlResponse SettingsDesk::handle_log_level(const ControlRequest& request) {
  const LogLevel before = log_.level();
  if (request.log_level && *request.log_level != before) {
    log_.set_level(std::max(before, *request.log_level));  // whoever turns it down finds in the log that it was
    log_.write(LogLevel::Info, "log-level",
               {{"from", std::string{to_string(before)}}, {"to", std::string{to_string(*request.log_level)}}});
    log_.set_level(*request.log_level);
    reloader_.note_log_level(*request.log_level);
  }
  return {.status = ExitStatus::Ok, .data = report_log_level(log_.level(), before), .what = {}, .why = {}, .next = {}};
}

ControlResponse SettingsDesk::reload() {
  std::vector<ReloadedKey> keys;
  try {
    keys = reloader_.reload();
  } catch (const std::exception& error) {
    log_.write(LogLevel::Warn, "not-reloaded", {{"reason", error.what()}});
    return refuse_file(error.what());
  }
  ControlResponse response{
      .status = ExitStatus::Ok, .data = report_reload(reloader_.file(), keys), .what = {}, .why = {}, .next = {}};
  if (keys.empty()) log_.write(LogLevel::Info, "reloaded", {{"changes", "0"}});
  for (const ReloadedKey& key : keys) {
    const bool failed = key.outcome == ReloadedKey::Outcome::Failed;
    log_.write(failed ? LogLevel::Warn : LogLevel::Info, "reloaded",
               {{"key", std::string{key.change.key}},
                {"from", key.change.from},
                {"to", key.change.to},
                {"outcome", std::string{to_string(key.outcome)}},
                {"reason", key.reason}});
    if (!failed || response.status != ExitStatus::Ok) continue;
    response.status = ExitStatus::Failure;
    response.what = "reload: " + std::string{key.change.key} + " stays as it is";
    response.why = key.reason;
    response.next = "rove reload, when that is mended";
  }
  return response;
}

}  // namespace rove
