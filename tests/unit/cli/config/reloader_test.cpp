#include "cli/config/reloader.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

using Outcome = ReloadedKey::Outcome;

// A configuration file, and a daemon that notes what it is to take over.
struct Fixture {
  explicit Fixture(std::string_view text, ConfigOverrides overrides = {}) : reloader(make(text, overrides)) {
    for (const std::string_view key : config_keys()) {
      if (!is_reloadable(key)) continue;
      reloader.set_apply(key, [this, key](const DaemonConfig& wanted) {
        if (key == refuses) throw std::runtime_error("the address is taken");
        applied.emplace_back(key);
        level = wanted.log_level;
      });
    }
  }

  Reloader make(std::string_view text, ConfigOverrides overrides) {
    write(text);
    DaemonConfig used = load_config(file, "/etc/rove/demo.node.pem");
    overrides.apply(used);
    return {file, "/etc/rove/demo.node.pem", overrides, std::move(used)};
  }
  void write(std::string_view text) const { replace_file(file, text, 0644); }

  TemporaryDirectory directory;
  std::filesystem::path file = directory / "demo.toml";
  std::vector<std::string> applied;
  std::string_view refuses;
  LogLevel level = LogLevel::Info;
  Reloader reloader;
};

}  // namespace

TEST_CASE("Reloader: a file that is as it was changes nothing") {
  Fixture fixture{"log_level = \"warn\"\n"};

  CHECK(fixture.reloader.reload().empty());
  CHECK(fixture.applied.empty());
}

TEST_CASE("Reloader: what can be changed is applied once, the rest is told each time") {
  Fixture fixture{""};
  fixture.write("log_level = \"debug\"\nlisten = 7700\n");

  const auto keys = fixture.reloader.reload();
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].change.key == "listen");
  CHECK(keys[0].outcome == Outcome::NeedsRestart);
  CHECK(keys[1].change.key == "log_level");
  CHECK(keys[1].outcome == Outcome::Applied);
  CHECK(fixture.applied == std::vector<std::string>{"log_level"});
  CHECK(fixture.level == LogLevel::Debug);

  const auto again = fixture.reloader.reload();
  REQUIRE(again.size() == 1);
  CHECK(again[0].change.key == "listen");
  CHECK(again[0].change.from == "7683");
}

TEST_CASE("Reloader: a broken file throws with its line, and nothing has changed") {
  Fixture fixture{""};
  fixture.write("log_level = \"debug\"\nbrige = \"br0\"\n");

  try {
    (void)fixture.reloader.reload();
    FAIL("no exception");
  } catch (const Failure& failure) {
    CHECK(std::string_view{failure.what()}.find("demo.toml:2: unknown key \"brige\"") != std::string_view::npos);
  }
  CHECK(fixture.applied.empty());
  std::filesystem::remove(fixture.file);
  CHECK_THROWS_AS((void)fixture.reloader.reload(), Failure);
  CHECK(fixture.applied.empty());
}

TEST_CASE("Reloader: what fails stays as it is, is told with the reason, and is tried again") {
  Fixture fixture{""};
  fixture.write("metrics = 9683\nlog_level = \"warn\"\n");
  fixture.refuses = "metrics";

  const auto keys = fixture.reloader.reload();
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].outcome == Outcome::Applied);
  CHECK(keys[1].outcome == Outcome::Failed);
  CHECK(keys[1].reason == "the address is taken");

  fixture.refuses = "";
  const auto again = fixture.reloader.reload();
  REQUIRE(again.size() == 1);
  CHECK(again[0].change.key == "metrics");
  CHECK(again[0].outcome == Outcome::Applied);
  CHECK(fixture.reloader.reload().empty());
}

TEST_CASE("Reloader: the command line goes before the file; a level that was set goes back to the file's") {
  Fixture fixture{"", {.listen = ListenAddress{std::nullopt, 7700}, .log_level = std::nullopt}};
  fixture.write("listen = 7800\n");
  CHECK(fixture.reloader.reload().empty());

  fixture.reloader.note_log_level(LogLevel::Debug);
  const auto keys = fixture.reloader.reload();
  REQUIRE(keys.size() == 1);
  CHECK(keys[0].change.from == "debug");
  CHECK(keys[0].change.to == "info");
}

}  // namespace rove
