#include "cli/config/config_keys.h"

#include <algorithm>
#include <array>

#include "core/base/check.h"

namespace rove {
namespace {

std::string text_of(const std::string& value) {
  return value;
}
std::string text_of(const std::filesystem::path& value) {
  return value.string();
}
std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(int value) {
  return std::to_string(value);
}
std::string text_of(LogLevel value) {
  return std::string{to_string(value)};
}
std::string text_of(Replay value) {
  switch (value) {
    case Replay::Exact: return "exact";
    case Replay::AtLeastOnce: return "at-least-once";
    case Replay::Off: return "off";
  }
  return {};
}
std::string text_of(const ListenAddress& value) {
  return value.address ? to_string(Endpoint{*value.address, value.port}) : std::to_string(value.port);
}
std::string text_of(const std::optional<MetricsAddress>& value) {
  return value ? to_string(*value) : std::string{};
}
template <typename T>
std::string text_of(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) text += (text.empty() ? "" : ",") + to_string(value);
  return text;
}

struct Key {
  std::string_view name;
  bool reloadable = false;
  std::string (*text)(const DaemonConfig&) = nullptr;
  void (*copy)(const DaemonConfig& from, DaemonConfig& to) = nullptr;
};

// A key whose value is this member.
template <auto Member>
constexpr Key key(std::string_view name, bool reloadable = false) {
  return {name, reloadable, [](const DaemonConfig& config) { return text_of(config.*Member); },
          [](const DaemonConfig& from, DaemonConfig& to) { to.*Member = from.*Member; }};
}

constexpr bool kReloadable = true;

constexpr auto kKeys = std::to_array<Key>({
    key<&DaemonConfig::credential>("credential"),
    key<&DaemonConfig::listen>("listen"),
    key<&DaemonConfig::bridge>("bridge"),
    key<&DaemonConfig::tap>("tap"),
    key<&DaemonConfig::endpoints>("endpoints", kReloadable),
    key<&DaemonConfig::bootstrap>("bootstrap", kReloadable),
    key<&DaemonConfig::replay>("replay"),
    key<&DaemonConfig::nice>("nice"),
    key<&DaemonConfig::realtime>("realtime"),
    key<&DaemonConfig::busy_poll_us>("busy_poll"),
    key<&DaemonConfig::workers>("workers"),
    key<&DaemonConfig::offload_tap>("offload_tap"),
    key<&DaemonConfig::offload_udp>("offload_udp"),
    key<&DaemonConfig::pack>("pack"),
    key<&DaemonConfig::log_level>("log_level", kReloadable),
    key<&DaemonConfig::metrics>("metrics", kReloadable),
    key<&DaemonConfig::control_group>("control.group", kReloadable),
    key<&DaemonConfig::group_may_claim>("control.group_may_claim", kReloadable),
});

const Key& find_key(std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& each) { return each.name == name; });
  ROVE_CHECK(found != kKeys.end());
  return *found;
}

}  // namespace

std::vector<std::string_view> config_keys() {
  std::vector<std::string_view> names;
  for (const Key& each : kKeys) names.push_back(each.name);
  return names;
}

bool is_reloadable(std::string_view key) {
  return find_key(key).reloadable;
}

std::vector<ConfigChange> find_changes(const DaemonConfig& from, const DaemonConfig& to) {
  std::vector<ConfigChange> changes;
  for (const Key& each : kKeys) {
    ConfigChange change{.key = each.name, .from = each.text(from), .to = each.text(to)};
    if (change.from != change.to) changes.push_back(std::move(change));
  }
  return changes;
}

void copy_value(std::string_view key, const DaemonConfig& from, DaemonConfig& to) {
  find_key(key).copy(from, to);
}

}  // namespace rove
