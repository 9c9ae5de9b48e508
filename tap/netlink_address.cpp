#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "tap/netlink.h"
#include "tap/rtnetlink.h"

namespace rove {
namespace {

void dump(NetlinkSocket& socket, NetlinkRequest& request, std::string_view what,
          const std::function<void(const NetlinkMessage&)>& visit) {
  const int error = socket.dump(request, visit);
  if (error != 0) throw std::system_error(error, std::generic_category(), "list this host's " + std::string{what});
}

// Links that are up and not loopback.
std::set<unsigned> usable_links(NetlinkSocket& socket) {
  std::set<unsigned> links;
  NetlinkRequest request{RTM_GETLINK, NLM_F_DUMP};
  request.header(ifinfomsg{});
  dump(socket, request, "links", [&links](const NetlinkMessage& message) {
    const auto head = load_native<ifinfomsg>(message.payload);
    if (head && (head->ifi_flags & IFF_UP) != 0 && (head->ifi_flags & IFF_LOOPBACK) == 0) {
      links.insert(static_cast<unsigned>(head->ifi_index));
    }
  });
  return links;
}

// Links that a default route of the main table leads through.
std::set<unsigned> default_route_links(NetlinkSocket& socket) {
  std::set<unsigned> links;
  NetlinkRequest request{RTM_GETROUTE, NLM_F_DUMP};
  request.header(rtmsg{});
  dump(socket, request, "routes", [&links](const NetlinkMessage& message) {
    const auto head = load_native<rtmsg>(message.payload);
    if (!head || head->rtm_dst_len != 0 || head->rtm_table != RT_TABLE_MAIN || head->rtm_type != RTN_UNICAST) return;
    const auto link = find_attribute_as<std::uint32_t>(attributes_after<rtmsg>(message), RTA_OIF);
    if (link) links.insert(*link);
  });
  return links;
}

struct HostAddress {
  IpAddress ip;
  unsigned link = 0;
};

std::optional<HostAddress> parse_address(const NetlinkMessage& message) {
  constexpr std::uint32_t kUnusable = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
  const auto head = load_native<ifaddrmsg>(message.payload);
  if (!head || message.type != RTM_NEWADDR || head->ifa_scope != RT_SCOPE_UNIVERSE) return std::nullopt;
  const BytesView attributes = attributes_after<ifaddrmsg>(message);
  const std::uint32_t flags = find_attribute_as<std::uint32_t>(attributes, IFA_FLAGS).value_or(head->ifa_flags);
  if ((flags & kUnusable) != 0) return std::nullopt;
  // IFA_F_SECONDARY is IFA_F_TEMPORARY for IPv6, where such an address lives for a day at most.
  if (head->ifa_family == AF_INET6 && (flags & IFA_F_TEMPORARY) != 0) return std::nullopt;
  auto bytes = find_attribute(attributes, IFA_LOCAL);
  if (!bytes) bytes = find_attribute(attributes, IFA_ADDRESS);  // of a point-to-point link the peer's
  if (!bytes) return std::nullopt;
  if (head->ifa_family == AF_INET && bytes->size() == 4)
    return HostAddress{IpAddress::v4(bytes->data()), head->ifa_index};
  if (head->ifa_family == AF_INET6 && bytes->size() == 16)
    return HostAddress{IpAddress::v6(bytes->data()), head->ifa_index};
  return std::nullopt;
}

}  // namespace

struct AddressMonitor::Impl {
  NetlinkSocket socket{RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
  std::vector<NetlinkMessage> messages;
};

AddressMonitor::AddressMonitor() : impl_(std::make_unique<Impl>()) {}
AddressMonitor::~AddressMonitor() = default;
AddressMonitor::AddressMonitor(AddressMonitor&&) noexcept = default;
AddressMonitor& AddressMonitor::operator=(AddressMonitor&&) noexcept = default;

int AddressMonitor::fd() const {
  return impl_->socket.fd();
}

bool AddressMonitor::poll_changed() {
  bool changed = false;
  while (true) {
    const NetlinkSocket::Received received = impl_->socket.receive(impl_->messages);
    if (received == NetlinkSocket::Received::Nothing) return changed;
    if (received == NetlinkSocket::Received::Overflow) changed = true;
    for (const NetlinkMessage& message : impl_->messages) {
      // A bridge speaks of its ports in messages of its own family: nothing that moves an address.
      const bool of_bridge = !message.payload.empty() && message.payload[0] == AF_BRIDGE;
      changed = changed || !of_bridge;
    }
  }
}

std::vector<IpAddress> underlay_addresses(const std::vector<Prefix>& excluded,
                                          const std::vector<unsigned>& excluded_links) {
  NetlinkSocket socket;
  std::set<unsigned> links = usable_links(socket);
  for (const unsigned link : excluded_links) links.erase(link);
  const std::set<unsigned> default_links = default_route_links(socket);

  std::vector<HostAddress> found;
  NetlinkRequest request{RTM_GETADDR, NLM_F_DUMP};
  request.header(ifaddrmsg{});
  dump(socket, request, "addresses", [&](const NetlinkMessage& message) {
    const auto address = parse_address(message);
    if (!address || links.count(address->link) == 0) return;
    const IpAddress& ip = address->ip;
    if (ip.is_unspecified() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast()) return;
    const auto holds_ip = [&ip](const Prefix& prefix) { return prefix.contains(ip); };
    if (std::none_of(excluded.begin(), excluded.end(), holds_ip)) found.push_back(*address);
  });
  const auto rank = [&default_links](const HostAddress& address) {
    return std::tuple(address.ip.family(), default_links.count(address.link) == 0, address.link, address.ip);
  };
  std::sort(found.begin(), found.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });

  std::vector<IpAddress> addresses;
  for (const HostAddress& address : found) {
    if (addresses.empty() || addresses.back() != address.ip) addresses.push_back(address.ip);
  }
  return addresses;
}

}  // namespace rove
