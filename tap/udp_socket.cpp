#include "tap/udp_socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "tap/underlay_address.h"

namespace rove {
namespace {

// 8 MB hold 60 ms at 1 Gb/s: the longest that a busy host keeps a thread from its processor.
constexpr int kSocketBuffer = 8 << 20;
// The distance of two receive buffers: an odd number of cache lines, so that the datagrams' fronts, which are read
// first, do not all fall into the same few sets of the cache.
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kStride = (kDatagramSizeMax / kCacheLine | 1) * kCacheLine + 2 * kCacheLine;
static_assert(kStride >= kDatagramSizeMax && (kStride / kCacheLine) % 2 == 1);

// Large buffers need CAP_NET_ADMIN; without it the system's limit (net.core.rmem_max) is as much as there is.
void enlarge_buffer(int fd, int forced, int plain) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kSocketBuffer, sizeof kSocketBuffer) < 0) {
    check_syscall("set the buffers of a UDP socket",
                  setsockopt(fd, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer));
  }
}

void set_option(int fd, int level, int name, int value) {
  check_syscall("set an option of a UDP socket", setsockopt(fd, level, name, &value, sizeof value));
}

// An ICMP error about an earlier datagram is reported to the next call, which then sends nothing.
bool is_pending_icmp(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EPROTO || error == EINTR;
}

// The buffer is full: the network is slower than we are, and every further datagram of the batch would fail as well.
bool is_congestion(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

[[noreturn]] void throw_bind_error(const Endpoint& local, int error) {
  const std::string attempt = "bind UDP " + to_string(local);
  switch (error) {
    case EADDRINUSE:
      throw_system_error(attempt, error,
                         "another program has this port; choose another one with `listen` in the configuration or "
                         "`rove up --listen`");
    case EADDRNOTAVAIL:
      throw_system_error(attempt, error,
                         "no such address on this host; change `listen` in the configuration or `rove up --listen`");
    case EACCES:
      throw_system_error(attempt, error,
                         "ports below 1024 need root; choose another one with `listen` in the configuration or "
                         "`rove up --listen`");
    default: throw std::system_error(error, std::generic_category(), attempt);
  }
}

}  // namespace

struct UdpSocket::Impl {
  explicit Impl(FileDescriptor descriptor);

  FileDescriptor fd;
  std::unique_ptr<std::uint8_t[]> memory;
  std::array<sockaddr_in6, kUdpBatch> senders{};
  std::array<iovec, kUdpBatch> receive_parts{};
  std::array<mmsghdr, kUdpBatch> receive_messages{};
  std::vector<Received> received;
  std::array<SocketAddress, kUdpBatch> receivers{};
  std::array<iovec, kUdpBatch> send_parts{};
  std::array<mmsghdr, kUdpBatch> send_messages{};
};

UdpSocket::Impl::Impl(FileDescriptor descriptor)
    : fd(std::move(descriptor)), memory(std::make_unique<std::uint8_t[]>(kUdpBatch * kStride)) {
  received.reserve(kUdpBatch);
  for (std::size_t i = 0; i < kUdpBatch; ++i) {
    receive_parts[i] = {memory.get() + i * kStride, kDatagramSizeMax};
    receive_messages[i].msg_hdr.msg_name = &senders[i];
    receive_messages[i].msg_hdr.msg_iov = &receive_parts[i];
    receive_messages[i].msg_hdr.msg_iovlen = 1;
    send_messages[i].msg_hdr.msg_iov = &send_parts[i];
    send_messages[i].msg_hdr.msg_iovlen = 1;
  }
}

UdpSocket::UdpSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UdpSocket::~UdpSocket() = default;
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;

UdpSocket UdpSocket::bind(const Endpoint& local) {
  const bool v4 = local.address.is_v4();
  FileDescriptor fd{socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) throw_bind_error(local, errno);
  enlarge_buffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF);
  enlarge_buffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF);
  if (v4) {
    set_option(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  } else {
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
  }
  const SocketAddress address = to_socket_address(local);
  if (::bind(fd.get(), address.data(), address.size) < 0) throw_bind_error(local, errno);
  return UdpSocket{std::make_unique<Impl>(std::move(fd))};
}

std::span<UdpSocket::Received> UdpSocket::receive() {
  Impl& impl = *impl_;
  impl.received.clear();
  for (mmsghdr& message : impl.receive_messages) message.msg_hdr.msg_namelen = sizeof(sockaddr_in6);
  const int count = recvmmsg(impl.fd.get(), impl.receive_messages.data(), kUdpBatch, 0, nullptr);
  // Errors are EAGAIN, EINTR or a pending ICMP error, which this call has taken away: nothing to read now.
  for (int i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const mmsghdr& message = impl.receive_messages[index];
    const auto from = to_endpoint(impl.senders[index]);
    if (!from || (message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    impl.received.push_back({*from, MutableBytes{impl.memory.get() + index * kStride, message.msg_len}});
  }
  return impl.received;
}

std::size_t UdpSocket::send(std::span<const DatagramBatch::Slot> slots) {
  Impl& impl = *impl_;
  std::size_t sent = 0;
  while (!slots.empty()) {
    const std::size_t batch = std::min(slots.size(), kUdpBatch);
    for (std::size_t i = 0; i < batch; ++i) {
      impl.receivers[i] = to_socket_address(slots[i].to);
      impl.send_messages[i].msg_hdr.msg_name = impl.receivers[i].data();
      impl.send_messages[i].msg_hdr.msg_namelen = impl.receivers[i].size;
      impl.send_parts[i] = {slots[i].data, slots[i].size};
    }
    bool retried = false;
    for (std::size_t next = 0; next < batch;) {
      const int count = sendmmsg(impl.fd.get(), &impl.send_messages[next], static_cast<unsigned>(batch - next), 0);
      if (count > 0) {
        next += static_cast<std::size_t>(count);
        sent += static_cast<std::size_t>(count);
        retried = false;
      } else if (is_congestion(errno)) {
        return sent;
      } else if (is_pending_icmp(errno) && !retried) {
        retried = true;
      } else {
        ++next;
        retried = false;
      }
    }
    slots = slots.subspan(batch);
  }
  return sent;
}

bool UdpSocket::send_one(const Endpoint& to, BytesView datagram) {
  const SocketAddress address = to_socket_address(to);
  const auto attempt = [&] {
    return sendto(impl_->fd.get(), datagram.data(), datagram.size(), 0, address.data(), address.size) >= 0;
  };
  return attempt() || (is_pending_icmp(errno) && attempt());
}

Endpoint UdpSocket::local() const {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  check_syscall("getsockname", getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &size));
  return to_endpoint(address).value_or(Endpoint{});
}

int UdpSocket::fd() const {
  return impl_->fd.get();
}

std::uint64_t UdpSocket::kernel_drops() const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd(), SOL_SOCKET, SO_MEMINFO, info.data(), &size) < 0) return 0;
  return info[SK_MEMINFO_DROPS];
}

UdpSocket* UdpSocketPair::find(IpAddress::Family family) {
  std::optional<UdpSocket>& socket = family == IpAddress::Family::V4 ? v4 : v6;
  return socket ? &*socket : nullptr;
}

std::size_t UdpSocketPair::send(std::span<const DatagramBatch::Slot> slots) {
  std::size_t sent = 0;
  while (!slots.empty()) {
    const IpAddress::Family family = slots.front().to.address.family();
    std::size_t run = 1;
    while (run < slots.size() && slots[run].to.address.family() == family) ++run;
    if (UdpSocket* socket = find(family)) sent += socket->send(slots.first(run));
    slots = slots.subspan(run);
  }
  return sent;
}

}  // namespace rove
