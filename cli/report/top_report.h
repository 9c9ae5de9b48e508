// Rates of traffic, from two answers to `status`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/base/table.h"
#include "cli/report/json.h"

namespace rove {

// Per second.
struct TrafficRates {
  double frames_out = 0;
  double octets_out = 0;
  double frames_in = 0;
  double octets_in = 0;
  double drops = 0;
};

struct TopSample {
  struct Peer {
    std::string name{};
    std::string id{};
    bool up = false;
    std::optional<long long> rtt_us{};
    TrafficRates rates{};  // drops: of what came from it
  };
  std::int64_t time_ms = 0;  // since 1970, by the daemon's host
  std::int64_t interval_ms = 0;
  std::vector<Peer> peers{};                            // the busiest first
  TrafficRates total{};                                 // of all peers; drops: all of this node
  TrafficRates tap{};                                   // out: from the TAP device; in: to it
  std::vector<std::pair<std::string, double>> drops{};  // by reason, without those at zero
};

// nullopt: the daemon was started anew between the two. Throws Failure when it is of another version.
[[nodiscard]] std::optional<TopSample> make_top_sample(const ReportJson& before, const ReportJson& after);

[[nodiscard]] std::string report_top(const TopSample& sample);
// For pipes: a line for each peer, `(all)` and `(tap)`.
[[nodiscard]] std::string top_header();
[[nodiscard]] std::string render_top_lines(const TopSample& sample);
// For a terminal. `status`: the later answer.
[[nodiscard]] std::string render_top_screen(const ReportJson& status, const TopSample& sample, const TextStyle& style);

}  // namespace rove
