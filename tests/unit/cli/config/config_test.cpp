#include "cli/config/config.h"

#include <doctest/doctest.h>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

ParsedConfig parse(std::string_view text) {
  return parse_config(text, "/etc/rove", "/etc/rove/demo.node.pem");
}

// The problems as one text, "LINE: TEXT" each.
std::string problems_of(std::string_view text) {
  std::string all;
  for (const ConfigProblem& problem : parse(text).problems) {
    all += std::to_string(problem.line) + ": " + problem.text + "\n";
  }
  return all;
}

}  // namespace

TEST_CASE("parse_config: an empty file means the defaults") {
  const ParsedConfig parsed = parse("");

  REQUIRE(parsed.problems.empty());
  CHECK(parsed.config.listen == ListenAddress{std::nullopt, 7683});
  CHECK(parsed.config.tap == "rove0");
  CHECK(parsed.config.bridge.empty());
  CHECK(parsed.config.endpoints.empty());
  CHECK(parsed.config.bootstrap.empty());
  CHECK(parsed.config.credential == "/etc/rove/demo.node.pem");
  CHECK(parsed.config.log_level == LogLevel::Info);
  CHECK(parsed.config.replay == Replay::Exact);
  CHECK(parsed.config.nice == -10);
  CHECK(parsed.config.realtime);
  CHECK(parsed.config.busy_poll_us == 0);
  CHECK(parsed.config.workers == 0);
  CHECK(parsed.config.offload_tap);
  CHECK(parsed.config.offload_udp);
  CHECK(parsed.config.pack);
  CHECK_FALSE(parsed.config.metrics.has_value());
  CHECK(parsed.config.control_group == "rove");
  CHECK_FALSE(parsed.config.group_may_claim);
}

TEST_CASE("parse_config: every key is read") {
  const ParsedConfig parsed = parse(R"(
credential = "keys/other.pem"
listen = "10.1.0.2:7000"
bridge = "br0"
tap = "rove7"
endpoints = ["203.0.113.7:7000", "[2001:db8::1]:7000"]
bootstrap = ["boot.example.org", "10.1.0.9:7001"]
log_level = "debug"
replay = "at-least-once"
nice = 5
realtime = false
busy_poll = 50
workers = 8
offload_tap = false
offload_udp = false
pack = false
[control]
group = "vmadmins"
group_may_claim = true
)");

  REQUIRE(parsed.problems.empty());
  CHECK(parsed.config.credential == "/etc/rove/keys/other.pem");
  CHECK(parsed.config.listen == ListenAddress{parse_ip("10.1.0.2"), 7000});
  CHECK(parsed.config.bridge == "br0");
  CHECK(parsed.config.tap == "rove7");
  REQUIRE(parsed.config.endpoints.size() == 2);
  CHECK(to_string(parsed.config.endpoints[1]) == "[2001:db8::1]:7000");
  REQUIRE(parsed.config.bootstrap.size() == 2);
  CHECK(parsed.config.bootstrap[0] == HostPort{"boot.example.org", 7683});
  CHECK(parsed.config.log_level == LogLevel::Debug);
  CHECK(parsed.config.replay == Replay::AtLeastOnce);
  CHECK(parsed.config.nice == 5);
  CHECK_FALSE(parsed.config.realtime);
  CHECK(parsed.config.busy_poll_us == 50);
  CHECK(parsed.config.workers == 8);
  CHECK_FALSE(parsed.config.offload_tap);
  CHECK_FALSE(parsed.config.offload_udp);
  CHECK_FALSE(parsed.config.pack);
  CHECK(parsed.config.control_group == "vmadmins");
  CHECK(parsed.config.group_may_claim);
}

TEST_CASE("parse_config: listen may be a number, and a credential absolute") {
  const ParsedConfig parsed = parse("listen = 7000\ncredential = \"/run/keys/node.pem\"\n");

  REQUIRE(parsed.problems.empty());
  CHECK(parsed.config.listen == ListenAddress{std::nullopt, 7000});
  CHECK(parsed.config.credential == "/run/keys/node.pem");
}

TEST_CASE("parse_config: an unknown key is named with its line and the nearest key") {
  CHECK(problems_of("\n\nbrige = \"br0\"\n") == "3: unknown key \"brige\"; did you mean \"bridge\"?\n");
  CHECK(problems_of("[control]\ngruop = \"x\"\n") ==
        "2: unknown key \"control.gruop\"; did you mean \"control.group\"?\n");
  CHECK(problems_of("colour = \"red\"\n") == "1: unknown key \"colour\"\n");
}

TEST_CASE("parse_config: a wrong type is named with its line and both types") {
  CHECK(problems_of("\nbridge = 3\n") == "2: bridge must be a string, not a number\n");
  CHECK(problems_of("listen = true\n") == "1: listen must be a port or a string, not true or false\n");
  CHECK(problems_of("endpoints = \"203.0.113.7\"\n") == "1: endpoints must be a list of strings, not a string\n");
  CHECK(problems_of("bootstrap = [1]\n") == "1: bootstrap must be a string, not a number\n");
  CHECK(problems_of("control = \"rove\"\n") == "1: control must be a table, not a string\n");
  CHECK(problems_of("[control]\ngroup_may_claim = \"yes\"\n") ==
        "2: control.group_may_claim must be true or false, not a string\n");
  CHECK(problems_of("[tap]\n") == "1: tap must be a string, not a table\n");
}

TEST_CASE("parse_config: a value that cannot be meant is named with its line") {
  CHECK(problems_of("listen = 0\n") == "1: listen: \"0\" is not a port from 1 to 65535\n");
  CHECK(problems_of("listen = 70000\n") == "1: listen: \"70000\" is not a port from 1 to 65535\n");
  CHECK(problems_of("listen = \"here\"\n") == "1: listen: \"here\" is not a port or ADDRESS:PORT\n");
  CHECK(problems_of("tap = \"a-name-too-long-for-linux\"\n") ==
        "1: tap: \"a-name-too-long-for-linux\" is not a link's name (1 to 15 characters)\n");
  CHECK(problems_of("bridge = \"../br0\"\n") == "1: bridge: \"../br0\" is not a link's name (1 to 15 characters)\n");
  CHECK(problems_of("endpoints = [\n\"0.0.0.0:1\"]\n") ==
        "2: endpoints: \"0.0.0.0:1\" is not an address by which others reach this node, ADDRESS:PORT\n");
  CHECK(problems_of("bootstrap = [\"a b\"]\n") == "1: bootstrap: \"a b\" is not HOST:PORT\n");
  CHECK(problems_of("replay = \"some\"\n") == "1: replay: \"some\" is not one of exact, at-least-once, off\n");
  CHECK(problems_of("nice = -21\n") == "1: nice: \"-21\" is not a nice value from -20 to 19\n");
  CHECK(problems_of("nice = 20\n") == "1: nice: \"20\" is not a nice value from -20 to 19\n");
  CHECK(problems_of("nice = \"low\"\n") == "1: nice must be an integer, not a string\n");
  CHECK(problems_of("workers = 9\n") == "1: workers: \"9\" is not a number of threads from 0 to 8\n");
  CHECK(problems_of("busy_poll = -1\n") == "1: busy_poll: \"-1\" is not a time in microseconds from 0 to 1000000\n");
  CHECK(problems_of("realtime = 1\n") == "1: realtime must be true or false, not a number\n");
  CHECK(problems_of("log_level = \"loud\"\n") == "1: log_level: \"loud\" is not one of error, warn, info, debug\n");
  CHECK(problems_of("credential = \"\"\n") == "1: credential: \"\" is not a file\n");
  CHECK(problems_of("[control]\ngroup = \"a b\"\n") == "2: control.group: \"a b\" is not a group's name\n");
}

TEST_CASE("parse_config: lists have a limit") {
  std::string text = "endpoints = [";
  for (int i = 1; i <= 9; ++i) text += "\"203.0.113." + std::to_string(i) + "\",";

  CHECK(problems_of(text + "]") == "1: endpoints has more than 8 entries\n");
}

TEST_CASE("parse_config: all problems are told at once, by line") {
  CHECK(problems_of("tap = 1\nfoo = 2\nbridge = 3\n") ==
        "1: tap must be a string, not a number\n2: unknown key \"foo\"\n3: bridge must be a string, not a number\n");
}

TEST_CASE("parse_config: what is no TOML is told with its line") {
  const ParsedConfig parsed = parse("tap = \"rove0\"\nbridge = \n");

  REQUIRE(parsed.problems.size() == 1);
  CHECK(parsed.problems[0].line == 2);
  CHECK_FALSE(parsed.problems[0].text.empty());
}

TEST_CASE("parse_config: text from the file cannot steer a terminal") {
  CHECK(problems_of("\"a\\u001b[31m\" = 1\n") == "1: unknown key \"a\\x1b[31m\"\n");
}

TEST_CASE("config_template: is valid as it stands, and with every line uncommented") {
  const std::string text = config_template("demo", "demo.node.pem");
  std::string uncommented;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_example = text[i] == '#' && (i == 0 || text[i - 1] == '\n') && text[i + 1] != ' ';
    if (!is_example) uncommented += text[i];
  }

  CHECK(problems_of(text).empty());
  CHECK(problems_of(uncommented).empty());
  CHECK(parse(text).config.credential == "/etc/rove/demo.node.pem");
  CHECK(parse(uncommented).config.bridge == "br0");
}

TEST_CASE("load_config: says FILE:LINE of each problem, and fails as a usage error") {
  const TemporaryDirectory directory;
  const auto file = directory / "demo.toml";
  replace_file(file, "brige = 1\ntap = 2\n", 0644);

  try {
    (void)load_config(file, "x");
    FAIL("no Failure");
  } catch (const Failure& failure) {
    CHECK(failure.status() == ExitStatus::Usage);
    CHECK(std::string{failure.what()} == file.string() + ":1: unknown key \"brige\"; did you mean \"bridge\"?\nrove: " +
                                             file.string() + ":2: tap must be a string, not a number");
  }
}

TEST_CASE("load_config: a missing file names the next command") {
  const TemporaryDirectory directory;

  try {
    (void)load_config(directory / "demo.toml", "x");
    FAIL("no Failure");
  } catch (const Failure& failure) {
    CHECK(failure.status() == ExitStatus::Usage);
    CHECK(failure.next().find("rove join") != std::string::npos);
  }
}

TEST_CASE("parse_config: metrics is a port, an address with a port, or a unix socket") {
  CHECK(to_string(*parse("metrics = 9683").config.metrics) == "127.0.0.1:9683");
  CHECK(to_string(*parse("metrics = \"[::1]:1\"").config.metrics) == "[::1]:1");
  CHECK(to_string(*parse("metrics = \"unix:/run/m\"").config.metrics) == "unix:/run/m");
  CHECK(problems_of("metrics = true") == "1: metrics must be a port or a string, not true or false\n");
  CHECK(problems_of("metrics = \"here\"") == "1: metrics: \"here\" is not a port, ADDRESS:PORT or unix:/PATH\n");
  CHECK(problems_of("metrics = 0") == "1: metrics: \"0\" is not a port, ADDRESS:PORT or unix:/PATH\n");
}

}  // namespace rove
