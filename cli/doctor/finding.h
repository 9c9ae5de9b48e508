// What `rove doctor` found, one entry a check.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cli/base/table.h"

namespace rove {

enum class Severity : std::uint8_t { Ok, Warn, Fail };
[[nodiscard]] std::string_view to_string(Severity severity);  // "ok", "warn", "fail"

struct Finding {
  Severity severity = Severity::Ok;
  std::string check;   // a name that stays: "bridge", "certificate", …
  std::string text;    // a sentence
  std::string remedy;  // the command that mends it; empty: there is nothing to mend

  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;

[[nodiscard]] std::size_t count(const Findings& findings, Severity severity);

// A line for each, under one of names.
[[nodiscard]] std::string render_findings(const Findings& findings, const TextStyle& style);
// The object of `rove doctor --json`. `daemon_runs`: what it knows is part of the findings.
[[nodiscard]] std::string report_findings(const std::string& network, bool daemon_runs, const Findings& findings);

}  // namespace rove
