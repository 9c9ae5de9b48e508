#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "cli/base/table.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/finding_list.h"
#include "cli/doctor/remedies.h"

namespace rove {
namespace {

using std::chrono::milliseconds;

// Other checks say more of these.
bool has_own_check(std::string_view problem) {
  constexpr std::array<std::string_view, 4> kBegins{"no other node answers", "this node's certificate",
                                                    "bootstrap node ", "the offload "};
  return std::any_of(kBegins.begin(), kBegins.end(), [problem](auto begin) { return problem.starts_with(begin); });
}

void check_daemon(const Facts& facts, FindingList& found) {
  if (!facts.daemon) {
    found.warn("daemon", facts.daemon_problem + ": only this host's side is looked at", facts.daemon_remedy);
    return;
  }
  const std::string pid = std::to_string(facts.daemon->pid);
  if (facts.daemon_elsewhere) {
    found.warn("daemon",
               "it runs in another network namespace, pid " + pid + ": devices and ports here are not its own",
               "nsenter --net=/proc/" + pid + "/ns/net rove doctor -n " + facts.network);
  } else {
    found.ok("daemon", "runs, version " + facts.daemon->version + ", pid " + pid);
  }
  for (const std::string& problem : facts.daemon->problems) {
    if (!has_own_check(problem)) found.warn("status", problem, "rove status -n " + facts.network);
  }
}

void check_tun(const Facts& facts, FindingList& found) {
  if (facts.daemon) return;  // it has its device
  switch (facts.tun_error) {
    case 0: found.ok("tun", "/dev/net/tun may be opened"); return;
    case EACCES:
    case EPERM: found.fail("tun", "no right to open /dev/net/tun", "the same command as root"); return;
    default:
      found.fail("tun", "there is no /dev/net/tun that works",
                 "modprobe tun, or for a container: --device /dev/net/tun");
  }
}

// Whom the rights are asked of: the daemon, or else who would start it now.
void check_capabilities(const Facts& facts, FindingList& found) {
  const std::vector<std::string> has = facts.daemon ? facts.daemon->capabilities : names_of(facts.capabilities);
  const auto lacks = [&has](const char* name) { return std::find(has.begin(), has.end(), name) == has.end(); };
  const DaemonConfig& config = facts.config.config;
  const std::string who = facts.daemon ? "the daemon" : "who starts it as this user";
  const auto remedy = [&](const std::string& capability) {
    return "as root, or in the service: AmbientCapabilities=" + capability;
  };
  const bool wants_nice = config.realtime || config.nice < 0;
  const bool wants_raw = config.replay != Replay::Off && !(facts.daemon ? facts.daemon->bridge : config.bridge).empty();
  if (lacks("net_admin") && !facts.daemon) {
    found.fail("net-admin", who + " has no CAP_NET_ADMIN: no TAP device can be made", remedy("CAP_NET_ADMIN"));
  } else if (lacks("net_admin")) {
    found.warn("net-admin", who + " has no CAP_NET_ADMIN: it cannot change the bridge, and has small buffers",
               remedy("CAP_NET_ADMIN"));
  }
  if (lacks("net_raw") && wants_raw) {
    found.warn("net-raw", who + " has no CAP_NET_RAW: what comes for a VM that is paused to move is lost",
               remedy("CAP_NET_RAW") + ", or replay = \"off\"");
  }
  if (lacks("sys_nice") && wants_nice) {
    found.warn("sys-nice", who + " has no CAP_SYS_NICE: a busy host delays frames",
               remedy("CAP_SYS_NICE") + ", or realtime = false and nice = 0");
  }
  if (facts.daemon) {
    for (const std::string& refused : facts.daemon->refused) {
      found.warn("refused", refused, "what is said there, then " + restart_of(facts.network));
    }
  }
  if (!found.has("net-admin") && !found.has("net-raw") && !found.has("sys-nice")) {
    found.ok("capabilities", who + " has what it needs");
  }
}

std::string describe_lead(milliseconds lead) {
  return format_age(std::abs(lead.count())) + (lead.count() > 0 ? " ahead of" : " behind");
}

// Compares with most peers; who differs from them is wrong, be it this host.
void check_clock(const Facts& facts, FindingList& found) {
  const std::string remedy = "timedatectl set-ntp true";
  std::vector<milliseconds> leads;
  if (facts.daemon) {
    for (const PeerFacts& peer : facts.daemon->peers) {
      if (peer.up && peer.clock_lead) leads.push_back(*peer.clock_lead);
    }
  }
  std::sort(leads.begin(), leads.end());
  const milliseconds median = leads.empty() ? milliseconds{0} : leads[leads.size() / 2];
  const auto is_off = [](milliseconds lead, milliseconds limit) { return std::chrono::abs(lead) > limit; };
  if (is_off(median, kClockWarning)) {
    const std::string text =
        "this host's clock is " + describe_lead(-median) + (leads.size() == 1 ? " its peer's" : " its peers'");
    if (is_off(median, kClockFailure)) {
      found.fail("clock", text + "; a day, and nothing it says is believed", remedy);
    } else {
      found.warn("clock", text, remedy);
    }
  } else if (facts.clock && !facts.clock->is_synchronized) {
    found.warn("clock",
               leads.empty() ? "nobody keeps it (NTP)" : "nobody keeps it (NTP); it agrees with the peers' now",
               remedy);
  } else if (facts.clock) {
    found.ok("clock", leads.empty() ? "kept by NTP" : "kept by NTP, and agrees with the peers'");
  }
  if (!facts.daemon) return;
  for (const PeerFacts& peer : facts.daemon->peers) {
    if (!peer.up || !peer.clock_lead || leads.size() < 2 || !is_off(*peer.clock_lead - median, kClockWarning)) continue;
    found.warn("clock",
               "the clock of " + peer.name + " is " + describe_lead(*peer.clock_lead - median) + " the others'",
               "on " + peer.name + ": " + remedy);
  }
}

}  // namespace

Findings check_process(const Facts& facts) {
  FindingList found;
  check_daemon(facts, found);
  check_tun(facts, found);
  check_capabilities(facts, found);
  check_clock(facts, found);
  return found.take();
}

}  // namespace rove
