#include "tests/bench/datagram_check.h"

#include <netinet/udp.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/base/bytes.h"
#include "tests/bench/known_octets.h"

namespace rove {
namespace {

constexpr std::size_t kNumberSize = 8;
constexpr std::size_t kDatagramHeader = kNumberSize + 4;  // number, size
constexpr std::size_t kDatagramSizeMin = 64;
constexpr std::size_t kDatagramSizeMax = 1400;  // the largest do not fit an MTU of 1400: IP sends them in fragments
constexpr std::size_t kUnfragmentedMax = 1352;  // … and these do, over IPv6 too
constexpr std::size_t kDatagramStride = 2048;
constexpr std::uint64_t kDatagramsMax = std::uint64_t{1} << 30;  // a bit each: a number beyond it was changed
// Bursts of up to so many, one a millisecond: the queues on the way (a TAP's has 1,000) hold a burst of each of a few
// flows, so that what is lost is rather a fault than a queue that was too short.
constexpr std::size_t kBurstMax = 200;
constexpr int kPauseMs = 1;
constexpr std::size_t kSegmentsMax = 64;  // of one UDP_SEGMENT call (Linux, UDP_MAX_SEGMENTS before 6.9)
constexpr std::size_t kSegmentedOctetsMax = 65000;
constexpr std::size_t kBatch = 32;  // datagrams in a system call
// As udp_blast's: beyond SO_RCVBUF's limit, so for root.
constexpr int kReceiveBuffer = 64 << 20;
// Until the sender is started.
constexpr std::chrono::seconds kFirstPatience{10};

BytesView datagram_of(KnownOctets& stream, std::uint64_t number, std::size_t size) {
  const MutableBytes made = stream.view(number * kDatagramStride, size);
  store_be(made.data(), number);
  store_be(made.data() + kNumberSize, static_cast<std::uint32_t>(size));
  return made;
}

// Datagrams of a burst, in buffers of their own: one behind the other, as UDP_SEGMENT wants them.
class Burst {
 public:
  Burst() : memory_(kBurstMax * kDatagramStride) { messages_.reserve(kBurstMax), parts_.reserve(kBurstMax); }

  void clear() { parts_.clear(), octets_ = 0; }
  void add(BytesView datagram) {
    std::copy(datagram.begin(), datagram.end(), memory_.begin() + static_cast<std::ptrdiff_t>(octets_));
    parts_.push_back({.iov_base = &memory_[octets_], .iov_len = datagram.size()});
    octets_ += datagram.size();
  }
  [[nodiscard]] std::size_t count() const { return parts_.size(); }
  [[nodiscard]] std::size_t octets() const { return octets_; }

  // How many were sent; 0 with errno.
  [[nodiscard]] std::size_t send_singly(int fd) {
    messages_.assign(parts_.size(), {});
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(fd, messages_.data(), static_cast<unsigned>(messages_.size()), 0);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  // All but the last are of one size. All or 0.
  [[nodiscard]] std::size_t send_segmented(int fd) {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> control{};
    iovec whole{.iov_base = memory_.data(), .iov_len = octets_};
    msghdr message{};
    message.msg_iov = &whole;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(parts_[0].iov_len);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
    return sendmsg(fd, &message, 0) < 0 ? 0 : parts_.size();
  }

 private:
  Bytes memory_;
  std::size_t octets_ = 0;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> messages_;
};

// How a burst is sent, in turn: each is another way into and through a tunnel.
enum class BurstKind : std::uint8_t { Mixed, Equal, Segmented };

class UdpSender {
 public:
  UdpSender(const SocketAddress& to, std::uint64_t seed)
      : socket_(make_socket(SOCK_DGRAM)), seed_(seed), stream_(seed) {
    check("connect", connect(socket_.fd(), to.get(), sizeof to.value));
  }

  void run(std::uint64_t octets) {
    const TimePoint begin = read_clock();
    for (std::uint64_t round = 0; octets_ < octets; ++round) {
      fill(static_cast<BurstKind>(round % 3), round);
      send();
      poll(nullptr, 0, kPauseMs);
    }
    std::printf("{\"datagrams\":%llu,\"octets\":%llu,\"refused\":%llu,\"segmentation\":%s,\"seconds\":%.6f}\n",
                static_cast<unsigned long long>(next_), static_cast<unsigned long long>(octets_),
                static_cast<unsigned long long>(refused_), segmentation_ ? "true" : "false", seconds_since(begin));
  }

 private:
  void fill(BurstKind kind, std::uint64_t round) {
    burst_.clear();
    segmented_ = kind == BurstKind::Segmented && segmentation_;
    const std::size_t size = draw(round, 0, kDatagramSizeMin, kUnfragmentedMax);
    std::size_t count = draw(round, 1, 1, kBurstMax);
    if (segmented_) count = std::min({count, kSegmentsMax, kSegmentedOctetsMax / size});
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t own = size;
      if (kind == BurstKind::Mixed) own = draw(round, 2 + i, kDatagramSizeMin, kDatagramSizeMax);
      if (kind == BurstKind::Segmented && i + 1 == count) own = draw(round, 2, kDatagramSizeMin, size);
      burst_.add(datagram_of(stream_, next_ + i, own));
    }
  }

  // Numbers that were not sent are those of the next burst.
  void send() {
    const std::size_t sent = segmented_ ? burst_.send_segmented(socket_.fd()) : burst_.send_singly(socket_.fd());
    if (sent > 0) {
      next_ += sent;
      octets_ += burst_.octets() * sent / burst_.count();
    } else if (segmented_ && (errno == EIO || errno == EINVAL)) {
      segmentation_ = false;  // the device has no checksum offload, which it needs before Linux 6.11 (udp(7))
    } else if (errno == ENOBUFS || errno == ECONNREFUSED || errno == EAGAIN || errno == EINTR) {
      ++refused_;  // a full queue, or the answer to an earlier datagram
    } else {
      check("send a burst", -1);
    }
  }

  [[nodiscard]] std::size_t draw(std::uint64_t round, std::uint64_t which, std::size_t min, std::size_t max) const {
    return min + mix(seed_ + mix(round + mix(which))) % (max - min + 1);
  }

  Socket socket_;
  std::uint64_t seed_;
  KnownOctets stream_;
  Burst burst_;
  bool segmented_ = false;  // the burst
  bool segmentation_ = true;
  std::uint64_t next_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t refused_ = 0;
};

// What came of one flow.
class Arrivals {
 public:
  explicit Arrivals(std::uint64_t seed) : stream_(seed) {}

  void add(BytesView datagram, bool truncated) {
    ++datagrams_;
    octets_ += datagram.size();
    if (truncated || datagram.size() < kDatagramHeader || !is_intact(datagram)) {
      ++corrupted_;
      return;
    }
    const auto number = load_be<std::uint64_t>(datagram.data());
    if (number >= seen_.size()) seen_.resize(std::max<std::size_t>(2 * seen_.size(), number + 1));
    if (seen_[number]) {
      ++duplicated_;
    } else if (number < next_) {
      ++reordered_;
    }
    seen_[number] = true;
    next_ = std::max(next_, number + 1);
  }

  [[nodiscard]] bool empty() const { return datagrams_ == 0; }
  [[nodiscard]] int tell(double seconds) const {
    std::printf(
        "{\"datagrams\":%llu,\"octets\":%llu,\"duplicated\":%llu,\"reordered\":%llu,\"corrupted\":%llu,"
        "\"seconds\":%.6f}\n",
        static_cast<unsigned long long>(datagrams_), static_cast<unsigned long long>(octets_),
        static_cast<unsigned long long>(duplicated_), static_cast<unsigned long long>(reordered_),
        static_cast<unsigned long long>(corrupted_), seconds);
    return duplicated_ + reordered_ + corrupted_ == 0 ? 0 : 1;
  }

 private:
  [[nodiscard]] bool is_intact(BytesView datagram) {
    const auto number = load_be<std::uint64_t>(datagram.data());
    const BytesView wanted = datagram_of(stream_, number, datagram.size());
    const auto difference = find_difference(datagram, wanted);
    // Told of the first few only: a fault that changes one changes thousands.
    if (difference && corrupted_ < 10) {
      std::fprintf(stderr, "stream_check: datagram %llu of %zu octets:\n", static_cast<unsigned long long>(number),
                   datagram.size());
      tell_difference(*difference, datagram.subspan(*difference), wanted.subspan(*difference));
    }
    return !difference && number < kDatagramsMax;
  }

  KnownOctets stream_;
  std::vector<bool> seen_;
  std::uint64_t datagrams_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t next_ = 0;  // one more than the highest number so far
  std::uint64_t duplicated_ = 0;
  std::uint64_t reordered_ = 0;
  std::uint64_t corrupted_ = 0;
};

}  // namespace

int send_datagrams(const SocketAddress& to, std::uint64_t octets, std::uint64_t seed) {
  UdpSender{to, seed}.run(octets);
  return 0;
}

int receive_datagrams(std::uint16_t port, std::uint64_t seed, Duration silence) {
  const Socket socket{make_socket(SOCK_DGRAM)};
  check("setsockopt SO_RCVBUFFORCE (needs CAP_NET_ADMIN)",
        setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer));
  bind_port(socket, port);
  tell_ready();

  std::vector<Bytes> buffers(kBatch, Bytes(kDatagramStride));
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (std::size_t i = 0; i < kBatch; ++i) {
    parts[i] = {.iov_base = buffers[i].data(), .iov_len = buffers[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  Arrivals arrivals{seed};
  TimePoint first = read_clock();
  TimePoint last = first;
  for (TimePoint now = first;; now = read_clock()) {
    const int count = recvmmsg(socket.fd(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count > 0) {
      if (arrivals.empty()) first = now;
      last = now;
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        arrivals.add(BytesView{buffers[i]}.first(messages[i].msg_len),
                     (messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0);
      }
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) check("recvmmsg", count);
    const Duration patience = arrivals.empty() ? std::max<Duration>(silence, kFirstPatience) : silence;
    if (now - last >= patience) break;
    pollfd polled{.fd = socket.fd(), .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience - (now - last));
    poll(&polled, 1, static_cast<int>(left.count()));
  }
  return arrivals.tell(std::chrono::duration<double>{last - first}.count());
}

}  // namespace rove
