#include "cli/command/top.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <ostream>

#include "cli/base/stop_signal.h"
#include "cli/base/terminal.h"
#include "cli/command/arguments.h"
#include "cli/command/run.h"
#include "cli/control/control_client.h"
#include "cli/report/top_report.h"

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCallTimeout{5'000};

ReportJson ask_status(const DaemonAccess& daemon, const StopSignal& stop) {
  ControlClient client{daemon.socket, daemon.network, kCallTimeout};
  client.end_with(stop);
  const ControlResponse response = client.call({}, kCallTimeout);
  if (response.status != ExitStatus::Ok) throw Failure(response.status, response.what, response.why, response.next);
  return ReportJson::parse(response.data);
}

// False: it is to end.
bool wait_until(steady_clock::time_point at, const StopSignal& stop, const FullScreen* screen) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(at - steady_clock::now());
    std::array<pollfd, 2> entries{pollfd{stop.fd(), POLLIN, 0},
                                  pollfd{screen != nullptr ? screen->input_fd() : -1, POLLIN, 0}};
    const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready > 0 && entries[0].revents != 0) return false;
    if (ready > 0 && entries[1].revents != 0) {
      const auto key = screen->read_key();
      // Readable without a key: the terminal is gone.
      if (!key || *key == 'q' || *key == 'Q') return false;
      continue;
    }
    if (left <= milliseconds{0}) return true;
  }
}

}  // namespace

ExitStatus top(const TopCommand& command, const DaemonAccess& daemon, Console& console) {
  const StopSignal stop;
  std::optional<FullScreen> screen;
  try {
    ReportJson before = ask_status(daemon, stop);
    if (console.style.terminal && !daemon.json) screen.emplace(console.out);
    if (!screen && !daemon.json) console.out << top_header();
    if (screen) screen->show(render_top_screen(before, TopSample{}, console.style));
    auto next = steady_clock::now();
    for (std::uint64_t i = 0; !command.count || i < *command.count;) {
      next = std::max(next + command.interval, steady_clock::now());
      if (!wait_until(next, stop, screen ? &*screen : nullptr)) break;
      ReportJson now = ask_status(daemon, stop);
      const auto sample = make_top_sample(before, now);
      before = std::move(now);
      if (!sample) continue;  // the daemon was started anew
      ++i;
      if (screen) {
        screen->show(render_top_screen(before, *sample, console.style));
      } else {
        console.out << (daemon.json ? report_top(*sample) + '\n' : render_top_lines(*sample));
        console.out.flush();
      }
      if (!console.out) return ExitStatus::Ok;  // run_command() tells
    }
  } catch (const Interrupted&) {
    // Told to end.
  }
  return ExitStatus::Ok;
}

}  // namespace rove
