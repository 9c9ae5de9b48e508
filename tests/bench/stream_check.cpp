// stream_check: octets whose every one is known, through TCP and UDP; the receiver makes the same ones anew and
// compares.
//
//   TCP  one connection: the seed's stream from its beginning to OCTETS. What a wrong length, a wrong place or a wrong
//        octet would change shows; TCP's own checksum does not where a tunnel hands it on as "verified".
//   UDP  one flow: datagram n has its number, its size, and the seed's stream from n * kDatagramStride on. So it counts
//        what was lost, duplicated, reordered or changed.
//
// All print one line of JSON. What was changed is told on stderr besides, with the octets beside it.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "tests/bench/datagram_check.h"
#include "tests/bench/known_octets.h"
#include "tests/bench/program.h"
#include "tests/bench/test_socket.h"

namespace rove {
namespace {

constexpr std::string_view kUsage =
    R"(usage: stream_check send ADDRESS PORT OCTETS SEED      a TCP connection with OCTETS of the stream SEED
       stream_check receive PORT OCTETS SEED           prints "ready", then takes one connection
       stream_check send-udp ADDRESS PORT OCTETS SEED  datagrams of 64 to 1400 octets in bursts, OCTETS in all
       stream_check receive-udp PORT SEED SILENCE      prints "ready"; until nothing has come for SILENCE seconds
The receiver's exit status is 1 when what came is not what was sent; that datagrams are missing, who knows how many were
sent can tell.
)";

constexpr std::uint64_t kOctetsMax = std::uint64_t{1} << 50;
constexpr std::size_t kBlock = KnownOctets::kViewMax;

// Most writes are large. One in eight is small, and leaves by itself where TCP has nothing else to send: segments of
// all sizes, with PSH in between.
std::size_t write_size_at(std::uint64_t seed, std::uint64_t offset, std::size_t left) {
  const std::uint64_t drawn = mix(seed ^ (offset * kGolden));
  const std::size_t size = drawn % 8 == 0 ? 1 + (drawn >> 8) % 3000 : 1 + (drawn >> 8) % (kBlock / 2);
  return std::min(size, left);
}

int send_stream(const SocketAddress& to, std::uint64_t octets, std::uint64_t seed) {
  const Socket socket{make_socket(SOCK_STREAM)};
  check("connect", connect(socket.fd(), to.get(), sizeof to.value));
  const int on = 1;
  check("setsockopt TCP_NODELAY", setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  KnownOctets stream{seed};
  const TimePoint begin = read_clock();
  for (std::uint64_t sent = 0; sent < octets;) {
    BytesView left = stream.view(sent, static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, octets - sent)));
    while (!left.empty()) {
      const ssize_t size = send(socket.fd(), left.data(), write_size_at(seed, sent, left.size()), MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) check("send", -1);
      left = left.subspan(static_cast<std::size_t>(size));
      sent += static_cast<std::uint64_t>(size);
    }
  }
  check("shutdown", shutdown(socket.fd(), SHUT_WR));
  // The receiver closes when it has compared the last octet.
  std::uint8_t nothing = 0;
  if (check("receive the receiver's end", static_cast<int>(recv(socket.fd(), &nothing, 1, 0))) != 0) {
    throw std::runtime_error("the receiver sent something");
  }
  std::printf("{\"octets\":%llu,\"seconds\":%.6f}\n", static_cast<unsigned long long>(octets), seconds_since(begin));
  return 0;
}

int receive_stream(std::uint16_t port, std::uint64_t octets, std::uint64_t seed) {
  const Socket listener{make_socket(SOCK_STREAM)};
  bind_port(listener, port);
  check("listen", listen(listener.fd(), 1));
  tell_ready();
  const Socket connection{check("accept", accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC))};

  KnownOctets stream{seed};
  Bytes buffer(kBlock);
  std::uint64_t received = 0;
  bool intact = true;
  const TimePoint begin = read_clock();
  while (intact) {
    const ssize_t size = recv(connection.fd(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) check("recv", -1);
    if (size == 0) break;
    const BytesView got = BytesView{buffer}.first(static_cast<std::size_t>(size));
    const BytesView wanted = stream.view(received, got.size());
    if (const auto difference = find_difference(got, wanted)) {
      // All that follows may be right at another place: nothing to be gained by going on.
      tell_difference(received + *difference, got.subspan(*difference), wanted.subspan(*difference));
      received += *difference;
      intact = false;
    } else {
      received += got.size();
    }
  }
  const bool whole = intact && received == octets;
  if (intact && !whole) {
    std::fprintf(stderr, "stream_check: ends at octet %llu instead of %llu\n",
                 static_cast<unsigned long long>(received), static_cast<unsigned long long>(octets));
  }
  std::printf("{\"octets\":%llu,\"intact\":%s,\"seconds\":%.6f}\n", static_cast<unsigned long long>(received),
              whole ? "true" : "false", seconds_since(begin));
  return whole ? 0 : 1;
}

int main(const std::vector<std::string>& arguments) {
  const auto parse_octets = [&](std::size_t i) {
    return parse_number<std::uint64_t>("OCTETS", arguments[i], 1, kOctetsMax);
  };
  const auto parse_seed = [&](std::size_t i) {
    return parse_number<std::uint64_t>("SEED", arguments[i], 0, UINT64_MAX);
  };
  const std::string verb = arguments.empty() ? "" : arguments[0];
  if (arguments.size() == 5 && (verb == "send" || verb == "send-udp")) {
    const SocketAddress to = parse_address(arguments[1], parse_port(arguments[2]));
    return verb == "send" ? send_stream(to, parse_octets(3), parse_seed(4))
                          : send_datagrams(to, parse_octets(3), parse_seed(4));
  }
  if (arguments.size() == 4 && verb == "receive") {
    return receive_stream(parse_port(arguments[1]), parse_octets(2), parse_seed(3));
  }
  if (arguments.size() == 4 && verb == "receive-udp") {
    return receive_datagrams(parse_port(arguments[1]), parse_seed(2), parse_seconds("SILENCE", arguments[3]));
  }
  return print_usage(kUsage, arguments);
}

}  // namespace
}  // namespace rove

int main(int argc, char** argv) {
  return rove::run_program("stream_check", rove::main, argc, argv);
}
