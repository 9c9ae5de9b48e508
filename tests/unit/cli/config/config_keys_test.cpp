#include "cli/config/config_keys.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "cli/base/file_io.h"

namespace rove {
namespace {

// A file in which no key has its default.
constexpr std::string_view kEveryKey = R"(
credential = "keys/other.pem"
listen = "10.1.0.2:7000"
bridge = "br0"
tap = "rove7"
endpoints = ["203.0.113.7:7000"]
bootstrap = ["boot.example.org:7000", "10.1.0.9:7001"]
log_level = "debug"
replay = "at-least-once"
nice = 5
realtime = false
busy_poll = 20
workers = 3
offload_tap = false
offload_udp = false
pack = false
metrics = "unix:/run/rove/demo.metrics"
[control]
group = "operators"
group_may_claim = true
)";

DaemonConfig parse(std::string_view text) {
  ParsedConfig parsed = parse_config(text, "/etc/rove", "/etc/rove/demo.node.pem");
  REQUIRE(parsed.problems.empty());
  return std::move(parsed.config);
}

std::set<std::string> keys_of(const std::vector<ConfigChange>& changes) {
  std::set<std::string> keys;
  for (const ConfigChange& change : changes) keys.emplace(change.key);
  return keys;
}

std::set<std::string> all_keys() {
  std::set<std::string> keys;
  for (const std::string_view key : config_keys()) keys.emplace(key);
  return keys;
}

// Of a configuration file whose comments hold every key.
std::set<std::string> keys_of_template() {
  std::set<std::string> keys;
  std::istringstream lines{config_template("demo", "demo.node.pem")};
  std::string prefix;
  for (std::string line; std::getline(lines, line);) {
    if (line == "[control]") prefix = "control.";
    if (line.starts_with('#')) line.erase(0, 1);
    const std::size_t end = line.find(" = ");
    if (end != std::string::npos && line.find(' ') == end) keys.insert(prefix + line.substr(0, end));
  }
  return keys;
}

}  // namespace

TEST_CASE("config_keys: are those of a new configuration file") {
  CHECK(all_keys() == keys_of_template());
}

TEST_CASE("find_changes: every key that differs, with both values; none of equal configurations") {
  const DaemonConfig before = parse("");
  const DaemonConfig after = parse(kEveryKey);

  CHECK(keys_of(find_changes(before, after)) == all_keys());
  CHECK(find_changes(after, parse(kEveryKey)).empty());
  for (const ConfigChange& change : find_changes(before, after)) {
    if (change.key == "endpoints") CHECK((change.from.empty() && change.to == "203.0.113.7:7000"));
    if (change.key == "listen") CHECK((change.from == "7683" && change.to == "10.1.0.2:7000"));
    if (change.key == "bootstrap") CHECK(change.to == "boot.example.org:7000,10.1.0.9:7001");
    if (change.key == "metrics") CHECK((change.from.empty() && change.to == "unix:/run/rove/demo.metrics"));
  }
}

TEST_CASE("copy_value: takes over one key, and no other") {
  const DaemonConfig wanted = parse(kEveryKey);
  for (const std::string_view key : config_keys()) {
    CAPTURE(key);
    DaemonConfig config = parse("");
    copy_value(key, wanted, config);

    std::set<std::string> rest = all_keys();
    rest.erase(std::string{key});
    CHECK(keys_of(find_changes(config, wanted)) == rest);
  }
}

// docs/operations.md: "| `key` | type | default | reload | …".
TEST_CASE("docs/operations.md: has every key, and whether it may be reloaded") {
  const auto text = read_file(std::filesystem::path{ROVE_SOURCE_DIR} / "docs/operations.md");
  REQUIRE(text.has_value());
  const std::size_t begin = text->find("\n## Configuration\n");
  REQUIRE(begin != std::string::npos);
  std::istringstream lines{text->substr(begin, text->find("\n## ", begin + 4) - begin)};
  std::set<std::string> documented;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    const std::string key = line.substr(3, line.find('`', 3) - 3);
    documented.insert(key);
    CAPTURE(key);
    const auto known = config_keys();
    REQUIRE(std::find(known.begin(), known.end(), key) != known.end());
    std::size_t third = 0;
    for (int i = 0; i < 3; ++i) third = line.find(" | ", third) + 3;
    CHECK(line.substr(third).starts_with(is_reloadable(key) ? "reload |" : "restart |"));
  }
  CHECK(documented == all_keys());
}

}  // namespace rove
