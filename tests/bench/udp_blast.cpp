// udp_blast: one flow of UDP datagrams at full speed, and a receiver whose own buffer is not what is measured.
//
// Every datagram begins with its number (8 octets, big endian, from 0). The sender ends after its time, the receiver
// when nothing has come for a while; both print one line of JSON.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/bench/program.h"

namespace rove {
namespace {

constexpr std::string_view kUsage =
    R"(usage: udp_blast send ADDRESS PORT OCTETS SECONDS    OCTETS of payload, at least 8
       udp_blast receive PORT SILENCE                until nothing has come for SILENCE seconds; prints "ready" first
)";

constexpr std::size_t kBatch = 32;  // datagrams in a system call
constexpr std::size_t kNumberSize = 8;
constexpr std::size_t kPayloadMax = 65507;
// Some 150,000 small datagrams: the kernel doubles it, and counts some 800 octets for each. Beyond SO_RCVBUF's limit,
// so for root.
constexpr int kReceiveBuffer = 64 << 20;
// Until the first datagram: the sender is yet to be started.
constexpr std::chrono::seconds kFirstPatience{10};

sockaddr_in parse_address(const std::string& address, const std::string& port) {
  sockaddr_in parsed{};
  parsed.sin_family = AF_INET;
  parsed.sin_port = htons(parse_number<std::uint16_t>("PORT", port, 1, 65535));
  if (inet_pton(AF_INET, address.c_str(), &parsed.sin_addr) != 1) {
    throw UsageError("ADDRESS: not an IPv4 address: " + address);
  }
  return parsed;
}

// The headers of a batch of datagrams, and their buffers.
class Batch {
 public:
  explicit Batch(std::size_t payload_size) : buffers_(kBatch, Bytes(payload_size)) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      parts_[i] = {.iov_base = buffers_[i].data(), .iov_len = payload_size};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  [[nodiscard]] mmsghdr* messages() { return messages_.data(); }
  [[nodiscard]] std::size_t size_of(std::size_t i) const { return messages_[i].msg_len; }
  void set_number(std::size_t i, std::uint64_t number) { store_be(buffers_[i].data(), number); }
  [[nodiscard]] std::uint64_t number(std::size_t i) const { return load_be<std::uint64_t>(buffers_[i].data()); }

 private:
  std::vector<Bytes> buffers_;
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

int run_sender(const sockaddr_in& to, std::size_t payload_size, Duration duration) {
  const int fd = check("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  check("connect", connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to));
  Batch batch{payload_size};
  std::uint64_t next = 0;
  std::uint64_t refused = 0;
  const TimePoint begin = read_clock();
  TimePoint now = begin;
  for (; now - begin < duration; now = read_clock()) {
    for (std::size_t i = 0; i < kBatch; ++i) batch.set_number(i, next + i);
    const int sent = sendmmsg(fd, batch.messages(), kBatch, 0);
    if (sent > 0) {
      next += static_cast<std::uint64_t>(sent);
    } else if (errno == ENOBUFS || errno == ECONNREFUSED || errno == EAGAIN || errno == EINTR) {
      ++refused;  // a full queue, or the answer to an earlier datagram
    } else {
      check("sendmmsg", sent);
    }
  }
  const std::chrono::duration<double> seconds = now - begin;
  std::printf("{\"datagrams\":%llu,\"refused\":%llu,\"seconds\":%.6f}\n", static_cast<unsigned long long>(next),
              static_cast<unsigned long long>(refused), seconds.count());
  return 0;
}

// What the numbers of the datagrams say.
struct Arrivals {
  std::uint64_t datagrams = 0;
  std::uint64_t next = 0;  // one more than the highest number so far
  std::uint64_t gaps = 0;  // how often numbers were left out
  std::uint64_t reordered = 0;
  std::uint64_t malformed = 0;

  void add(std::uint64_t number) {
    ++datagrams;
    if (number < next) {
      ++reordered;
      return;
    }
    if (number > next) ++gaps;
    next = number + 1;
  }
};

int run_receiver(std::uint16_t port, Duration silence) {
  const int fd = check("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  check("setsockopt SO_RCVBUFFORCE (needs CAP_NET_ADMIN)",
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_port = htons(port);
  check("bind to UDP port " + std::to_string(port), bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here));
  std::puts("ready");
  std::fflush(stdout);

  Batch batch{kPayloadMax};
  Arrivals arrivals;
  const TimePoint begin = read_clock();
  TimePoint first = begin;
  TimePoint last = begin;
  const auto end = begin + std::chrono::duration_cast<Duration>(std::chrono::duration<double>{kSecondsMax});
  for (TimePoint now = begin; now < end; now = read_clock()) {
    const int count = recvmmsg(fd, batch.messages(), kBatch, MSG_DONTWAIT, nullptr);
    if (count > 0) {
      if (arrivals.datagrams == 0) first = now;
      last = now;
      for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        if (batch.size_of(i) < kNumberSize) {
          ++arrivals.malformed;
        } else {
          arrivals.add(batch.number(i));
        }
      }
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) check("recvmmsg", count);
    const Duration patience = arrivals.datagrams == 0 ? std::max<Duration>(silence, kFirstPatience) : silence;
    if (now - last >= patience) break;
    pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience - (now - last));
    poll(&polled, 1, static_cast<int>(left.count()));
  }
  const std::chrono::duration<double> seconds = last - first;
  std::printf(
      "{\"datagrams\":%llu,\"highest\":%lld,\"gaps\":%llu,\"reordered\":%llu,\"malformed\":%llu,"
      "\"seconds\":%.6f}\n",
      static_cast<unsigned long long>(arrivals.datagrams), static_cast<long long>(arrivals.next) - 1,
      static_cast<unsigned long long>(arrivals.gaps), static_cast<unsigned long long>(arrivals.reordered),
      static_cast<unsigned long long>(arrivals.malformed), seconds.count());
  return 0;
}

int main(const std::vector<std::string>& arguments) {
  if (arguments.size() == 5 && arguments[0] == "send") {
    return run_sender(parse_address(arguments[1], arguments[2]),
                      parse_number<std::size_t>("OCTETS", arguments[3], kNumberSize, kPayloadMax),
                      parse_seconds("SECONDS", arguments[4]));
  }
  if (arguments.size() == 3 && arguments[0] == "receive") {
    return run_receiver(parse_number<std::uint16_t>("PORT", arguments[1], 1, 65535),
                        parse_seconds("SILENCE", arguments[2]));
  }
  return print_usage(kUsage, arguments);
}

}  // namespace
}  // namespace rove

int main(int argc, char** argv) {
  return rove::run_program("udp_blast", rove::main, argc, argv);
}
