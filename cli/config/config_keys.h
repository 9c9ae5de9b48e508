// The configuration's keys as a list: their values as text, which differ, and which a running daemon can change.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.h"

namespace rove {

// "control.group" for `group` in the table `control`; in the order of docs/operations.md.
[[nodiscard]] std::vector<std::string_view> config_keys();

// Whether a running daemon can take over another value. Any other counts from its next start.
[[nodiscard]] bool is_reloadable(std::string_view key);

struct ConfigChange {
  std::string_view key;
  std::string from;  // as text; empty: no value
  std::string to;
};

// The keys whose values differ.
[[nodiscard]] std::vector<ConfigChange> find_changes(const DaemonConfig& from, const DaemonConfig& to);

// Takes over one key's value.
void copy_value(std::string_view key, const DaemonConfig& from, DaemonConfig& to);

}  // namespace rove
