// wan_emulator: a wide-area network between network namespaces, in user space (many kernels lack netem).
//
//   site a ── veth ──┐                              ┌── veth ── site c
//                    ├─ router namespace: routing ──┤
//   site b ── veth ──┘        ▲  │ rule "iif veth-X"└── veth ── site d
//                             │  ▼ → table 100 → dev wan0
//                         wan_emulator (TUN wan0)
//
// It runs in the router's namespace and creates one TUN device. The router sends what comes in from a site into that
// device (a policy rule for each interface); the emulator holds each packet for as long as the path between the two
// sites takes and writes it back; the router's main table then delivers it. tests/support/netns_lab.sh sets it up.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/support/wan_network.h"

namespace rove {
namespace {

constexpr std::string_view kUsage =
    R"(usage: wan_emulator --site NAME=PREFIX[,PREFIX] --site … [option]…
       wan_emulator --ask SOCKET COMMAND…

Runs in the router's network namespace: creates a TUN device, reads the packets that are routed into it, delays
them as the path between their sites does, and writes them back. Prints "ready" when the device is up. Goes before
all other threads (SCHED_FIFO) where that is permitted: a wire does not wait for a host's processor.

  --site NAME=PREFIX[,…]  a site and its subnets (IPv4, IPv6); at least two
  --tun NAME              the device (wan0)
  --mtu OCTETS            its MTU (1500)
  --control SOCKET        take commands on this Unix socket, one a line
  --do COMMAND            run a command at the start; may be repeated
  --seed N                of all chance (1)
  --ask SOCKET COMMAND…   send one command to a running emulator, print its answer; exit 1 if it is an error
  --help

commands:
  set [FROM TO] NAME VALUE…  delay 10ms, jitter 500us, loss 5%, duplicate 1%, reorder 1%, rate 100mbit (0: unlimited),
                             buffer 50ms (how long a packet may wait for the rate); one direction; * means every site
  cut A [B]                  nothing passes between A and B (or A and all others), both directions
  heal [A [B]]               undoes cuts
  show                       conditions and counters as one line of JSON
)";

constexpr std::size_t kPacketSizeMax = 65536;
constexpr std::size_t kReadsMax = 64;          // packets per turn, so that what is due does not wait for a burst
constexpr std::size_t kClientsMax = 16;        // control connections; further ones are closed at once
constexpr std::size_t kCommandSizeMax = 4096;  // octets of a command line; a client that sends more is closed
constexpr int kPriority = 10;                  // of SCHED_FIFO; before rove's workers, which have the lowest

struct Options {
  std::vector<WanSite> sites;
  std::string tun = "wan0";
  int mtu = 1500;
  std::string control;
  std::vector<std::string> commands;
  std::uint64_t seed = 1;
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int check(const std::string& attempt, int result) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), attempt);
  return result;
}

TimePoint read_clock() {
  timespec now{};
  check("clock_gettime", clock_gettime(CLOCK_MONOTONIC, &now));
  return TimePoint{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

template <typename T>
T parse_number(std::string_view option, std::string_view text) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) {
    throw UsageError(std::string{option} + ": not a number: " + std::string{text});
  }
  return value;
}

Options parse_options(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) throw UsageError(name + ": unknown, or its value is missing");
    const std::string& value = arguments[i + 1];
    if (name == "--site") {
      const auto site = parse_site(value);
      if (!site) throw UsageError("--site: expected NAME=PREFIX[,PREFIX], got " + value);
      options.sites.push_back(*site);
    } else if (name == "--tun") {
      options.tun = value;
    } else if (name == "--mtu") {
      options.mtu = parse_number<int>(name, value);
    } else if (name == "--control") {
      options.control = value;
    } else if (name == "--do") {
      options.commands.push_back(value);
    } else if (name == "--seed") {
      options.seed = parse_number<std::uint64_t>(name, value);
    } else {
      throw UsageError("unknown option " + name);
    }
  }
  if (options.sites.size() < 2) throw UsageError("at least two --site are needed");
  return options;
}

int open_tun(const Options& options) {
  const int fd = check("open /dev/net/tun", open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ifreq request{};
  if (options.tun.size() >= IFNAMSIZ) throw UsageError("--tun: at most 15 characters");
  std::copy(options.tun.begin(), options.tun.end(), request.ifr_name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  check("create " + options.tun, ioctl(fd, TUNSETIFF, &request));
  const int helper = check("socket", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_mtu = options.mtu;
  check("set the MTU of " + options.tun, ioctl(helper, SIOCSIFMTU, &request));
  request.ifr_qlen = 10'000;  // bursts of 300 Mb/s wait here while this process is off the CPU
  check("set the queue of " + options.tun, ioctl(helper, SIOCSIFTXQLEN, &request));
  request.ifr_flags = IFF_UP;
  check("set " + options.tun + " up", ioctl(helper, SIOCSIFFLAGS, &request));
  close(helper);
  return fd;
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw UsageError(path + ": too long for a Unix socket");
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

// The control socket: lines in, one answer line for each.
class ControlSocket {
 public:
  explicit ControlSocket(std::string path) : path_(std::move(path)) {
    const sockaddr_un address = unix_address(path_);
    fd_ = check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    unlink(path_.c_str());
    check("bind " + path_, bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    check("listen on " + path_, listen(fd_, kClientsMax));
  }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket() {
    for (const Client& client : clients_) close(client.fd);
    close(fd_);
    unlink(path_.c_str());
  }

  void add_to(std::vector<pollfd>& polled) const {
    polled.push_back({fd_, POLLIN, 0});
    for (const Client& client : clients_) polled.push_back({client.fd, POLLIN, 0});
  }

  void handle_ready(WanNetwork& network) {
    std::erase_if(clients_, [&network](Client& client) { return !serve(client, network); });
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (clients_.size() == kClientsMax) {
      close(fd);
    } else {
      clients_.push_back({fd, {}});
    }
  }

 private:
  struct Client {
    int fd = -1;
    std::string pending;
  };

  // False when the client is gone; its descriptor is closed then.
  static bool serve(Client& client, WanNetwork& network) {
    std::array<char, 1024> buffer{};
    const ssize_t size = recv(client.fd, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) return true;
    if (size > 0) client.pending.append(buffer.data(), static_cast<std::size_t>(size));
    bool alive = size > 0 && client.pending.size() <= kCommandSizeMax;
    for (std::size_t end = client.pending.find('\n'); alive && end != std::string::npos;
         end = client.pending.find('\n')) {
      const std::string answer = network.handle_command(client.pending.substr(0, end)) + "\n";
      client.pending.erase(0, end + 1);
      alive = send(client.fd, answer.data(), answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size());
    }
    if (!alive) close(client.fd);
    return alive;
  }

  std::string path_;
  int fd_ = -1;
  std::vector<Client> clients_;
};

int run(const Options& options) {
  WanNetwork network{options.sites, options.seed};
  for (const std::string& command : options.commands) {
    const std::string answer = network.handle_command(command);
    if (answer != "ok") throw UsageError("--do '" + command + "': " + answer);
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  check("sigprocmask", sigprocmask(SIG_BLOCK, &signals, nullptr));
  const int signal_fd = check("signalfd", signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  // The default slack of 50 us would be added to every delay.
  check("prctl PR_SET_TIMERSLACK", prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL));
  const sched_param parameters{.sched_priority = kPriority};
  if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0) {
    std::fputs("wan_emulator: SCHED_FIFO is not permitted; on a busy machine delays are longer\n", stderr);
  }
  const int tun = open_tun(options);
  std::optional<ControlSocket> control;
  if (!options.control.empty()) control.emplace(options.control);
  std::puts("ready");
  std::fflush(stdout);

  std::vector<std::uint8_t> buffer(kPacketSizeMax);
  std::vector<pollfd> polled;
  while (true) {
    polled.assign({{tun, POLLIN, 0}, {signal_fd, POLLIN, 0}});
    if (control) control->add_to(polled);
    timespec timeout{};
    const auto due = network.next_due();
    if (due) {
      const auto wait = std::max(*due - read_clock(), Duration::zero());
      timeout = {wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
    }
    if (ppoll(polled.data(), polled.size(), due ? &timeout : nullptr, nullptr) < 0 && errno != EINTR)
      check("ppoll", -1);
    if (polled[1].revents != 0) return 0;

    TimePoint now = read_clock();
    for (std::size_t i = 0; i < kReadsMax; ++i) {
      const ssize_t size = read(tun, buffer.data(), buffer.size());
      if (size <= 0) break;
      network.handle_packet(now, BytesView{buffer.data(), static_cast<std::size_t>(size)});
    }
    now = read_clock();
    while (const auto packet = network.pop(now)) {
      // A refused packet (no route, device down) is lost, as on any network.
      [[maybe_unused]] const ssize_t written = write(tun, packet->data(), packet->size());
    }
    const auto is_ready = [](const pollfd& entry) { return entry.revents != 0; };
    if (std::any_of(polled.begin() + 2, polled.end(), is_ready)) control->handle_ready(network);
  }
}

int ask(const std::string& path, const std::string& command) {
  const sockaddr_un address = unix_address(path);
  const int fd = check("socket", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check("connect " + path, connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
  const std::string line = command + "\n";
  check("send to " + path, static_cast<int>(send(fd, line.data(), line.size(), MSG_NOSIGNAL)));
  std::string answer;
  while (answer.empty() || answer.back() != '\n') {
    std::array<char, 4096> buffer{};
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(size));
  }
  close(fd);
  const bool failed = answer.empty() || answer.rfind("error", 0) == 0;
  std::fputs(answer.c_str(), failed ? stderr : stdout);
  return failed ? 1 : 0;
}

int main(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::fwrite(kUsage.data(), 1, kUsage.size(), arguments.empty() ? stderr : stdout);
    return arguments.empty() ? 2 : 0;
  }
  if (arguments[0] != "--ask") return run(parse_options(arguments));
  if (arguments.size() < 3) throw UsageError("--ask SOCKET COMMAND…");
  std::string command = arguments[2];
  for (std::size_t i = 3; i < arguments.size(); ++i) command += " " + arguments[i];
  return ask(arguments[1], command);
}

}  // namespace
}  // namespace rove

int main(int argc, char** argv) {
  try {
    return rove::main(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const rove::UsageError& error) {
    std::fprintf(stderr, "wan_emulator: %s\ntype: wan_emulator --help\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wan_emulator: %s\n", error.what());
    return 1;
  }
}
