#include "tap/links.h"

#include <fcntl.h>
#include <netinet/in.h>
// netinet/in.h goes first: it keeps the kernel's headers from defining the same types.
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tap/file_descriptor.h"
#include "tap/rtnetlink.h"

namespace rove {
namespace {

constexpr std::string_view kPrivileges = "run as root or give the process CAP_NET_ADMIN";
constexpr std::uint8_t kRouterPortAlways = 2;  // MDB_RTR_TYPE_PERM: a port that gets all multicast

void change(NetlinkRequest& request, const std::string& attempt) {
  NetlinkSocket socket;
  const int error = socket.change(request);
  if (error == EPERM || error == EACCES) throw_system_error(attempt, error, kPrivileges);
  if (error != 0) throw std::system_error(error, std::generic_category(), attempt);
}

ifinfomsg head_of(const Link& link, unsigned char family = AF_UNSPEC) {
  ifinfomsg head{};
  head.ifi_family = family;
  head.ifi_index = static_cast<int>(link.ifindex);
  return head;
}

NetlinkRequest change_of(const Link& link) {
  NetlinkRequest request{RTM_NEWLINK, NLM_F_ACK};
  request.header(head_of(link));
  return request;
}

// False when there is no such setting (no IPv6) or /proc/sys is read-only (a container).
bool set_sysctl(const std::string& path, char value) {
  const FileDescriptor fd{open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC)};
  return fd && write(fd.get(), &value, 1) == 1;
}

}  // namespace

std::optional<Link> find_link(const std::string& name) {
  NetlinkSocket socket;
  NetlinkRequest request{RTM_GETLINK, 0};
  request.header(ifinfomsg{}).add_text(IFLA_IFNAME, name);
  const std::uint32_t sequence = socket.send(request);
  std::vector<NetlinkMessage> messages;
  while (true) {
    if (socket.receive(messages) == NetlinkSocket::Received::Overflow) return std::nullopt;
    for (const NetlinkMessage& message : messages) {
      if (message.sequence != sequence) continue;
      const auto head = load_native<ifinfomsg>(message.payload);
      if (message.type != RTM_NEWLINK || !head) return std::nullopt;
      const BytesView attributes = attributes_after<ifinfomsg>(message);
      Link link;
      link.ifindex = static_cast<unsigned>(head->ifi_index);
      link.kind = find_text(find_attribute(attributes, IFLA_LINKINFO).value_or(BytesView{}), IFLA_INFO_KIND);
      link.mtu = find_attribute_as<std::uint32_t>(attributes, IFLA_MTU).value_or(0);
      link.is_up = (head->ifi_flags & IFF_UP) != 0;
      link.master = find_attribute_as<std::uint32_t>(attributes, IFLA_MASTER).value_or(0);
      const auto mac = find_attribute(attributes, IFLA_ADDRESS);
      if (mac && mac->size() == 6) link.mac = MacAddress::from_bytes(mac->data());
      return link;
    }
  }
}

Link create_bridge(const std::string& name, const MacAddress& mac, std::size_t mtu) {
  NetlinkRequest request{RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL};
  request.header(ifinfomsg{})
      .add_text(IFLA_IFNAME, name)
      .add(IFLA_MTU, static_cast<std::uint32_t>(mtu))
      .add_bytes(IFLA_ADDRESS, mac.octets)
      .begin(IFLA_LINKINFO)
      .add_text(IFLA_INFO_KIND, "bridge")
      .begin(IFLA_INFO_DATA)
      .add(IFLA_BR_FORWARD_DELAY, std::uint32_t{0})
      .add(IFLA_BR_STP_STATE, std::uint32_t{0})
      .end()
      .end();
  change(request, "create the bridge " + name);
  const auto link = find_link(name);
  if (!link) throw std::system_error(ENODEV, std::generic_category(), "find the bridge " + name);
  // A setting of its own: kernels without IGMP snooping refuse it, and need it not.
  NetlinkRequest flood{RTM_NEWLINK, NLM_F_ACK};
  flood.header(head_of(*link))
      .begin(IFLA_LINKINFO)
      .add_text(IFLA_INFO_KIND, "bridge")
      .begin(IFLA_INFO_DATA)
      .add(IFLA_BR_MCAST_SNOOPING, std::uint8_t{0})
      .end()
      .end();
  NetlinkSocket socket;
  static_cast<void>(socket.change(flood));
  silence_ipv6(*link, name);
  return *link;
}

void set_link_mac(const Link& link, const std::string& name, const MacAddress& mac) {
  NetlinkRequest request = change_of(link);
  request.add_bytes(IFLA_ADDRESS, mac.octets);
  change(request, "set the MAC address of " + name);
}

void set_link_up(const Link& link, const std::string& name, std::size_t mtu) {
  ifinfomsg head = head_of(link);
  head.ifi_flags = IFF_UP;
  head.ifi_change = IFF_UP;
  NetlinkRequest request{RTM_NEWLINK, NLM_F_ACK};
  request.header(head);
  if (mtu != 0) request.add(IFLA_MTU, static_cast<std::uint32_t>(mtu));
  change(request, "set " + name + " up");
}

void silence_ipv6(const Link& link, const std::string& name) {
  NetlinkRequest request = change_of(link);
  request.begin(IFLA_AF_SPEC)
      .begin(AF_INET6)
      .add(IFLA_INET6_ADDR_GEN_MODE, static_cast<std::uint8_t>(IN6_ADDR_GEN_MODE_NONE))
      .end()
      .end();
  NetlinkSocket socket;
  // EAFNOSUPPORT: a kernel without IPv6 has nothing to silence.
  static_cast<void>(socket.change(request));
  set_sysctl("net/ipv6/conf/" + name + "/accept_ra", '0');
}

void disable_ipv6(const std::string& name) {
  set_sysctl("net/ipv6/conf/" + name + "/disable_ipv6", '1');
}

void attach_to_bridge(const Link& port, const std::string& port_name, const Link& bridge,
                      const std::string& bridge_name) {
  const std::string attempt = "attach " + port_name + " to the bridge " + bridge_name;
  NetlinkRequest join = change_of(port);
  join.add(IFLA_MASTER, std::uint32_t{bridge.ifindex});
  change(join, attempt);

  NetlinkRequest options{RTM_SETLINK, NLM_F_ACK};
  options.header(head_of(port, AF_BRIDGE))
      .begin(IFLA_PROTINFO)
      .add(IFLA_BRPORT_LEARNING, std::uint8_t{1})
      .add(IFLA_BRPORT_UNICAST_FLOOD, std::uint8_t{1})
      .add(IFLA_BRPORT_MCAST_FLOOD, std::uint8_t{1})
      .add(IFLA_BRPORT_BCAST_FLOOD, std::uint8_t{1})
      .end();
  change(options, attempt);

  // A bridge that snoops IGMP and MLD would keep ND for VMs elsewhere from the TAP. Kernels without snooping refuse
  // this, and need it not.
  NetlinkRequest multicast{RTM_SETLINK, NLM_F_ACK};
  multicast.header(head_of(port, AF_BRIDGE))
      .begin(IFLA_PROTINFO)
      .add(IFLA_BRPORT_MULTICAST_ROUTER, kRouterPortAlways)
      .end();
  NetlinkSocket socket;
  static_cast<void>(socket.change(multicast));
}

}  // namespace rove
