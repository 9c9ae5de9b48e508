// Answers to `rove ping`.
#pragma once

#include <optional>
#include <string>

#include "cli/report/json.h"
#include "core/base/address.h"
#include "core/node/node.h"

namespace rove {

struct PingReport {
  std::string target{};                // as the operator said it
  std::optional<MacAddress> vm{};      // of which the target is an address
  NodeId node{};                       // who was asked
  std::string name{};                  // of the node; empty where it is not known
  bool local = false;                  // it is this host: nothing was asked
  std::optional<PingResult> result{};  // nullopt: local
};

[[nodiscard]] std::string report_ping(const PingReport& report);
// "host-b  direct 203.0.113.7:7683  rtt 0.42 ms", a line.
[[nodiscard]] std::string render_ping(const ReportJson& answer);

// What came of several.
struct PingTally {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;  // of the target's own host too, which need not be asked
  std::optional<long long> rtt_min_us{};
  std::optional<long long> rtt_max_us{};
  long long rtt_sum_us = 0;
  std::uint64_t measured = 0;  // answers with a round trip

  void add(const ReportJson& answer);
  [[nodiscard]] std::string to_json_line() const;
  [[nodiscard]] std::string to_text() const;
};

}  // namespace rove
