#include "tap/rtnetlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/base/check.h"

namespace rove {
namespace {

// The kernel fills dumps up to 32 KiB when the reader offers as much.
constexpr std::size_t kReceiveSize = 32U << 10;
// Room for some 4,000 events. More at once are possible (thousands of MACs), and overflow is then repaired by a dump.
constexpr int kReceiveBuffer = 4 << 20;
constexpr int kDumpTriesMax = 8;

constexpr std::size_t align(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}
constexpr std::size_t kAttributeHeader = 4;
constexpr std::uint16_t kTypeMask = 0x3fff;  // without NLA_F_NESTED, NLA_F_NET_BYTEORDER

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr head{};
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header(head);
}

void NetlinkRequest::append(BytesView bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  bytes_.resize(align(bytes_.size()));
}

NetlinkRequest& NetlinkRequest::add_bytes(std::uint16_t type, BytesView value) {
  const std::array<std::uint16_t, 2> head{static_cast<std::uint16_t>(kAttributeHeader + value.size()), type};
  header(head);
  append(value);
  return *this;
}

NetlinkRequest& NetlinkRequest::add_text(std::uint16_t type, std::string_view text) {
  Bytes bytes{text.begin(), text.end()};
  bytes.push_back(0);
  return add_bytes(type, bytes);
}

NetlinkRequest& NetlinkRequest::begin(std::uint16_t type) {
  open_.push_back(bytes_.size());
  return add_bytes(static_cast<std::uint16_t>(type | NLA_F_NESTED), {});
}

NetlinkRequest& NetlinkRequest::end() {
  ROVE_CHECK(!open_.empty());
  const auto length = static_cast<std::uint16_t>(bytes_.size() - open_.back());
  std::memcpy(&bytes_[open_.back()], &length, sizeof length);
  open_.pop_back();
  return *this;
}

BytesView NetlinkRequest::finish(std::uint32_t sequence) {
  ROVE_CHECK(open_.empty());
  nlmsghdr head{};
  std::memcpy(&head, bytes_.data(), sizeof head);
  head.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
  head.nlmsg_seq = sequence;
  std::memcpy(bytes_.data(), &head, sizeof head);
  return bytes_;
}

std::optional<BytesView> find_attribute(BytesView attributes, std::uint16_t type) {
  while (attributes.size() >= kAttributeHeader) {
    const std::size_t length = *load_native<std::uint16_t>(attributes);
    const std::uint16_t found = *load_native<std::uint16_t>(attributes.subspan(2)) & kTypeMask;
    if (length < kAttributeHeader || length > attributes.size()) return std::nullopt;
    if (found == type) return attributes.subspan(kAttributeHeader, length - kAttributeHeader);
    attributes = attributes.subspan(std::min(align(length), attributes.size()));
  }
  return std::nullopt;
}

std::string find_text(BytesView attributes, std::uint16_t type) {
  const auto value = find_attribute(attributes, type);
  if (!value) return {};
  return {value->begin(), std::find(value->begin(), value->end(), 0)};
}

NetlinkSocket::NetlinkSocket(std::initializer_list<unsigned> groups) : buffer_(kReceiveSize) {
  const int flags = SOCK_RAW | SOCK_CLOEXEC | (groups.size() > 0 ? SOCK_NONBLOCK : 0);
  fd_ = FileDescriptor{check_syscall("open a netlink socket", socket(AF_NETLINK, flags, NETLINK_ROUTE))};
  if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0) {
    check_syscall("netlink SO_RCVBUF", setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer));
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  check_syscall("bind a netlink socket", bind(fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  for (const unsigned group : groups) {
    check_syscall("join a netlink group", setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
  }
}

std::uint32_t NetlinkSocket::send(NetlinkRequest& request) {
  const BytesView bytes = request.finish(++sequence_);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent =
      sendto(fd(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  check_syscall("send a netlink request", static_cast<int>(sent));
  return sequence_;
}

NetlinkSocket::Received NetlinkSocket::receive(std::vector<NetlinkMessage>& messages) {
  messages.clear();
  sockaddr_nl from{};
  socklen_t from_size = sizeof from;
  ssize_t size = -1;
  do {
    size = recvfrom(fd(), buffer_.data(), buffer_.size(), 0, reinterpret_cast<sockaddr*>(&from), &from_size);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == ENOBUFS) return Received::Overflow;
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Received::Nothing;
  check_syscall("receive from netlink", static_cast<int>(size));
  if (from.nl_pid != 0) return Received::Messages;  // another process wrote to us; nothing in it counts

  BytesView rest{buffer_.data(), static_cast<std::size_t>(size)};
  while (const auto head = load_native<nlmsghdr>(rest)) {
    if (head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > rest.size()) break;
    messages.push_back({head->nlmsg_type, head->nlmsg_flags, head->nlmsg_seq,
                        rest.subspan(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr))});
    rest = rest.subspan(std::min(align(head->nlmsg_len), rest.size()));
  }
  return Received::Messages;
}

int NetlinkSocket::change(NetlinkRequest& request) {
  const std::uint32_t sequence = send(request);
  std::vector<NetlinkMessage> messages;
  while (true) {
    if (receive(messages) == Received::Overflow) return ENOBUFS;
    for (const NetlinkMessage& message : messages) {
      if (message.sequence != sequence || message.type != NLMSG_ERROR) continue;
      const auto error = load_native<std::int32_t>(message.payload);
      return error ? -*error : EPROTO;
    }
  }
}

int NetlinkSocket::dump(NetlinkRequest& request, const std::function<void(const NetlinkMessage&)>& visit) {
  std::vector<NetlinkMessage> messages;
  for (int tries = 0; tries < kDumpTriesMax; ++tries) {
    const std::uint32_t sequence = send(request);
    bool interrupted = false;
    bool done = false;
    while (!done) {
      if (receive(messages) == Received::Overflow) return ENOBUFS;
      for (const NetlinkMessage& message : messages) {
        if (message.sequence != sequence) continue;
        interrupted = interrupted || (message.flags & NLM_F_DUMP_INTR) != 0;
        if (message.type == NLMSG_ERROR) return -load_native<std::int32_t>(message.payload).value_or(-EPROTO);
        done = done || message.type == NLMSG_DONE;
        if (message.type != NLMSG_DONE) visit(message);
      }
    }
    if (!interrupted) return 0;
  }
  return EAGAIN;
}

}  // namespace rove
