#include "cli/daemon/settings_desk.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "cli/base/file_io.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

struct Fixture {
  Fixture() {
    for (const std::string_view key : config_keys()) {
      if (!is_reloadable(key)) continue;
      desk.reloader().set_apply(key, [this, key](const DaemonConfig& wanted) {
        if (key == "metrics") throw std::runtime_error("another process listens there");
        log.set_level(wanted.log_level);
      });
    }
  }

  TemporaryDirectory directory;
  std::filesystem::path file = directory / "demo.toml";
  Log log{LogLevel::Error};
  SettingsDesk desk{log, Reloader{file, "/etc/rove/demo.node.pem", {}, [] {
                                    DaemonConfig used;
                                    used.credential = "/etc/rove/demo.node.pem";
                                    used.log_level = LogLevel::Error;
                                    return used;
                                  }()}};
};

ControlRequest level_request(std::optional<LogLevel> level) {
  ControlRequest request;
  request.verb = ControlVerb::LogLevel;
  request.log_level = level;
  return request;
}

}  // namespace

TEST_CASE("SettingsDesk: the log level is told, and set, and the next reload knows of it") {
  Fixture fixture;
  CHECK(fixture.desk.handle_log_level(level_request({})).data ==
        R"({"schema":1,"log_level":"error","before":"error"})");

  CHECK(fixture.desk.handle_log_level(level_request(LogLevel::Warn)).data ==
        R"({"schema":1,"log_level":"warn","before":"error"})");
  CHECK(fixture.log.level() == LogLevel::Warn);

  replace_file(fixture.file, "log_level = \"error\"\n", 0644);
  const ControlResponse response = fixture.desk.reload();
  CHECK(response.status == ExitStatus::Ok);
  CHECK(response.data.find(R"("key":"log_level","from":"warn","to":"error","outcome":"applied")") != std::string::npos);
  CHECK(fixture.log.level() == LogLevel::Error);
}

TEST_CASE("SettingsDesk: a broken file is a failure with its line, and without data") {
  Fixture fixture;
  replace_file(fixture.file, "log_level = \"warn\"\nlisten = \"here\"\n", 0644);

  const ControlResponse response = fixture.desk.reload();

  CHECK(response.status == ExitStatus::Failure);
  CHECK(response.why.find("demo.toml:2: listen") != std::string::npos);
  CHECK(response.data.empty());
  CHECK(fixture.log.level() == LogLevel::Error);
}

TEST_CASE("SettingsDesk: a key that could not be applied is a failure, and the data says what was") {
  Fixture fixture;
  replace_file(fixture.file, "log_level = \"error\"\nmetrics = 9683\nlisten = 7700\n", 0644);

  const ControlResponse response = fixture.desk.reload();

  CHECK(response.status == ExitStatus::Failure);
  CHECK(response.what == "reload: metrics stays as it is");
  CHECK(response.why == "another process listens there");
  CHECK(response.data.find(R"("key":"listen","from":"7683","to":"7700","outcome":"needs-restart")") !=
        std::string::npos);
}

}  // namespace rove
