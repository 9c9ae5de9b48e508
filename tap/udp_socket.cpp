#include "tap/udp_socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "core/wire/shard.h"
#include "tap/underlay_address.h"

namespace rove {
namespace {

constexpr int kSocketBuffer = static_cast<int>(kSocketBufferWanted);
// The largest payload of a UDP datagram over IPv4, and so of what the kernel joins or cuts.
constexpr std::size_t kPieceMax = 65507;
// The distance of two receive buffers: an odd number of cache lines, so that the datagrams' fronts, which are read
// first, do not all fall into the same few sets of the cache.
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kStride = (kPieceMax / kCacheLine | 1) * kCacheLine + 2 * kCacheLine;
static_assert(kStride >= kPieceMax && (kStride / kCacheLine) % 2 == 1);
// Pieces of more octets on average are large.
constexpr std::size_t kLargePiece = 8192;
// What UDP_SEGMENT takes in one piece (Linux, UDP_MAX_SEGMENTS; 64 before Linux 6.9).
constexpr std::size_t kSegmentsPerPiece = 64;

// Large buffers need CAP_NET_ADMIN; without it the system's limit (net.core.rmem_max) is as much as there is.
void enlarge_buffer(int fd, int forced, int plain) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kSocketBuffer, sizeof kSocketBuffer) < 0) {
    check_syscall("set the buffers of a UDP socket",
                  setsockopt(fd, SOL_SOCKET, plain, &kSocketBuffer, sizeof kSocketBuffer));
  }
}

// The kernel tells twice of what it gave: half is for its own bookkeeping (socket(7)).
std::size_t buffer_size(int fd, int name) {
  int size = 0;
  socklen_t length = sizeof size;
  check_syscall("get the buffers of a UDP socket", getsockopt(fd, SOL_SOCKET, name, &size, &length));
  return static_cast<std::size_t>(size) / 2;
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

// The device below cannot cut datagrams, and never will: no checksum offload (EIO, udp(7)), or no such option.
bool is_without_segmentation(int error) {
  return error == EIO || error == EINVAL || error == EOPNOTSUPP || error == ENOPROTOOPT;
}

using ControlOctets = std::array<std::uint8_t, CMSG_SPACE(sizeof(int))>;
using SendControlOctets = std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t)) + CMSG_SPACE(sizeof(int))>;

// The usual TTL (RFC 1700); the lane of the first shard goes out with the system's own.
constexpr int kTtl = 64;

// How the kernel joined what it gives, or the size of all of it.
std::size_t joined_size(msghdr& message, std::size_t size) {
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_UDP || head->cmsg_type != UDP_GRO) continue;
    int segment = 0;
    std::memcpy(&segment, CMSG_DATA(head), sizeof segment);
    if (segment > 0) return static_cast<std::size_t>(segment);
  }
  return size;
}

// What a message asks of the kernel besides being sent.
class SendControl {
 public:
  SendControl(msghdr& message, SendControlOctets& octets) : message_(message) {
    message.msg_control = octets.data();
    message.msg_controllen = 0;
  }

  // To be cut into datagrams of so many octets.
  void ask_for_segments(std::size_t segment) { add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment)); }
  void set_ttl(int ttl) {
    const bool v4 = static_cast<const sockaddr*>(message_.msg_name)->sa_family == AF_INET;
    add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, ttl);
  }

 private:
  template <typename Value>
  void add(int level, int type, Value value) {
    auto* const head =
        reinterpret_cast<cmsghdr*>(static_cast<std::uint8_t*>(message_.msg_control) + message_.msg_controllen);
    head->cmsg_level = level;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(head), &value, sizeof value);
    message_.msg_controllen += CMSG_SPACE(sizeof value);
  }

  msghdr& message_;
};

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
  Impl(FileDescriptor descriptor, const UdpOffloads& offloads);
  static std::unique_ptr<Impl> bind(const Endpoint& local, const UdpOffloads& offloads, bool beside);

  // From `slots` on: how many go out in one piece.
  [[nodiscard]] std::size_t run_of(std::span<const DatagramBatch::Slot> slots) const;
  // Fills the next messages; returns how many. `segments` says how many datagrams each has.
  std::size_t fill_messages(std::span<const DatagramBatch::Slot> slots);
  std::size_t send_singly(std::span<const DatagramBatch::Slot> slots);

  FileDescriptor fd;
  std::atomic<bool> segmentation;
  const bool can_coalesce;
  std::atomic<bool> coalescing;
  std::unique_ptr<std::uint8_t[]> memory;
  std::array<sockaddr_in6, kUdpPieces> senders{};
  std::array<iovec, kUdpPieces> receive_parts{};
  std::array<mmsghdr, kUdpPieces> receive_messages{};
  alignas(cmsghdr) std::array<ControlOctets, kUdpPieces> receive_control{};
  std::vector<Received> received;
  bool drained = false;
  std::size_t pieces = kUdpPieces;  // to be received next
  std::array<SocketAddress, kUdpBatch> receivers{};
  std::array<iovec, kUdpBatch> send_parts{};
  std::array<mmsghdr, kUdpBatch> send_messages{};
  std::array<std::size_t, kUdpBatch> segments{};
  struct alignas(cmsghdr) AlignedControl {
    SendControlOctets octets{};
  };
  std::array<AlignedControl, kUdpBatch> send_control{};
};

// Not initialized: pages that are never written to cost no memory.
UdpSocket::Impl::Impl(FileDescriptor descriptor, const UdpOffloads& offloads)
    : fd(std::move(descriptor)),
      segmentation(offloads.segmentation),
      can_coalesce(offloads.coalescing),
      coalescing(offloads.coalescing),
      memory(new std::uint8_t[kUdpPieces * kStride]) {
  received.reserve(kUdpPieces);
  for (std::size_t i = 0; i < kUdpPieces; ++i) {
    receive_parts[i] = {memory.get() + i * kStride, kPieceMax};
    receive_messages[i].msg_hdr.msg_name = &senders[i];
    receive_messages[i].msg_hdr.msg_iov = &receive_parts[i];
    receive_messages[i].msg_hdr.msg_iovlen = 1;
    receive_messages[i].msg_hdr.msg_control = receive_control[i].data();
  }
  for (std::size_t i = 0; i < kUdpBatch; ++i) {
    send_messages[i].msg_hdr.msg_iov = &send_parts[i];
    send_messages[i].msg_hdr.msg_iovlen = 1;
  }
}

std::size_t UdpSocket::Impl::run_of(std::span<const DatagramBatch::Slot> slots) const {
  if (!segmentation.load(std::memory_order_relaxed)) return 1;
  const DatagramBatch::Slot& first = slots.front();
  std::size_t run = 1;
  std::size_t size = first.size;
  while (!first.alone && run < std::min(slots.size(), kSegmentsPerPiece)) {
    const DatagramBatch::Slot& before = slots[run - 1];
    const DatagramBatch::Slot& next = slots[run];
    // A shorter one can only be the last.
    const bool fits = before.size == first.size && next.size <= first.size && size + next.size <= kPieceMax &&
                      next.data == before.data + before.size && next.to == first.to && next.lane == first.lane;
    if (!fits) break;
    size += next.size;
    ++run;
  }
  return run;
}

std::size_t UdpSocket::Impl::fill_messages(std::span<const DatagramBatch::Slot> slots) {
  std::size_t count = 0;
  while (!slots.empty() && count < kUdpBatch) {
    const std::size_t run = run_of(slots);
    const DatagramBatch::Slot& last = slots[run - 1];
    msghdr& message = send_messages[count].msg_hdr;
    receivers[count] = to_socket_address(slots.front().to);
    message.msg_name = receivers[count].data();
    message.msg_namelen = receivers[count].size;
    send_parts[count] = {slots.front().data, static_cast<std::size_t>(last.data + last.size - slots.front().data)};
    SendControl control{message, send_control[count].octets};
    if (run > 1) control.ask_for_segments(slots.front().size);
    if (const unsigned shard = shard_of_lane(slots.front().lane); slots.front().lane != 0 && shard != 0) {
      control.set_ttl(kTtl - static_cast<int>(shard));
    }
    segments[count++] = run;
    slots = slots.subspan(run);
  }
  return count;
}

std::size_t UdpSocket::Impl::send_singly(std::span<const DatagramBatch::Slot> slots) {
  std::size_t sent = 0;
  for (const DatagramBatch::Slot& slot : slots) {
    const SocketAddress to = to_socket_address(slot.to);
    if (sendto(fd.get(), slot.data, slot.size, 0, to.data(), to.size) >= 0) {
      ++sent;
    } else if (is_congestion(errno)) {
      break;
    }
  }
  return sent;
}

UdpSocket::UdpSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UdpSocket::~UdpSocket() = default;
UdpSocket::UdpSocket(UdpSocket&&) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&&) noexcept = default;

UdpSocket UdpSocket::bind(const Endpoint& local, const UdpOffloads& offloads) {
  return UdpSocket{Impl::bind(local, offloads, /*beside=*/false)};
}

// The first of them is bound without the option, so that a port that another program has is found to be taken, even if
// it shares it.
UdpSocket UdpSocket::bind_beside(const UdpOffloads& offloads) const {
  set_option(fd(), SOL_SOCKET, SO_REUSEPORT, 1);
  return UdpSocket{Impl::bind(local(), offloads, /*beside=*/true)};
}

std::unique_ptr<UdpSocket::Impl> UdpSocket::Impl::bind(const Endpoint& local, const UdpOffloads& offloads,
                                                       bool beside) {
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
  if (beside) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  const SocketAddress address = to_socket_address(local);
  if (::bind(fd.get(), address.data(), address.size) < 0) throw_bind_error(local, errno);
  const int on = 1;
  UdpOffloads own = offloads;
  if (own.coalescing) own.coalescing = setsockopt(fd.get(), SOL_UDP, UDP_GRO, &on, sizeof on) == 0;
  const int none = 0;  // for the socket; each message says what it wants
  if (own.segmentation) own.segmentation = setsockopt(fd.get(), SOL_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
  return std::make_unique<Impl>(std::move(fd), own);
}

std::span<UdpSocket::Received> UdpSocket::receive() {
  Impl& impl = *impl_;
  impl.received.clear();
  const std::size_t pieces = impl.pieces;
  // What was joined before it was ended may be there still.
  const bool takes_control = impl.can_coalesce;
  for (mmsghdr& message : std::span{impl.receive_messages}.first(pieces)) {
    message.msg_hdr.msg_namelen = sizeof(sockaddr_in6);
    message.msg_hdr.msg_controllen = takes_control ? sizeof(ControlOctets) : 0;
  }
  const int count = recvmmsg(impl.fd.get(), impl.receive_messages.data(), static_cast<unsigned>(pieces), 0, nullptr);
  impl.drained = count < static_cast<int>(pieces);
  std::size_t octets = 0;
  // Errors are EAGAIN, EINTR or a pending ICMP error, which this call has taken away: nothing to read now.
  for (int i = 0; i < count; ++i) {
    const auto index = static_cast<std::size_t>(i);
    mmsghdr& message = impl.receive_messages[index];
    const auto from = to_endpoint(impl.senders[index]);
    if (!from || (message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
    const MutableBytes piece{impl.memory.get() + index * kStride, message.msg_len};
    octets += piece.size();
    const std::size_t size = joined_size(message.msg_hdr, piece.size());
    if (size <= kDatagramSizeMax) impl.received.push_back({*from, piece, size});
  }
  if (count > 0) impl.pieces = octets / static_cast<std::size_t>(count) > kLargePiece ? kUdpLargePieces : kUdpPieces;
  return impl.received;
}

std::size_t UdpSocket::send(std::span<const DatagramBatch::Slot> slots) {
  Impl& impl = *impl_;
  std::size_t sent = 0;
  while (!slots.empty()) {
    const std::size_t messages = impl.fill_messages(slots);
    bool retried = false;
    for (std::size_t next = 0; next < messages;) {
      const int count = sendmmsg(impl.fd.get(), &impl.send_messages[next], static_cast<unsigned>(messages - next), 0);
      if (count > 0) {
        for (int i = 0; i < count; ++i) {
          sent += impl.segments[next];
          slots = slots.subspan(impl.segments[next++]);
        }
        retried = false;
        continue;
      }
      if (is_congestion(errno)) return sent;
      if (is_pending_icmp(errno) && !retried) {
        retried = true;
        continue;
      }
      const std::size_t refused = impl.segments[next++];
      if (refused > 1) {
        const bool unable = is_without_segmentation(errno);
        const std::size_t alone = impl.send_singly(slots.first(refused));
        // What is too large for the path only (EMSGSIZE) goes out in fragments, one by one.
        if (unable && alone > 0) impl.segmentation.store(false, std::memory_order_relaxed);
        sent += alone;
      }
      slots = slots.subspan(refused);
      retried = false;
    }
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

bool UdpSocket::send_segments(const Endpoint& to, BytesView datagrams, std::size_t size) {
  if (!impl_->segmentation.load(std::memory_order_relaxed)) {
    bool sent = true;
    for (; !datagrams.empty(); datagrams = datagrams.subspan(std::min(size, datagrams.size())))
      sent = send_one(to, datagrams.first(std::min(size, datagrams.size()))) && sent;
    return sent;
  }
  SocketAddress address = to_socket_address(to);
  // Not written to: iovec has no const.
  iovec part{const_cast<std::uint8_t*>(datagrams.data()), datagrams.size()};
  alignas(cmsghdr) SendControlOctets control{};
  msghdr message{};
  message.msg_name = address.data();
  message.msg_namelen = address.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  SendControl{message, control}.ask_for_segments(size);
  const auto attempt = [&] { return sendmsg(impl_->fd.get(), &message, 0) >= 0; };
  return attempt() || (is_pending_icmp(errno) && attempt());
}

bool UdpSocket::drained() const {
  return impl_->drained;
}

void UdpSocket::stop_coalescing() {
  set_option(fd(), SOL_UDP, UDP_GRO, 0);
  impl_->coalescing.store(false, std::memory_order_relaxed);
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

UdpOffloads UdpSocket::offloads() const {
  return {impl_->segmentation.load(std::memory_order_relaxed), impl_->coalescing.load(std::memory_order_relaxed)};
}

UdpBuffers UdpSocket::buffers() const {
  return {buffer_size(fd(), SO_RCVBUF), buffer_size(fd(), SO_SNDBUF)};
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
