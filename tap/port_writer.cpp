#include "tap/port_writer.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/uio.h>
// The kernel's headers go last: libc's keep them from defining the same types.
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <array>
#include <cerrno>

#include "tap/vnet_header.h"

namespace rove {

// Protocol 0: it receives nothing.
PortWriter::PortWriter()
    : fd_(check_syscall("open a packet socket", socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))) {
  const int on = 1;
  check_syscall("packet socket PACKET_VNET_HDR", setsockopt(fd_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on));
}

bool PortWriter::write(unsigned ifindex, BytesView frame, bool needs_checksum) {
  auto header = make_vnet_header(frame, needs_checksum);
  if (!header) return false;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);  // the kernel takes it from the frame
  address.sll_ifindex = static_cast<int>(ifindex);
  std::array<iovec, 2> parts{
      {{&*header, sizeof *header}, {const_cast<std::uint8_t*>(frame.data()), frame.size()}}};  // sendmsg() only reads
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t size = -1;
  do {
    size = sendmsg(fd_.get(), &message, 0);
  } while (size < 0 && errno == EINTR);
  return size == static_cast<ssize_t>(frame.size() + sizeof *header);
}

}  // namespace rove
