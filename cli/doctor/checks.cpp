#include "cli/doctor/checks.h"

#include "core/wire/header.h"

namespace rove {

std::size_t outer_packet_size(std::size_t inner_mtu, IpAddress::Family family) {
  constexpr std::size_t kEthernetHeader = 14;
  constexpr std::size_t kUdpHeader = 8;
  const std::size_t ip_header = family == IpAddress::Family::V4 ? 20 : 40;
  return inner_mtu + kEthernetHeader + kDataOverhead + kUdpHeader + ip_header;
}

std::optional<std::size_t> find_inner_mtu(const Facts& facts) {
  if (facts.daemon && facts.daemon->inner_mtu != 0) return facts.daemon->inner_mtu;
  return facts.credential.inner_mtu;
}

std::uint16_t find_port(const Facts& facts) {
  if (facts.daemon && !facts.daemon->sockets.empty()) return facts.daemon->sockets.front().local.port;
  return facts.config.config.listen.port;
}

Findings check_all(const Facts& facts) {
  Findings all;
  for (const auto check : {&check_files, &check_process, &check_tap, &check_bridge, &check_underlay, &check_network}) {
    for (Finding& finding : check(facts)) all.push_back(std::move(finding));
  }
  return all;
}

}  // namespace rove
