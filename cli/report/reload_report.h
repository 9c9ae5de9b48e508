// What `rove reload` and `rove log-level` print: as JSON, and for people.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cli/base/log.h"
#include "cli/base/table.h"
#include "cli/config/reloader.h"

namespace rove {

[[nodiscard]] std::string report_reload(const std::filesystem::path& file, const std::vector<ReloadedKey>& keys);
[[nodiscard]] std::string report_log_level(LogLevel level, LogLevel before);

// Their text. Throw nlohmann::json::exception when a field is missing.
[[nodiscard]] std::string render_reload(const nlohmann::ordered_json& answer, const TextStyle& style);
[[nodiscard]] std::string render_log_level(const nlohmann::ordered_json& answer);

}  // namespace rove
