#include "cli/base/paths.h"

#include <doctest/doctest.h>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

ExitStatus status_of(const std::optional<std::string>& given, const Environment& environment,
                     const std::vector<std::string>& known) {
  try {
    (void)choose_network(given, environment, known, {});
    return ExitStatus::Ok;
  } catch (const Failure& failure) {
    return failure.status();
  }
}

}  // namespace

TEST_CASE("make_paths: options go before the environment, the environment before the defaults") {
  Environment environment;
  environment.config_dir = "/env/etc";
  environment.run_dir = "/env/run";

  const Paths paths = make_paths({.config_dir = "/opt/etc", .state_dir = {}, .run_dir = {}}, environment);

  CHECK(paths.config_dir == "/opt/etc");
  CHECK(paths.run_dir == "/env/run");
  CHECK(paths.state_dir == "/var/lib/rove");
}

TEST_CASE("Paths: files of a network") {
  const Paths paths;

  CHECK(paths.config_file("demo") == "/etc/rove/demo.toml");
  CHECK(paths.credential_file("demo") == "/etc/rove/demo.node.pem");
  CHECK(paths.authority_file("demo") == "/etc/rove/demo.ca.pem");
  CHECK(paths.state_file("demo") == "/var/lib/rove/demo/state");
  CHECK(paths.socket_file("demo") == "/run/rove/demo.sock");
}

TEST_CASE("find_networks: by their configuration files, and nothing that is no name") {
  const TemporaryDirectory directory;
  for (const char* name : {"zoo.toml", "demo.toml", "Big.toml", ".toml", "demo.node.pem", "demo.ca.pem"}) {
    replace_file(directory / name, "", 0600);
  }
  const Paths paths{.config_dir = directory.path(), .state_dir = {}, .run_dir = {}};

  CHECK(find_networks(paths) == std::vector<std::string>{"demo", "zoo"});
  CHECK(find_authorities(paths) == std::vector<std::string>{"demo"});
  CHECK(find_networks({.config_dir = directory / "missing", .state_dir = {}, .run_dir = {}}).empty());
}

TEST_CASE("find_service_copy: the file of that name that a service manager holds for this process") {
  const TemporaryDirectory directory;
  replace_file(directory / "demo.node.pem", "", 0400);
  Environment environment;
  environment.credentials_dir = directory.path().string();

  CHECK(find_service_copy("/etc/rove/demo.node.pem", environment) == directory / "demo.node.pem");
  CHECK_FALSE(find_service_copy("/etc/rove/other.node.pem", environment));
  CHECK_FALSE(find_service_copy("/etc/rove/demo.node.pem", {}));
}

TEST_CASE("choose_network: what was said, else ROVE_NETWORK, else the only one") {
  Environment environment;
  CHECK(choose_network("a", environment, {"b"}, {}) == "a");
  CHECK(choose_network({}, environment, {"b"}, {}) == "b");
  environment.network = "c";
  CHECK(choose_network({}, environment, {"b"}, {}) == "c");
  CHECK(choose_network("a", environment, {"b"}, {}) == "a");
}

TEST_CASE("choose_network: none, several, and what is no name are usage errors") {
  CHECK(status_of({}, {}, {}) == ExitStatus::Usage);
  CHECK(status_of({}, {}, {"a", "b"}) == ExitStatus::Usage);
  Environment environment;
  environment.network = "../../etc/passwd";
  CHECK(status_of({}, environment, {"a"}) == ExitStatus::Usage);
}

}  // namespace rove
