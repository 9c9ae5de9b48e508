#include "cli/report/ping_report.h"

#include <doctest/doctest.h>

#include "cli/report/render.h"

namespace rove {
namespace {

PingReport sample() {
  PingReport report{.target = "b", .name = "b"};
  report.node.octets.fill(0x0b);
  report.result = PingResult{.ticket = {},
                             .node = report.node,
                             .error = {},
                             .rtt = std::chrono::microseconds{420},
                             .endpoint = *parse_endpoint("203.0.113.7:7683", 0),
                             .observed = parse_endpoint("198.51.100.1:7683", 0)};
  return report;
}

std::string text_of(const PingReport& report) {
  return render(ControlVerb::Ping, report_ping(report), {});
}

TEST_CASE("ping: an answer says by which path it came, and after what time") {
  CHECK(report_ping(sample()) ==
        R"({"schema":1,"target":"b","vm":null,"node":"b","node_id":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b","local":false,)"
        R"("replied":true,"path":"direct","endpoint":"203.0.113.7:7683","rtt_us":420,"seen_at":"198.51.100.1:7683",)"
        R"("why":null})");
  CHECK(text_of(sample()) == "b  direct 203.0.113.7:7683  rtt 0.42 ms\n");
}

TEST_CASE("ping: of a VM its host is told") {
  PingReport report = sample();
  report.target = "10.77.0.5";
  report.vm = parse_mac("02:00:5e:10:00:05");
  CHECK(text_of(report) == "10.77.0.5 at b  direct 203.0.113.7:7683  rtt 0.42 ms\n");
  CHECK(report_ping(report).find(R"("vm":"02:00:5e:10:00:05","node":"b")") != std::string::npos);

  report.local = true;
  report.result.reset();
  CHECK(text_of(report) == "10.77.0.5 at b, which is this host: there is no tunnel to it\n");
}

TEST_CASE("ping: this host by its name") {
  PingReport report = sample();
  report.local = true;
  report.result.reset();
  CHECK(text_of(report) == "b  is this host: there is no tunnel to it\n");
}

TEST_CASE("ping: why there is no reply, and who was asked where only the id is known") {
  PingReport report = sample();
  report.name.clear();
  const std::vector<std::pair<Error, std::string>> reasons{{Error::Unknown, "no answer in time"},
                                                           {Error::Unavailable, "no session with it came up"},
                                                           {Error::LimitReached, "too many pings at a time"}};
  for (const auto& [error, why] : reasons) {
    report.result->error = make_error_code(error);
    CHECK(text_of(report) == "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b  no reply: " + why + "\n");
    CHECK(report_ping(report).find(
              R"("replied":false,"path":null,"endpoint":null,"rtt_us":null,"seen_at":null,"why":")" + why) !=
          std::string::npos);
  }
}

TEST_CASE("PingTally: what was sent, what came back, and between which times") {
  PingTally tally;
  CHECK(tally.to_text() == "0 sent, 0 answered\n");
  PingReport report = sample();
  for (const int us : {420, 40'000, 133'000}) {
    report.result->rtt = std::chrono::microseconds{us};
    tally.add(ReportJson::parse(report_ping(report)));
  }
  report.result->error = make_error_code(Error::Unknown);
  tally.add(ReportJson::parse(report_ping(report)));

  CHECK(tally.to_text() == "4 sent, 3 answered; rtt min 0.42 ms, avg 57.8 ms, max 133 ms\n");
  CHECK(tally.to_json_line() ==
        R"({"schema":1,"summary":true,"sent":4,"answered":3,"rtt_min_us":420,"rtt_avg_us":57806,"rtt_max_us":133000})"
        "\n");
}

TEST_CASE("PingTally: what is on this host counts as answered, without a time") {
  PingReport report = sample();
  report.local = true;
  report.result.reset();
  PingTally tally;
  tally.add(ReportJson::parse(report_ping(report)));

  CHECK(tally.to_text() == "1 sent, 1 answered\n");
  CHECK(tally.to_json_line().find(R"("rtt_avg_us":null)") != std::string::npos);
}

}  // namespace
}  // namespace rove
