#include "cli/doctor/gather_devices.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include "cli/base/file_io.h"
#include "tap/links.h"

namespace rove {
namespace {

namespace fs = std::filesystem;

// A file of /proc or /sys that holds a number.
std::optional<long> read_number(const fs::path& path) {
  std::optional<std::string> text;
  try {
    text = read_file(path);
  } catch (const std::exception&) {
    return std::nullopt;  // some of them give an error instead of a value
  }
  if (!text) return std::nullopt;
  long value = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc{} ? std::optional{value} : std::nullopt;
}

std::optional<bool> read_flag(const fs::path& path) {
  const auto number = read_number(path);
  return number ? std::optional{*number != 0} : std::nullopt;
}

// /sys shows the network namespace that it was mounted in, which need not be ours. nullopt: it is another one.
std::optional<fs::path> find_sys(const std::string& name, unsigned ifindex) {
  const fs::path device = fs::path{"/sys/class/net"} / name;
  return read_number(device / "ifindex") == static_cast<long>(ifindex) ? std::optional{device} : std::nullopt;
}

fs::path ipv6_settings(const std::string& name) {
  return fs::path{"/proc/sys/net/ipv6/conf"} / name;
}

// ip-sysctl: 1 takes them where the host is no router, 2 in any case.
std::optional<bool> accepts_ra(const std::string& name) {
  const fs::path settings = ipv6_settings(name);
  const auto accept = read_number(settings / "accept_ra");
  if (!accept) return std::nullopt;
  if (read_flag(settings / "disable_ipv6") == true) return false;
  return *accept == 2 || (*accept == 1 && read_flag(settings / "forwarding") != true);
}

std::optional<IpAddress> to_ip(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return IpAddress::v4(reinterpret_cast<const std::uint8_t*>(&v4->sin_addr));
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    return IpAddress::v6(reinterpret_cast<const std::uint8_t*>(&v6->sin6_addr));
  }
  return std::nullopt;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in{line};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

bool contains(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::string read_table(const char* path) {
  return read_file(path).value_or("");
}

std::vector<BridgePort> gather_ports(const fs::path& bridge, const std::string& tap) {
  std::vector<BridgePort> ports;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{bridge / "brif", error}) {
    const std::string name = entry.path().filename().string();
    const fs::path device = fs::path{"/sys/class/net"} / name;
    if (name == tap) continue;
    std::error_code missing;
    ports.push_back({.name = name,
                     .mtu = static_cast<std::size_t>(read_number(device / "mtu").value_or(0)),
                     .is_physical = fs::exists(device / "device", missing)});
  }
  std::sort(ports.begin(), ports.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return ports;
}

}  // namespace

std::optional<TapFacts> gather_tap(const std::string& name) {
  const auto link = find_link(name);
  if (!link) return std::nullopt;
  std::array<char, IF_NAMESIZE> master{};
  const auto ipv6_off = read_flag(ipv6_settings(name) / "disable_ipv6");
  return TapFacts{
      .ifindex = link->ifindex,
      .kind = link->kind,
      .master = link->master != 0 && if_indextoname(link->master, master.data()) != nullptr ? master.data() : "",
      .mtu = link->mtu,
      .is_up = link->is_up,
      .has_ipv6 = ipv6_off ? std::optional{!*ipv6_off} : std::nullopt,
      .accepts_ra = accepts_ra(name)};
}

std::optional<BridgeFacts> gather_bridge(const std::string& name, const std::string& tap) {
  constexpr long kAddressSet = 3;        // NET_ADDR_SET: by somebody, so that it stays
  constexpr long kTicksPerSecond = 100;  // USER_HZ, in which /sys tells times
  const auto link = find_link(name);
  if (!link) return std::nullopt;
  BridgeFacts facts;
  facts.ifindex = link->ifindex;
  facts.kind = link->kind;
  facts.mac = link->mac;
  facts.is_up = link->is_up;
  facts.accepts_ra = accepts_ra(name);
  const auto device = find_sys(name, link->ifindex);
  if (!device || link->kind != "bridge") return facts;
  const fs::path bridge = *device / "bridge";
  if (const auto assigned = read_number(*device / "addr_assign_type")) facts.mac_pinned = *assigned == kAddressSet;
  facts.spanning_tree = read_flag(bridge / "stp_state");
  facts.vlan_filtering = read_flag(bridge / "vlan_filtering");
  if (const auto ticks = read_number(bridge / "ageing_time"))
    facts.ageing = std::chrono::seconds{*ticks / kTicksPerSecond};
  const auto all = read_flag("/proc/sys/net/bridge/bridge-nf-call-iptables");
  const auto own = read_flag(bridge / "nf_call_iptables");
  if (all || own) facts.calls_iptables = all.value_or(false) || own.value_or(false);
  facts.ports = gather_ports(*device, tap);
  return facts;
}

std::vector<std::string> default_links_v4(std::string_view table) {
  constexpr const char* kZero = "00000000";
  std::vector<std::string> links;
  std::istringstream lines{std::string{table}};
  for (std::string line; std::getline(lines, line);) {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask …
    const auto words = words_of(line);
    if (words.size() >= 8 && words[1] == kZero && words[7] == kZero) links.push_back(words[0]);
  }
  return links;
}

std::vector<std::string> default_links_v6(std::string_view table) {
  std::vector<std::string> links;
  std::istringstream lines{std::string{table}};
  for (std::string line; std::getline(lines, line);) {
    // destination length source length next-hop metric references use flags link; "unreachable" stands at lo
    const auto words = words_of(line);
    if (words.size() == 10 && words[0] == std::string(32, '0') && words[1] == "00" && words[9] != "lo") {
      links.push_back(words[9]);
    }
  }
  return links;
}

std::vector<UnderlayLink> gather_underlay(const std::vector<Prefix>& subnets,
                                          const std::vector<std::string>& excluded) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) < 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{list, &::freeifaddrs};
  std::map<std::string, UnderlayLink> links;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const auto ip = to_ip(entry->ifa_addr);
    const bool is_up = (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0;
    if (!ip || !is_up || contains(excluded, entry->ifa_name) || ip->is_link_local() || ip->is_loopback()) continue;
    const bool is_inside =
        std::any_of(subnets.begin(), subnets.end(), [&ip](const Prefix& subnet) { return subnet.contains(*ip); });
    if (!is_inside) links[entry->ifa_name].addresses.push_back(*ip);
  }
  const auto defaults_v4 = default_links_v4(read_table("/proc/net/route"));
  const auto defaults_v6 = default_links_v6(read_table("/proc/net/ipv6_route"));
  const fs::path settings = "/proc/sys/net/ipv4/conf";
  const long filter_all = read_number(settings / "all/rp_filter").value_or(0);
  std::vector<UnderlayLink> found;
  for (auto& [name, link] : links) {
    link.name = name;
    if (const auto device = find_link(name)) link.mtu = device->mtu;
    link.has_default_v4 = contains(defaults_v4, name);
    link.has_default_v6 = contains(defaults_v6, name);
    // The larger of the two holds (ip-sysctl).
    const long filter = std::max(filter_all, read_number(settings / name / "rp_filter").value_or(0));
    link.reverse_path_filter = static_cast<int>(filter);
    found.push_back(std::move(link));
  }
  return found;
}

}  // namespace rove
