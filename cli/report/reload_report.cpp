#include "cli/report/reload_report.h"

#include <nlohmann/json.hpp>

namespace rove {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

std::string text_or_empty(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string{};
}

}  // namespace

std::string report_reload(const std::filesystem::path& file, const std::vector<ReloadedKey>& keys) {
  Json object = Json::object();
  object["schema"] = 1;
  object["file"] = file.string();
  object["changes"] = Json::array();
  for (const ReloadedKey& key : keys) {
    Json change = Json::object();
    change["key"] = key.change.key;
    change["from"] = text_or_null(key.change.from);
    change["to"] = text_or_null(key.change.to);
    change["outcome"] = to_string(key.outcome);
    change["reason"] = text_or_null(key.reason);
    object["changes"].push_back(std::move(change));
  }
  return dump(object);
}

std::string report_log_level(LogLevel level, LogLevel before) {
  Json object = Json::object();
  object["schema"] = 1;
  object["log_level"] = to_string(level);
  object["before"] = to_string(before);
  return dump(object);
}

std::string render_reload(const Json& answer, const TextStyle& style) {
  if (answer.at("changes").empty()) return "nothing has changed\n";
  Table table{{"KEY", "FROM", "TO", "OUTCOME", "REASON"}};
  for (const Json& change : answer.at("changes")) {
    const std::string outcome = change.at("outcome").get<std::string>();
    const Tone tone = outcome == "applied" ? Tone::Good : outcome == "failed" ? Tone::Bad : Tone::Strong;
    table.add_row({change.at("key").get<std::string>(),
                   text_or_empty(change.at("from")),
                   text_or_empty(change.at("to")),
                   {outcome, tone},
                   text_or_empty(change.at("reason"))});
  }
  return table.to_text(style);
}

std::string render_log_level(const Json& answer) {
  return clean_cell(answer.at("log_level").get<std::string>()) + '\n';
}

}  // namespace rove
