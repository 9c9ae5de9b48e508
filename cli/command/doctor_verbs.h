// The verbs for when something is wrong: doctor, netcheck, bugreport.
#pragma once

#include <optional>
#include <string>

#include "cli/base/failure.h"
#include "cli/base/paths.h"
#include "cli/command/run.h"

namespace rove {

// What all three are about.
struct DiagnosisTask {
  const Paths& paths;
  std::string network;
  bool json = false;
};

// Failure when a check failed.
[[nodiscard]] ExitStatus run_doctor(const DiagnosisTask& task, Console& console);
[[nodiscard]] ExitStatus run_netcheck(const DiagnosisTask& task, Console& console);
// `output`: the file to make, "-" for standard output, nullopt for one in the working directory that is named after
// the network and the time. Throws Failure: Conflict when the file exists.
[[nodiscard]] ExitStatus run_bugreport(const DiagnosisTask& task, const std::optional<std::string>& output,
                                       Console& console);

}  // namespace rove
