// A host and a daemon with which all is well, to break one thing at a time.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "cli/doctor/checks.h"

namespace rove {

inline constexpr WallTime kFactsNow = from_unix_ms(1'800'000'000'000);

inline Endpoint endpoint_of(const char* text) {
  return *parse_endpoint(text, 0);
}

inline RouteFacts route_of(const char* who, const char* to, const char* link, std::size_t mtu = 1500) {
  return {.who = who,
          .to = endpoint_of(to),
          .error = {},
          .source = *parse_ip("10.1.0.1"),
          .link = link,
          .link_mtu = mtu,
          .path_mtu = mtu};
}

inline UnderlayLink link_of(const char* name, const char* ip, bool has_default = false) {
  UnderlayLink link;
  link.name = name;
  link.mtu = 1500;
  link.addresses = {*parse_ip(ip)};
  link.has_default_v4 = has_default;
  return link;
}

inline PeerFacts peer_of(const char* name) {
  PeerFacts peer;
  peer.name = name;
  peer.endpoint = "10.1.0.2:7683";
  peer.up = true;
  peer.rtt = std::chrono::microseconds{850};
  peer.last_heard = std::chrono::seconds{2};
  peer.clock_lead = std::chrono::milliseconds{-12};
  peer.observed = "10.1.0.1:7683";
  peer.segmentation = "works";
  peer.pings = 10;
  peer.pongs = 10;
  return peer;
}

inline DaemonFacts healthy_daemon() {
  DaemonFacts daemon;
  daemon.node = "a";
  daemon.pid = 17;
  daemon.version = "0.1.0";
  daemon.connected = true;
  daemon.dht_nodes = 1;
  daemon.endpoints = {"10.1.0.1:7683"};
  daemon.tap = "rove0";
  daemon.bridge = "br0";
  daemon.bridge_ifindex = 5;
  daemon.inner_mtu = 1400;
  daemon.certificate_expires_in_s = 300L * 24 * 3600;
  daemon.capabilities = {"net_admin", "net_raw", "sys_nice"};
  daemon.sockets = {{.local = endpoint_of("0.0.0.0:7683"),
                     .receive_buffer = 8 << 20,
                     .send_buffer = 8 << 20,
                     .wanted_buffer = 8 << 20}};
  for (const char* name : {"tap_checksum", "tap_tcp", "tap_udp", "udp_segmentation", "udp_coalescing"}) {
    daemon.offloads.push_back({.name = name, .wanted = true, .used = true, .reason = {}});
  }
  daemon.peers = {peer_of("b")};
  return daemon;
}

inline Facts healthy_facts() {
  Facts facts;
  facts.network = "demo";
  facts.now = kFactsNow;
  facts.config.file = "/etc/rove/demo.toml";
  facts.config.config.bridge = "br0";
  facts.credential.file = "/etc/rove/demo.node.pem";
  facts.credential.authority_file = "/etc/rove/demo.ca.pem";
  facts.credential.certificate = {.node = "a",
                                  .not_before = kFactsNow - std::chrono::hours{24},
                                  .not_after = kFactsNow + std::chrono::hours{300 * 24},
                                  .authority_not_after = kFactsNow + std::chrono::hours{3000 * 24}};
  facts.credential.inner_mtu = 1400;
  facts.daemon = healthy_daemon();
  facts.capabilities = {.net_admin = true, .net_raw = true, .sys_nice = true};
  facts.clock = ClockFacts{.is_synchronized = true};
  facts.tap = TapFacts{
      .ifindex = 6, .kind = "tun", .master = "br0", .mtu = 1400, .is_up = true, .has_ipv6 = false, .accepts_ra = false};
  BridgeFacts bridge;
  bridge.ifindex = 5;
  bridge.kind = "bridge";
  bridge.mac = *parse_mac("02:00:5e:00:00:01");
  bridge.is_up = true;
  bridge.mac_pinned = true;
  bridge.spanning_tree = false;
  bridge.ageing = std::chrono::seconds{300};
  bridge.vlan_filtering = false;
  bridge.calls_iptables = false;
  bridge.accepts_ra = false;
  bridge.ports = {{.name = "vm0", .mtu = 1400, .is_physical = false}};
  facts.bridge = bridge;
  facts.underlay = {link_of("eth0", "10.1.0.1", true)};
  facts.bootstrap = {
      {.name = {.host = "b.example.org", .port = 7683}, .endpoints = {endpoint_of("10.1.0.2:7683")}, .error = {}}};
  facts.routes = {route_of("b", "10.1.0.2:7683", "eth0")};
  facts.firewall.state = FirewallFacts::State::Open;
  return facts;
}

inline Facts without_daemon() {
  Facts facts = healthy_facts();
  facts.daemon.reset();
  facts.daemon_problem = "reach the daemon: none runs for network demo";
  facts.daemon_remedy = "rove up demo";
  facts.tap.reset();
  return facts;
}

// The one finding that is not well. Fails the test when there is another, or none.
inline Finding only_trouble(const Facts& facts) {
  Finding found;
  std::size_t count = 0;
  for (const Finding& finding : check_all(facts)) {
    if (finding.severity == Severity::Ok) continue;
    found = finding;
    ++count;
    CAPTURE(finding.check);
    CAPTURE(finding.text);
    CHECK_FALSE(finding.remedy.empty());
  }
  CAPTURE(found.check);
  CAPTURE(found.text);
  CHECK(count == 1);
  return found;
}

inline bool has(const Findings& findings, Severity severity, std::string_view check) {
  for (const Finding& finding : findings) {
    if (finding.severity == severity && finding.check == check) return true;
  }
  return false;
}

}  // namespace rove
