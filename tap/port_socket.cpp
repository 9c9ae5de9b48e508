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
#include <string_view>
#include <system_error>
#include <vector>

#include "core/wire/ethernet.h"
#include "tap/checksum_place.h"
#include "tap/vnet_header.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000  // in linux/if.h, which libc's net/if.h excludes
#endif

namespace rove {
namespace {

// Frames that come while the capture thread rests; the kernel counts about 2.3 KB for one of 1,500.
constexpr int kReceiveBuffer = 4 << 20;
constexpr std::size_t kTagSize = 4;  // 802.1Q

// Only what goes out to the VM: what the VM sends would cost as much again.
//
// The type of a packet is PACKET_OUTGOING when the host's stack hands it to the device.
std::array<sock_filter, 4> outgoing_only() {
  return {{{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)},
           {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PACKET_OUTGOING},
           {BPF_RET | BPF_K, 0, 0, kFrameSizeMax + 1},  // a larger one is recognized, and not kept
           {BPF_RET | BPF_K, 0, 0, 0}}};
}

template <typename T>
void set_option(int fd, int level, int option, const T& value, std::string_view what) {
  check_syscall(what, setsockopt(fd, level, option, &value, sizeof value));
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

PortSocket::PortSocket(unsigned ifindex)
    // Protocol 0: nothing comes before the filter stands and the socket is bound.
    : fd_(check_syscall("open a packet socket", socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))),
      buffer_(sizeof(VnetHeader) + kTagSize + kFrameSizeMax + 1) {
  auto code = outgoing_only();
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  set_option(fd(), SOL_SOCKET, SO_ATTACH_FILTER, filter, "filter a packet socket");
  set_option(fd(), SOL_PACKET, PACKET_VNET_HDR, 1, "packet socket PACKET_VNET_HDR");
  set_option(fd(), SOL_PACKET, PACKET_AUXDATA, 1, "packet socket PACKET_AUXDATA");
  if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0) {
    set_option(fd(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer, "packet socket SO_RCVBUF");
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(ifindex);
  check_syscall("bind a packet socket", bind(fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

std::uint64_t PortSocket::read(const std::function<void(PortFrame frame)>& visit) {
  constexpr std::size_t kHead = sizeof(VnetHeader);
  while (true) {
    iovec part{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd(), &message, 0);
    if (size < 0 && errno == EINTR) continue;
    // ENETDOWN and ENXIO tell once that the device went; what was queued before is read first.
    if (size < 0) break;
    VnetHeader header;
    std::memcpy(&header, buffer_.data(), kHead);
    const std::size_t length = static_cast<std::size_t>(size) - kHead;
    if (static_cast<std::size_t>(size) < kHead || length > kFrameSizeMax || header.gso_type != 0) {
      visit({});
      continue;
    }
    PortFrame frame{{buffer_.begin() + kHead, buffer_.begin() + size}, (header.flags & kVnetNeedsChecksum) != 0};
    constexpr std::size_t kAddresses = 12;
    if (const auto tag = find_tag(message); tag && frame.frame.size() > kAddresses) {
      frame.frame.insert(frame.frame.begin() + kAddresses, tag->begin(), tag->end());
    }
    visit(std::move(frame));
  }
  tpacket_stats stats{};
  socklen_t stats_size = sizeof stats;
  // Reading them sets them to zero.
  return getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &stats, &stats_size) == 0 ? stats.tp_drops : 0;
}

bool PortSocket::write(BytesView frame, bool needs_checksum) {
  VnetHeader header;
  if (needs_checksum) {
    const auto place = find_checksum_place(frame);
    if (!place) return false;
    header = {.flags = kVnetNeedsChecksum, .csum_start = place->start, .csum_offset = place->offset};
  }
  const std::array<iovec, 2> parts{
      {{&header, sizeof header}, {const_cast<std::uint8_t*>(frame.data()), frame.size()}}};  // writev() only reads
  ssize_t size = -1;
  do {
    size = writev(fd(), parts.data(), parts.size());
  } while (size < 0 && errno == EINTR);
  return size == static_cast<ssize_t>(frame.size() + sizeof header);
}

}  // namespace rove
