#include "cli/report/ping_report.h"

#include <algorithm>

#include "cli/base/table.h"
#include "cli/report/text.h"

namespace rove {
namespace {

std::string_view why(const std::error_code& error) {
  if (error == make_error_code(Error::Unavailable)) return "no session with it came up";
  if (error == make_error_code(Error::LimitReached)) return "too many pings at a time";
  return "no answer in time";
}

ReportJson number_or_null(const std::optional<long long>& number) {
  return number ? ReportJson(*number) : ReportJson();
}

}  // namespace

std::string report_ping(const PingReport& report) {
  ReportJson object = make_report();
  object["target"] = report.target;
  object["vm"] = report.vm ? ReportJson(to_string(*report.vm)) : ReportJson();
  object["node"] = report.name;
  object["node_id"] = to_string(report.node);
  object["local"] = report.local;
  const bool replied = report.result && !report.result->error;
  object["replied"] = replied;
  // Sessions have no relays: what is answered came straight from its host.
  object["path"] = replied ? ReportJson("direct") : ReportJson();
  object["endpoint"] = replied ? ReportJson(to_string(report.result->endpoint)) : ReportJson();
  object["rtt_us"] = replied ? ReportJson(to_us(report.result->rtt)) : ReportJson();
  const bool observed = replied && report.result->observed;
  object["seen_at"] = observed ? ReportJson(to_string(*report.result->observed)) : ReportJson();
  object["why"] = report.result && !replied ? ReportJson(why(report.result->error)) : ReportJson();
  return dump_report(object);
}

std::string render_ping(const ReportJson& answer) {
  const std::string target = answer.at("target").get<std::string>();
  const std::string name = answer.at("node").get<std::string>();
  const std::string node = name.empty() ? answer.at("node_id").get<std::string>() : name;
  std::string line = answer.at("vm").is_null() ? node : target + " at " + node;
  if (answer.at("local").get<bool>()) {
    line += answer.at("vm").is_null() ? "  is this host: there is no tunnel to it"
                                      : ", which is this host: there is no tunnel to it";
  } else if (answer.at("replied").get<bool>()) {
    line += "  " + answer.at("path").get<std::string>() + " " + answer.at("endpoint").get<std::string>() + "  rtt " +
            format_ms(answer.at("rtt_us").get<long long>());
  } else {
    line += "  no reply: " + answer.at("why").get<std::string>();
  }
  return clean_cell(line) + '\n';
}

void PingTally::add(const ReportJson& answer) {
  ++sent;
  const bool replied = answer.at("replied").get<bool>();
  if (replied || answer.at("local").get<bool>()) ++answered;
  if (!replied) return;
  const auto rtt = answer.at("rtt_us").get<long long>();
  rtt_min_us = std::min(rtt_min_us.value_or(rtt), rtt);
  rtt_max_us = std::max(rtt_max_us.value_or(rtt), rtt);
  rtt_sum_us += rtt;
  ++measured;
}

std::string PingTally::to_json_line() const {
  ReportJson object = make_report();
  object["summary"] = true;
  object["sent"] = sent;
  object["answered"] = answered;
  object["rtt_min_us"] = number_or_null(rtt_min_us);
  object["rtt_avg_us"] = measured > 0 ? ReportJson(rtt_sum_us / static_cast<long long>(measured)) : ReportJson();
  object["rtt_max_us"] = number_or_null(rtt_max_us);
  return dump_report(object) + '\n';
}

std::string PingTally::to_text() const {
  std::string line = std::to_string(sent) + " sent, " + std::to_string(answered) + " answered";
  if (measured > 0) {
    line += "; rtt min " + format_ms(*rtt_min_us) + ", avg " +
            format_ms(rtt_sum_us / static_cast<long long>(measured)) + ", max " + format_ms(*rtt_max_us);
  }
  return line + '\n';
}

}  // namespace rove
