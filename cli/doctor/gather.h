// Looks at this host, and asks the daemon: the facts of `rove doctor`, `netcheck` and `bugreport`. Changes nothing, and
// sends nothing to other hosts but the resolver's questions.
#pragma once

#include <cstdint>
#include <string>

#include "cli/base/paths.h"
#include "cli/doctor/facts.h"

namespace rove {

// What the control socket answered, as it came; all empty without a daemon.
struct DaemonAnswers {
  std::string status;
  std::string peers;
  std::string vms;
  std::uint64_t kernel_drops_later = 0;  // asked for a second time when there are any; takes a second then
  std::int64_t pid = 0;                  // as it is seen from here; 0: not to be seen
  std::string problem;                   // why it did not answer
  std::string remedy;
};

[[nodiscard]] DaemonAnswers ask_daemon(const Paths& paths, const std::string& network);

// Takes up to some ten seconds where names do not resolve.
[[nodiscard]] Facts gather_facts(const Paths& paths, const std::string& network, const DaemonAnswers& answers);

}  // namespace rove
