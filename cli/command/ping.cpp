#include "cli/command/ping.h"

#include <algorithm>
#include <chrono>
#include <ostream>

#include "cli/base/stop_signal.h"
#include "cli/command/arguments.h"
#include "cli/command/run.h"
#include "cli/control/control_client.h"
#include "cli/report/ping_report.h"
#include "cli/report/render.h"

namespace rove {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectTimeout{5'000};
constexpr milliseconds kLookupTime{15'000};  // the daemon may have to ask for a VM's host first

// A connection for each: the daemon closes those that are silent for long.
ReportJson ask(const PingCommand& command, const DaemonAccess& daemon, const StopSignal& stop) {
  ControlRequest request;
  request.verb = ControlVerb::Ping;
  request.target = command.target;
  request.timeout_ms = static_cast<std::uint64_t>(command.timeout.count());
  ControlClient client{daemon.socket, daemon.network, kConnectTimeout};
  client.end_with(stop);
  const ControlResponse response = client.call(request, command.timeout + kLookupTime);
  // An answer without data says that there is nobody to ask.
  if (response.data.empty()) throw Failure(response.status, response.what, response.why, response.next);
  return ReportJson::parse(response.data);
}

}  // namespace

ExitStatus ping(const PingCommand& command, const DaemonAccess& daemon, Console& console) {
  const StopSignal stop;
  PingTally tally;
  try {
    for (std::uint64_t i = 0; !command.count || i < *command.count; ++i) {
      const auto next = std::chrono::steady_clock::now() + command.interval;
      const ReportJson answer = ask(command, daemon, stop);
      console.out << (daemon.json ? dump_report(answer) + '\n' : render(ControlVerb::Ping, answer.dump(), {}));
      console.out.flush();
      if (!console.out) return ExitStatus::Ok;  // run_command() tells
      tally.add(answer);
      if (command.count && i + 1 == *command.count) break;
      const auto left = std::chrono::ceil<milliseconds>(next - std::chrono::steady_clock::now());
      if (stop.wait(std::max(milliseconds{0}, left))) break;
    }
  } catch (const Interrupted&) {
    // Told to end: what came until now is summed up.
  }
  console.out << (daemon.json ? tally.to_json_line() : tally.to_text());
  return tally.answered > 0 ? ExitStatus::Ok : ExitStatus::NotFound;
}

}  // namespace rove
