#include "cli/report/lookup_trace.h"

#include "cli/report/text.h"

namespace rove {

ReportJson trace_json(const LookupResult& result) {
  ReportJson steps = ReportJson::array();
  for (const LookupStep& step : result.steps) {
    ReportJson object = ReportJson::object();
    object["at_us"] = to_us(step.at);
    object["step"] = to_string(step.kind);
    object["from"] = step.from;
    object["node"] = step.node.empty() ? ReportJson() : ReportJson(step.node);
    object["sequence"] = step.sequence ? ReportJson(sequence_text(*step.sequence)) : ReportJson();
    object["verified"] = step.verified ? ReportJson(*step.verified) : ReportJson();
    object["verdict"] = step.verdict;
    steps.push_back(std::move(object));
  }
  return {{"steps", std::move(steps)}, {"left_out", result.steps_left_out}};
}

std::string render_trace(const ReportJson& trace, const TextStyle& style) {
  Table table{{"AT", "STEP", "FROM", "CLAIM OF", "SEQUENCE", "VERIFIED", "VERDICT"}};
  for (const ReportJson& step : trace.at("steps")) {
    const ReportJson& verified = step.at("verified");
    const bool refused = verified.is_boolean() && !verified.get<bool>();
    table.add_row({format_offset(step.at("at_us")),
                   step.at("step").get<std::string>(),
                   step.at("from").get<std::string>(),
                   text_or_empty(step.at("node")),
                   {text_or_empty(step.at("sequence")), Tone::Faint},
                   verified.is_null() ? ""
                   : refused          ? "no"
                                      : "yes",
                   {step.at("verdict").get<std::string>(), refused ? Tone::Bad : Tone::Plain}});
  }
  std::string out = table.to_text(style);
  if (const auto left_out = trace.at("left_out").get<std::uint64_t>(); left_out > 0) {
    out += "and " + std::to_string(left_out) + " steps more\n";
  }
  return out + '\n';
}

}  // namespace rove
