#include "cli/command/pcap.h"

#include <net/if.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <system_error>

#include "cli/base/failure.h"
#include "cli/base/stop_signal.h"
#include "cli/control/control_client.h"
#include "tap/network_namespace.h"
#include "tap/port_socket.h"
#include "tap/rtnetlink.h"

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCallTimeout{5'000};
// A device that is down for the moment has to be looked at now and then; libpcap then notices that it is gone.
constexpr milliseconds kLookTime{500};
// The kernel hands over what it has after 100 ms at the latest: so what passed before the interrupt is written.
constexpr milliseconds kLastTime{250};

// Writes to a descriptor that may be a pipe that nobody empties: then only an interrupt ends the waiting.
class Output {
 public:
  Output(int fd, const StopSignal& stop) : fd_(fd), stop_(stop) {
    struct stat info{};
    waits_ = ::fstat(fd, &info) == 0 && !S_ISREG(info.st_mode);
  }

  // False from the moment on when nobody reads, the disk is full, or we are to end and nobody reads.
  [[nodiscard]] bool write(BytesView data) {
    while (!data.empty() && open_) {
      if (waits_ && !wait_writable()) {
        open_ = false;
        break;
      }
      // No more than a pipe takes at once: it would wait for its reader, and no signal could end that.
      const ssize_t written =
          ::write(fd_, data.data(), waits_ ? std::min<std::size_t>(data.size(), PIPE_BUF) : data.size());
      if (written > 0) data = data.subspan(static_cast<std::size_t>(written));
      if (written < 0 && errno != EINTR && errno != EAGAIN) {
        error_ = errno;
        open_ = false;
      }
    }
    return open_;
  }
  // Why it ended; 0: nobody reads any more.
  [[nodiscard]] int error() const { return error_ == EPIPE ? 0 : error_; }

 private:
  [[nodiscard]] bool wait_writable() const {
    for (;;) {
      std::array<pollfd, 2> entries{pollfd{fd_, POLLOUT, 0}, pollfd{stop_.fd(), POLLIN, 0}};
      if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return false;
      if (entries[0].revents != 0) return true;
      // A file that ends in the midst of a packet is a nuisance: who reads, but slowly, gets a moment.
      if (entries[1].revents != 0) return ::poll(entries.data(), 1, static_cast<int>(kLastTime.count())) > 0;
    }
  }

  int fd_;
  const StopSignal& stop_;
  bool waits_ = true;
  bool open_ = true;
  int error_ = 0;
};

[[noreturn]] void fail(const CaptureFailure& failure, const CaptureTarget& target, const std::string& network) {
  switch (failure.reason()) {
    case CaptureFailure::Reason::NoPermission:
      throw Failure(ExitStatus::Failure, "pcap", failure.what(), "the same as root, or with CAP_NET_RAW");
    case CaptureFailure::Reason::NoDevice:
      throw Failure(ExitStatus::NotRunning, "pcap", target.tap + " is gone: the daemon has ended",
                    "rove up " + network);
    case CaptureFailure::Reason::BadFilter: throw Failure(ExitStatus::Usage, "pcap", failure.what(), "man pcap-filter");
    case CaptureFailure::Reason::Other: break;
  }
  throw Failure(ExitStatus::Failure, "pcap", failure.what());
}

// By index. A VM's port that comes later is not among them.
std::set<unsigned> find_inner_devices(const CaptureTarget& target) {
  std::set<unsigned> devices;
  const unsigned tap = ::if_nametoindex(target.tap.c_str());
  if (tap == 0) return devices;
  NetlinkSocket netlink;
  devices = find_bridge_ports(netlink, tap);
  devices.insert(tap);
  if (const unsigned bridge = ::if_nametoindex(target.bridge.c_str()); bridge != 0) devices.insert(bridge);
  return devices;
}

// Returns how many were written, `count_max` at most.
std::uint64_t copy_packets(PacketCapture& capture, std::uint64_t count_max, int output, const StopSignal& stop) {
  std::uint64_t count = 0;
  std::optional<steady_clock::time_point> end;  // once interrupted
  while (count < count_max && (!end || steady_clock::now() < *end)) {
    // A pipe that nobody reads any more shows by POLLERR, also while there is nothing to write.
    std::array<pollfd, 3> entries{pollfd{capture.fd(), POLLIN, 0}, pollfd{output, 0, 0}, pollfd{stop.fd(), POLLIN, 0}};
    const milliseconds patience = end ? kLastTime : kLookTime;
    const int ready = ::poll(entries.data(), end ? 2 : 3, static_cast<int>(patience.count()));
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (!end && entries[2].revents != 0) end = steady_clock::now() + kLastTime;
    const auto copied = capture.copy(count_max - count);
    if (!copied) break;
    count += *copied;
    if ((entries[1].revents & (POLLERR | POLLNVAL)) != 0) break;
  }
  return count;
}

}  // namespace

CaptureTarget capture_target_of(std::string_view status) {
  const auto answer = nlohmann::json::parse(status, nullptr, false);
  try {
    return {.tap = answer.at("tap").get<std::string>(),
            .bridge = answer.at("bridge").get<std::string>(),
            .port = answer.at("port").get<std::uint16_t>(),
            .network_namespace = answer.at("network_namespace").get<std::uint64_t>()};
  } catch (const nlohmann::json::exception&) {
    throw Failure(ExitStatus::Failure, "pcap",
                  "the daemon's status lacks what a capture needs; is it an older version?",
                  "rove down and rove up, with the same rove");
  }
}

CaptureOptions make_capture_options(const PcapCommand& command, const CaptureTarget& target,
                                    const std::set<unsigned>& inner_devices) {
  CaptureOptions options;
  if (command.snaplen) options.snaplen = std::min(*command.snaplen, kCaptureSnaplenMax);
  options.device = command.outside ? "any" : target.tap;
  options.filter = command.filter;
  if (!command.outside) return options;
  options.filter = "udp port " + std::to_string(target.port);
  // VMs may use the same port among themselves.
  for (const unsigned ifindex : inner_devices) options.filter += " and not ifindex " + std::to_string(ifindex);
  if (!command.filter.empty()) options.filter += " and (" + command.filter + ")";
  return options;
}

void run_pcap(const PcapCommand& command, const std::filesystem::path& socket, const std::string& network, int output,
              std::ostream& errors) {
  if (::isatty(output) == 1) {
    throw Failure(ExitStatus::Usage, "pcap", "a capture is nothing to read on a terminal", "rove pcap | tcpdump -nr -");
  }
  ControlClient client{socket, network, kCallTimeout};
  const ControlResponse status = client.call({}, kCallTimeout);
  if (status.status != ExitStatus::Ok) throw Failure(status.status, status.what, status.why, status.next);
  const CaptureTarget target = capture_target_of(status.data);
  if (target.network_namespace != 0 && target.network_namespace != network_namespace_id()) {
    throw Failure(ExitStatus::Failure, "pcap", "the daemon runs in another network namespace",
                  "the same there: ip netns exec NAMESPACE rove pcap, or nsenter --net");
  }

  const StopSignal stop{SIGPIPE};
  Output file{output, stop};
  std::uint64_t count = 0;
  try {
    PacketCapture capture{make_capture_options(command, target, find_inner_devices(target)),
                          [&file](BytesView data) { return file.write(data); }};
    count = copy_packets(capture, command.count.value_or(std::numeric_limits<std::uint64_t>::max()), output, stop);
    errors << count << (count == 1 ? " packet" : " packets") << " captured, " << capture.dropped()
           << " dropped by the kernel\n";
  } catch (const CaptureFailure& failure) {
    fail(failure, target, network);
  }
  if (file.error() != 0) {
    throw Failure(ExitStatus::Failure, "pcap", std::string{"write to standard output: "} + std::strerror(file.error()));
  }
}

}  // namespace rove
