#include "cli/report/reload_report.h"

#include <doctest/doctest.h>

#include "cli/report/render.h"

namespace rove {
namespace {

std::vector<ReloadedKey> sample() {
  return {{.change = {"log_level", "info", "debug"}, .outcome = ReloadedKey::Outcome::Applied, .reason = {}},
          {.change = {"listen", "7683", "7700"}, .outcome = ReloadedKey::Outcome::NeedsRestart, .reason = {}},
          {.change = {"metrics", "", "127.0.0.1:9683"}, .outcome = ReloadedKey::Outcome::Failed, .reason = "taken"}};
}

std::string text_of(ControlVerb verb, const std::string& data) {
  return render(verb, data, {.style = {.terminal = false, .color = false}, .counters = false});
}

}  // namespace

TEST_CASE("report_reload: every changed key, and what became of it") {
  CHECK(report_reload("/etc/rove/demo.toml", sample()) ==
        R"({"schema":1,"file":"/etc/rove/demo.toml","changes":[)"
        R"({"key":"log_level","from":"info","to":"debug","outcome":"applied","reason":null},)"
        R"({"key":"listen","from":"7683","to":"7700","outcome":"needs-restart","reason":null},)"
        R"({"key":"metrics","from":null,"to":"127.0.0.1:9683","outcome":"failed","reason":"taken"}]})");
}

TEST_CASE("render: a reload as a table, or that nothing has changed") {
  CHECK(text_of(ControlVerb::Reload, report_reload("/f", sample())) ==
        "KEY\tFROM\tTO\tOUTCOME\tREASON\n"
        "log_level\tinfo\tdebug\tapplied\t-\n"
        "listen\t7683\t7700\tneeds-restart\t-\n"
        "metrics\t-\t127.0.0.1:9683\tfailed\ttaken\n");
  CHECK(text_of(ControlVerb::Reload, report_reload("/f", {})) == "nothing has changed\n");
}

TEST_CASE("report_log_level: the level, and the one before") {
  const std::string data = report_log_level(LogLevel::Debug, LogLevel::Info);
  CHECK(data == R"({"schema":1,"log_level":"debug","before":"info"})");
  CHECK(text_of(ControlVerb::LogLevel, data) == "debug\n");
}

}  // namespace rove
