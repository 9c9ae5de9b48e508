#include "tap/port_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
// The kernel's headers go last: libc's keep them from defining the same types.
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/wire/ethernet.h"
#include "core/wire/transport.h"
#include "tap/vnet_header.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000  // in linux/if.h, which libc's net/if.h excludes
#endif

namespace rove {
namespace {

// Frames that come while the capture thread rests; the kernel counts about 2.3 KB for one of 1,500.
constexpr int kReceiveBuffer = 4 << 20;
constexpr std::size_t kTagSize = 4;  // 802.1Q
constexpr int kDownTold = 3;
constexpr std::size_t kBufferSize = sizeof(VnetHeader) + kTagSize + kSuperframeSizeMax + 1;

// Only what goes out to the VM: what the VM sends would cost as much again.
//
// The type of a packet is PACKET_OUTGOING when the host's stack hands it to the device.
std::array<sock_filter, 4> outgoing_only() {
  return {{{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)},
           {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
           {BPF_RET | BPF_K, 0, 0, kSuperframeSizeMax + 1},  // a larger one is recognized, and not kept
           {BPF_RET | BPF_K, 0, 0, 0}}};
}

template <typename T>
void set_option(int fd, int level, int option, const T& value, std::string_view what) {
  check_syscall(what, setsockopt(fd, level, option, &value, sizeof value));
}

// Of a frame to that MAC.
std::array<sock_filter, 6> destined_for(const MacAddress& mac) {
  const auto& octets = mac.octets;
  const std::uint32_t first = static_cast<std::uint32_t>(octets[0]) << 24 |
                              static_cast<std::uint32_t>(octets[1]) << 16 | static_cast<std::uint32_t>(octets[2]) << 8 |
                              octets[3];
  const std::uint32_t rest = static_cast<std::uint32_t>(octets[4]) << 8 | octets[5];
  return {{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
           {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, first},
           {BPF_LD | BPF_H | BPF_ABS, 0, 0, 4},
           {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, rest},
           {BPF_RET | BPF_K, 0, 0, kFrameSizeMax + 1},
           {BPF_RET | BPF_K, 0, 0, 0}}};
}

// The VLAN tag that the kernel keeps beside the frame, if there is one.
std::optional<std::array<std::uint8_t, kTagSize>> find_tag(msghdr& message) {
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_PACKET || head->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data{};
    std::memcpy(&data, CMSG_DATA(head), sizeof data);
    if ((data.tp_status & TP_STATUS_VLAN_VALID) == 0) return std::nullopt;
    const bool known = (data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
    std::array<std::uint8_t, kTagSize> tag{};
    store_be(tag.data(), known ? data.tp_vlan_tpid : static_cast<std::uint16_t>(ETH_P_8021Q));
    store_be(tag.data() + 2, data.tp_vlan_tci);
    return tag;
  }
  return std::nullopt;
}

FileDescriptor open_packet_socket() {
  // Protocol 0: nothing comes before the filter stands and the socket is bound.
  FileDescriptor fd{
      check_syscall("open a packet socket", socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  set_option(fd.get(), SOL_PACKET, PACKET_VNET_HDR, 1, "packet socket PACKET_VNET_HDR");
  set_option(fd.get(), SOL_PACKET, PACKET_AUXDATA, 1, "packet socket PACKET_AUXDATA");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0) {
    set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer, "packet socket SO_RCVBUF");
  }
  return fd;
}

void attach_filter(int fd, std::span<sock_filter> code) {
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, "filter a packet socket");
}

// 0: to all devices.
void bind_packet_socket(int fd, unsigned ifindex) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(ifindex);
  check_syscall("bind a packet socket", bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

struct Packet {
  PortFrame frame;  // empty: too large, or a superframe of a kind that is unknown
  std::optional<std::array<std::uint8_t, kTagSize>> tag;
  sockaddr_ll place{};
};

// nullopt: nothing is there.
std::optional<Packet> receive_packet(int fd, Bytes& buffer) {
  constexpr std::size_t kHead = sizeof(VnetHeader);
  Packet packet;
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
  msghdr message{};
  message.msg_name = &packet.place;
  message.msg_namelen = sizeof packet.place;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  // ENETDOWN tells once, before what is queued still, that the device went down or away: both can be under way.
  int told = 0;
  ssize_t size = -1;
  do {
    size = recvmsg(fd, &message, 0);
  } while (size < 0 && (errno == EINTR || (errno == ENETDOWN && ++told <= kDownTold)));
  if (size < 0) return std::nullopt;
  if (static_cast<std::size_t>(size) < kHead) return packet;
  VnetHeader header;
  std::memcpy(&header, buffer.data(), kHead);
  const TapOffload offload = offload_of(header);
  const bool large = header.gso_type != 0;
  if (large && offload.segment_size == 0) return packet;
  if (static_cast<std::size_t>(size) - kHead > (large ? kSuperframeSizeMax : kFrameSizeMax)) return packet;
  packet.frame = {.frame = {buffer.begin() + kHead, buffer.begin() + size},
                  .needs_checksum = offload.needs_checksum,
                  .segment_size = offload.segment_size};
  packet.tag = find_tag(message);
  return packet;
}

// How many the socket's buffer had no room for since the last call.
std::uint64_t take_drops(int fd) {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0 ? stats.tp_drops : 0;
}

}  // namespace

std::optional<PortLink> port_link_of(const NetlinkMessage& message) {
  const auto head = load_native<ifinfomsg>(message.payload);
  const BytesView attributes = attributes_after<ifinfomsg>(message);
  const auto info = find_attribute(attributes, IFLA_LINKINFO);
  const auto stats = find_attribute_as<rtnl_link_stats64>(attributes, IFLA_STATS64);
  if (!head || !info || !stats || find_text(*info, IFLA_INFO_KIND) != "tun") return std::nullopt;
  return PortLink{find_text(attributes, IFLA_IFNAME),
                  {stats->tx_packets, stats->tx_dropped},
                  (head->ifi_flags & IFF_LOWER_UP) != 0};
}

std::optional<PortLink> find_port_link(NetlinkSocket& netlink, unsigned ifindex) {
  ifinfomsg head{};
  head.ifi_index = static_cast<int>(ifindex);
  NetlinkRequest request{RTM_GETLINK, 0};
  request.header(head);
  const std::uint32_t sequence = netlink.send(request);
  std::vector<NetlinkMessage> messages;
  while (true) {
    if (netlink.receive(messages) == NetlinkSocket::Received::Overflow) return std::nullopt;
    for (const NetlinkMessage& message : messages) {
      if (message.sequence != sequence) continue;
      return message.type == RTM_NEWLINK ? port_link_of(message) : std::nullopt;
    }
  }
}

PortCounterReader::PortCounterReader()
    : fd_(check_syscall("open /proc/thread-self/net/dev", open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC))) {}

void PortCounterReader::read() {
  constexpr std::size_t kChunk = 16384;
  text_.clear();
  ssize_t size = 0;
  do {
    const std::size_t before = text_.size();
    text_.resize(before + kChunk);
    size = pread(fd_.get(), text_.data() + before, kChunk, static_cast<off_t>(before));
    text_.resize(before + (size > 0 ? static_cast<std::size_t>(size) : 0));
  } while (size > 0 || (size < 0 && errno == EINTR));
}

// Two lines of headings, then "  name: " and 16 numbers: received bytes, packets, errors, drops, … ×8, then sent ones
// (net/core/net-procfs.c).
std::optional<PortCounters> PortCounterReader::find(const std::string& name) const {
  constexpr std::size_t kSentPackets = 9;
  constexpr std::size_t kSentDrops = 11;
  std::size_t at = 0;
  while (at < text_.size()) {
    const std::size_t end = std::min(text_.find('\n', at), text_.size());
    const std::string_view line{text_.data() + at, end - at};
    at = end + 1;
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos || line.compare(begin, name.size() + 1, name + ":") != 0) continue;
    std::array<std::uint64_t, 16> numbers{};
    const char* rest = line.data() + begin + name.size() + 1;
    for (std::uint64_t& number : numbers) {
      while (rest < line.data() + line.size() && *rest == ' ') ++rest;
      const auto parsed = std::from_chars(rest, line.data() + line.size(), number);
      if (parsed.ec != std::errc{}) return std::nullopt;
      rest = parsed.ptr;
    }
    return PortCounters{numbers[kSentPackets], numbers[kSentDrops]};
  }
  return std::nullopt;
}

PortSocket::PortSocket(unsigned ifindex) : fd_(open_packet_socket()), buffer_(kBufferSize) {
  auto code = outgoing_only();
  attach_filter(fd(), code);
  bind_packet_socket(fd(), ifindex);
}

std::uint64_t PortSocket::read(const std::function<void(PortFrame frame)>& visit) {
  while (auto packet = receive_packet(fd(), buffer_)) {
    constexpr std::size_t kAddresses = 12;
    Bytes& frame = packet->frame.frame;
    if (packet->tag && frame.size() > kAddresses) {
      frame.insert(frame.begin() + kAddresses, packet->tag->begin(), packet->tag->end());
    }
    visit(std::move(packet->frame));
  }
  return take_drops(fd());
}

TransitSocket::TransitSocket(const MacAddress& destination) : fd_(open_packet_socket()), buffer_(kBufferSize) {
  auto code = destined_for(destination);
  attach_filter(fd_.get(), code);
  bind_packet_socket(fd_.get(), 0);
}

std::uint64_t TransitSocket::read(const std::function<void(Frame frame)>& visit) {
  while (auto packet = receive_packet(fd_.get(), buffer_)) {
    bool whole = !packet->frame.frame.empty() && !packet->tag && packet->frame.segment_size == 0;
    if (whole && packet->frame.needs_checksum) whole = complete_checksum(packet->frame.frame) && whole;
    packet->frame.needs_checksum = false;
    visit({static_cast<unsigned>(packet->place.sll_ifindex), packet->place.sll_pkttype == PACKET_OUTGOING, whole,
           std::move(packet->frame)});
  }
  return take_drops(fd_.get());
}

std::set<unsigned> find_bridge_ports(NetlinkSocket& netlink, unsigned port) {
  std::map<unsigned, std::uint32_t> bridges;  // by port
  ifinfomsg head{};
  head.ifi_family = AF_BRIDGE;  // ports only
  NetlinkRequest request{RTM_GETLINK, NLM_F_DUMP};
  request.header(head);
  const int error = netlink.dump(request, [&bridges](const NetlinkMessage& message) {
    const auto link = load_native<ifinfomsg>(message.payload);
    const auto bridge = find_attribute_as<std::uint32_t>(attributes_after<ifinfomsg>(message), IFLA_MASTER);
    if (link && bridge) bridges[static_cast<unsigned>(link->ifi_index)] = *bridge;
  });
  std::set<unsigned> ports;
  const auto own = bridges.find(port);
  if (error != 0 || own == bridges.end()) return ports;
  for (const auto& [ifindex, bridge] : bridges) {
    if (bridge == own->second) ports.insert(ifindex);
  }
  return ports;
}

}  // namespace rove
