#include "cli/report/top_report.h"

#include <doctest/doctest.h>

#include "cli/base/failure.h"

namespace rove {
namespace {

ReportJson peer(const std::string& name, std::uint64_t frames, std::uint64_t octets, std::uint64_t drops = 0) {
  return {{"name", name},
          {"id", "id-" + name},
          {"up", true},
          {"rtt_us", 850},
          {"traffic",
           {{"frames_out", frames},
            {"octets_out", octets},
            {"frames_in", 2 * frames},
            {"octets_in", 2 * octets},
            {"drops_in", drops}}}};
}

ReportJson status(std::int64_t uptime_ms, const std::vector<ReportJson>& peers, std::uint64_t frames,
                  std::uint64_t replayed) {
  ReportJson object = make_report();
  object["network"] = "demo";
  object["node"] = "a";
  object["uptime_ms"] = uptime_ms;
  object["time_ms"] = 1'700'000'000'042 + uptime_ms;
  object["peers"] = {{"up", peers.size()}, {"known", peers.size()}};
  object["vms"] = {{"local", 1}, {"cached", 0}};
  object["problems"] = ReportJson::array();
  object["peer_list"] = ReportJson::array();
  for (const ReportJson& each : peers) object["peer_list"].push_back(each);
  object["counters"] = {
      {"packets", {{"frames_in", frames}, {"bytes_in", 10 * frames}, {"frames_out", 0}, {"bytes_out", 0}}},
      {"drops", {{"replayed", replayed}, {"malformed", 4}}}};
  return object;
}

const ReportJson kBefore = status(1'000, {peer("b", 10, 1'000), peer("c", 0, 0)}, 100, 0);
const ReportJson kAfter = status(3'000, {peer("b", 30, 5'000, 4), peer("c", 100, 90'000)}, 300, 6);

TEST_CASE("top: rates are what happened between two answers, by the daemon's own time; the busiest peer first") {
  const auto sample = make_top_sample(kBefore, kAfter);

  REQUIRE(sample);
  CHECK(report_top(*sample) ==
        R"({"schema":1,"time_ms":1700000003042,"interval_ms":2000,"peers":[{"name":"c","id":"id-c","up":true,)"
        R"("rtt_us":850,"frames_out_per_s":50.0,"octets_out_per_s":45000.0,"frames_in_per_s":100.0,)"
        R"("octets_in_per_s":90000.0,"drops_per_s":0.0},{"name":"b","id":"id-b","up":true,"rtt_us":850,)"
        R"("frames_out_per_s":10.0,"octets_out_per_s":2000.0,"frames_in_per_s":20.0,"octets_in_per_s":4000.0,)"
        R"("drops_per_s":2.0}],"total":{"frames_out_per_s":60.0,"octets_out_per_s":47000.0,"frames_in_per_s":120.0,)"
        R"("octets_in_per_s":94000.0,"drops_per_s":3.0},"tap":{"frames_out_per_s":100.0,"octets_out_per_s":1000.0,)"
        R"("frames_in_per_s":0.0,"octets_in_per_s":0.0,"drops_per_s":0.0},"drops_by_reason_per_s":{"replayed":3.0}})");
}

TEST_CASE("top: for pipes a line for each peer, for all, and for the TAP device") {
  CHECK(top_header() + render_top_lines(*make_top_sample(kBefore, kAfter)) ==
        "TIME\tPEER\tSTATE\tRTT\tOUT/S\tOCTETS OUT/S\tIN/S\tOCTETS IN/S\tDROPS/S\n"
        "2023-11-14T22:13:23.042Z\tc\tup\t0.85 ms\t50\t45000\t100\t90000\t0\n"
        "2023-11-14T22:13:23.042Z\tb\tup\t0.85 ms\t10\t2000\t20\t4000\t2.0\n"
        "2023-11-14T22:13:23.042Z\t(all)\t-\t-\t60\t47000\t120\t94000\t3.0\n"
        "2023-11-14T22:13:23.042Z\t(tap)\t-\t-\t100\t1000\t0\t0\t0\n");
}

TEST_CASE("top: on a terminal a screen, with problems and the reasons of drops") {
  ReportJson after = kAfter;
  after["problems"].push_back("something is wrong");

  const std::string screen =
      render_top_screen(after, *make_top_sample(kBefore, after), {.terminal = true, .color = false});

  CHECK(screen ==
        "rove demo  node a  up 3s  peers 2/2  vms here 1  q quits\n"
        "problem: something is wrong\n"
        "\n"
        "PEER   STATE  RTT      OUT/S  OUT        IN/S  IN         DROPS/S\n"
        "(all)  -      -        60     47.0 kB/s  120   94.0 kB/s  3.0\n"
        "(tap)  -      -        100    1.0 kB/s   0     0 B/s      0\n"
        "c      up     0.85 ms  50     45.0 kB/s  100   90.0 kB/s  0\n"
        "b      up     0.85 ms  10     2.0 kB/s   20    4.0 kB/s   2.0\n"
        "\n"
        "drops/s  replayed 3.0\n");
  CHECK(render_top_screen(kAfter, TopSample{}, {}).find("measuring") != std::string::npos);
}

TEST_CASE("top: a peer that is new, or was met anew, counts from zero; a daemon that was started anew gives no rates") {
  const auto fresh = make_top_sample(status(1'000, {peer("b", 100, 1'000)}, 0, 0),
                                     status(2'000, {peer("b", 7, 70), peer("c", 5, 50)}, 0, 0));
  REQUIRE(fresh);
  CHECK(fresh->peers[0].rates.frames_out == 7);
  CHECK(fresh->peers[1].rates.octets_out == 50);

  CHECK_FALSE(make_top_sample(kAfter, kBefore).has_value());
  CHECK_FALSE(make_top_sample(kAfter, kAfter).has_value());
}

TEST_CASE("top: an answer of another version is told, not shown in part") {
  ReportJson other = kAfter;
  other.erase("peer_list");
  CHECK_THROWS_AS((void)make_top_sample(kBefore, other), Failure);
  CHECK_THROWS_AS((void)render_top_screen(make_report(), TopSample{}, {}), Failure);
}

}  // namespace
}  // namespace rove
