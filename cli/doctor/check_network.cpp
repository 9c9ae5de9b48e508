#include "cli/base/table.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/finding_list.h"

namespace rove {
namespace {

// What an operator notices without it.
std::string meaning_of(const std::string& offload) {
  if (offload == "tap_checksum" || offload == "tap_tcp")
    return "VMs' TCP comes in small packets, which costs most of the throughput";
  if (offload == "tap_udp") return "VMs' UDP comes in single packets";
  if (offload == "udp_segmentation") return "each datagram is sent by itself, which costs throughput";
  return "each datagram is received by itself, which costs throughput";
}

void check_offloads(const DaemonFacts& daemon, FindingList& found) {
  std::string used;
  std::string off;
  for (const OffloadUse& offload : daemon.offloads) {
    if (offload.used) {
      used += (used.empty() ? "" : ", ") + offload.name;
    } else if (!offload.wanted) {
      off += (off.empty() ? "" : ", ") + offload.name;
    } else if (offload.name == "tap_udp") {
      // Before Linux 6.2 no host has it, Debian 12's kernel neither: nothing is wrong.
      found.ok("offloads", offload.name + " is not in use: " + offload.reason + "; " + meaning_of(offload.name));
    } else {
      const std::string key = offload.name.starts_with("tap") ? "offload_tap" : "offload_udp";
      found.warn("offloads", offload.name + " is not in use: " + offload.reason + "; " + meaning_of(offload.name),
                 "another kernel or network card; " + key + " = false silences this");
    }
  }
  for (const PeerFacts& peer : daemon.peers) {
    if (!peer.up || peer.segmentation != "broken") continue;
    found.warn(
        "offloads",
        "what the kernel or network card cuts does not arrive at " + peer.name + ": " + meaning_of("udp_segmentation"),
        "another kernel or network card, here or on the way; offload_udp = false silences this");
  }
  if (!used.empty()) found.ok("offloads", "in use: " + used);
  if (!off.empty()) found.ok("offloads", "off by the configuration: " + off);
}

void check_dht(const Facts& facts, FindingList& found) {
  const DaemonFacts& daemon = *facts.daemon;
  if (daemon.connected) {
    found.ok("dht", "connected, " + std::to_string(daemon.dht_nodes) +
                        (daemon.dht_nodes == 1 ? " node answers" : " nodes answer"));
  } else if (daemon.lone) {
    found.ok("dht", "no other node is configured: this one is alone");
  } else {
    found.fail("dht", "no other node answers: only what is known already can be reached",
               "rove netcheck -n " + facts.network);
  }
}

void check_peers(const Facts& facts, FindingList& found) {
  std::size_t up = 0;
  for (const PeerFacts& peer : facts.daemon->peers) {
    if (peer.up) {
      ++up;
      continue;
    }
    std::string text = peer.name + " does not answer";
    if (!peer.endpoint.empty()) text += " at " + peer.endpoint;
    text +=
        peer.last_heard ? ", it was heard " + format_age(peer.last_heard->count()) + " ago" : ", it was never heard";
    found.warn("peers", text, "on " + peer.name + ": rove doctor -n " + facts.network);
  }
  if (up > 0) found.ok("peers", std::to_string(up) + (up == 1 ? " answers" : " answer"));
}

}  // namespace

Findings check_network(const Facts& facts) {
  FindingList found;
  if (!facts.daemon) return found.take();
  check_offloads(*facts.daemon, found);
  check_dht(facts, found);
  check_peers(facts, found);
  return found.take();
}

}  // namespace rove
