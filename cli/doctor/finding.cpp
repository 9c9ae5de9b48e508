#include "cli/doctor/finding.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace rove {
namespace {

Tone tone_of(Severity severity) {
  return severity == Severity::Ok ? Tone::Good : Tone::Bad;
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::Ok: return "ok";
    case Severity::Warn: return "warn";
    case Severity::Fail: return "fail";
  }
  return "fail";
}

std::size_t count(const Findings& findings, Severity severity) {
  return static_cast<std::size_t>(std::count_if(
      findings.begin(), findings.end(), [severity](const Finding& finding) { return finding.severity == severity; }));
}

std::string render_findings(const Findings& findings, const TextStyle& style) {
  Table table{{"STATE", "CHECK", "FOUND", "TRY"}};
  for (const Finding& finding : findings) {
    table.add_row({{to_string(finding.severity), tone_of(finding.severity)},
                   finding.check,
                   finding.text,
                   {finding.remedy, Tone::Strong}});
  }
  return table.to_text(style);
}

std::string report_findings(const std::string& network, bool daemon_runs, const Findings& findings) {
  using Json = nlohmann::ordered_json;
  Json object = Json::object();
  object["schema"] = 1;
  object["network"] = network;
  object["daemon"] = daemon_runs;
  object["failed"] = count(findings, Severity::Fail);
  object["warned"] = count(findings, Severity::Warn);
  object["findings"] = Json::array();
  for (const Finding& finding : findings) {
    object["findings"].push_back({{"state", to_string(finding.severity)},
                                  {"check", finding.check},
                                  {"found", finding.text},
                                  {"try", finding.remedy.empty() ? Json() : Json(finding.remedy)}});
  }
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rove
