// The loop:
//
//   poll ─► commands ─► ports: read what came ─► counters, trim ─► rest for kRest, so that bulk traffic wakes it seldom
//
// A request reads the port once more, so that resting loses nothing.
#include "tap/port_capture.h"

#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
// The kernel's headers go last: libc's keep them from defining the same types.
#include <linux/rtnetlink.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/base/mailbox.h"
#include "core/replay/transit_log.h"
#include "core/wire/ethernet.h"
#include "tap/clock.h"
#include "tap/port_socket.h"
#include "tap/signals_blocked.h"
#include "tap/wake_signal.h"

namespace rove {
namespace {

constexpr std::size_t kMessagesMax = 8192;
// A frame in a port's socket waits at most so long before it is read, unless somebody asks.
constexpr std::chrono::milliseconds kRest{2};
// … while a VM is stopped, here or to come here: nobody waits for it, each time wakes three threads at either host, and
// the hypervisor needs the processor to move the VM.
constexpr std::chrono::milliseconds kStreamRest{5};
// Above this many kept frames the counters are read, to see which may go.
constexpr std::size_t kTrimAbove = 256;
// What a request is answered with must be of one moment: frames that come between reading socket and counters make it
// read again, this often at most.
constexpr int kConsistentTries = 8;
// A stopped hypervisor takes one frame more: it has done so after this time.
constexpr std::chrono::milliseconds kSettleTime{1};
// Read, and handed on all the same: the one frame that a stopped hypervisor takes and drops (QEMU 7.2, tap_send()).
constexpr std::uint64_t kSwallowed = 1;
// … and what it may have given to a guest that no longer ran.
constexpr std::uint64_t kDoubtful = 3;
// A port's device that is gone is remembered for so long: the claim of the VM's new host may be on its way.
constexpr std::chrono::seconds kGoneTime{5};
constexpr unsigned kLowerUp = 0x10000;  // IFF_LOWER_UP of linux/if.h, which libc's net/if.h excludes
// Counters are read so often while frames come, or, of many ports, as much less often as there are: reading takes some
// 20 µs. PortRing does not know better when the device dropped frames.
constexpr std::chrono::milliseconds kCountersPeriodMin{5};
constexpr std::chrono::milliseconds kCountersPeriodMax{20};
constexpr std::chrono::milliseconds kCountersPeriodOfPort{1};
// A hypervisor that reads nothing for so long may have stopped its guest to move it. Then the VM's frames are watched
// on their way through the bridge, for kTransitTime: the hypervisor will close its port.
constexpr std::chrono::milliseconds kStallTime{5};
constexpr std::chrono::seconds kTransitTime{5};
constexpr std::size_t kTransitsMax = 64;
// Between the two messages about a stop lies a question to the hypervisor, which answers as soon as it has sent the
// last of the VM's state: mostly before anybody asks for frames. A request waits so long for the second one, as the
// node waits 15 ms.
constexpr std::chrono::milliseconds kStopPatience{8};
// What is known of a stop serves the move that it belongs to. A VM that goes on is noticed by what its hypervisor
// reads.
constexpr std::chrono::seconds kStopTime{60};

struct Follow {
  MacAddress vm;
  unsigned ifindex;
  bool expected;
};
struct Forget {
  MacAddress vm;
};
struct Stop {
  MacAddress vm;
  std::optional<std::uint64_t> delivered;
};
struct StreamChange {
  MacAddress vm;
  bool start;
};
struct Request {
  MacAddress vm;
  bool whole;
};
using Command = std::variant<Follow, Forget, Stop, StreamChange, Request>;

}  // namespace

struct PortCapture::Impl {
  // Frames to one VM between the ports of its bridge, while its hypervisor reads nothing.
  struct Transit {
    Transit(const MacAddress& mac, std::set<unsigned> bridge_ports)
        : vm(mac), ports(std::move(bridge_ports)), socket(mac) {}
    MacAddress vm;
    std::set<unsigned> ports;
    TransitSocket socket;
    TransitLog log;
  };

  // What is told ahead of a VM whose hypervisor has stopped.
  struct Stream {
    MacAddress vm;
    std::uint64_t delivered = 0;  // as PortCounters::read
    std::uint64_t seen = 0;       // told up to here, as PortRing::seen()
    std::size_t frames = 0;
    std::size_t octets = 0;
  };

  struct Port {
    Port(unsigned index, const PortLink& link) : ifindex(index), name(link.name), socket(index), ring(link.counters) {}
    unsigned ifindex;
    std::string name;
    bool carrier = true;
    std::optional<PortCounters> closed;  // final: nobody holds the device open, so nobody reads any more
    PortSocket socket;
    PortRing ring;
    std::size_t vms = 0;  // of ports_of
    TimePoint counters_at{};
    std::uint64_t read = 0;                 // as of the last look at the counters
    std::optional<TimePoint> unread_since;  // and nothing has been read since
    std::vector<Transit> transits;
    TimePoint transits_until{};
    std::optional<Stream> stream;
    std::optional<PortCounters> last;  // of a device that is gone
    TimePoint gone_at{};
  };

  struct Stopped {
    std::optional<std::uint64_t> delivered;
    TimePoint at{};
  };
  struct Waiting {
    Request request;
    TimePoint until{};
  };

  Impl(Mode mode_, const OwnPort& own_port_, std::function<void()> wake_)
      : mode(mode_),
        own_port(own_port_),
        wake(std::move(wake_)),
        commands(kMessagesMax),
        captured(kMessagesMax),
        closed(kMessagesMax),
        links({RTNLGRP_LINK}) {
    const PortSocket permitted{loopback_index()};  // throws here rather than in the thread
    const SignalsBlocked blocked;
    thread = std::thread{[this] { run(); }};
    pthread_setname_np(thread.native_handle(), "rove-capture");
  }

  ~Impl() {
    stopping.store(true, std::memory_order_release);
    waking.notify();
    thread.join();
  }

  static unsigned loopback_index() {
    const unsigned index = if_nametoindex("lo");
    if (index == 0) throw std::system_error(errno, std::generic_category(), "find the device lo");
    return index;
  }

  // ---- control thread ----------------------------------------------------------------------------

  void post(Command command) {
    if (commands.push(std::move(command))) {
      waking.notify();
    } else {
      messages_lost.fetch_add(1, std::memory_order_relaxed);
    }
  }

  // ---- its own thread ----------------------------------------------------------------------------

  void run() {
    while (!stopping.load(std::memory_order_acquire)) {
      wait();
      handle_commands();
      handle_links();
      const TimePoint now = read_steady_clock();
      handle_waiting(now);
      if (now < resting_until) continue;
      bool news = false;
      for (auto& [index, port] : ports) news = drain(now, port) || news;
      for (auto it = ports.begin(); it != ports.end();) {
        const bool over = it->second.last && now - it->second.gone_at > kGoneTime;
        it = over ? erase(it) : std::next(it);
      }
      bool stopped_vms = false;
      for (auto& [index, port] : ports) {
        stopped_vms = stopped_vms || port.stream || port.unread_since;
        if (port.stream) stream_on(port);
      }
      if (news) resting_until = now + (stopped_vms ? kStreamRest : kRest);
    }
  }

  void wait() {
    polled.clear();
    polled.push_back({waking.fd(), POLLIN, 0});
    polled.push_back({links.fd(), POLLIN, 0});
    const TimePoint now = read_steady_clock();
    const bool resting = now < resting_until;
    int timeout = -1;
    if (resting) {
      timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(resting_until - now).count());
    } else {
      for (const auto& [index, port] : ports) {
        if (port.last) {
          timeout = 1000;
        } else {
          polled.push_back({port.socket.fd(), POLLIN, 0});
        }
      }
    }
    if (!waiting.empty()) timeout = timeout < 0 ? 1 : std::min(timeout, 1);  // ms
    (void)poll(polled.data(), polled.size(), timeout);                       // EINTR: a turn for nothing
    waking.drain();
  }

  void handle_commands() {
    while (auto command = commands.pop()) {
      std::visit([this](auto& each) { handle(each); }, *command);
    }
  }

  void handle_links() {
    // An overflow may hide that a device went: then its VM moves as without replay.
    while (links.receive(link_messages) == NetlinkSocket::Received::Messages) {
      for (const NetlinkMessage& message : link_messages) {
        const auto head = load_native<ifinfomsg>(message.payload);
        if (!head) continue;
        const auto port = ports.find(static_cast<unsigned>(head->ifi_index));
        if (head->ifi_family == AF_BRIDGE && port != ports.end()) {
          // The bridge stops using the port a little before the device tells, and has no counters.
          const bool lost = (head->ifi_flags & kLowerUp) == 0 && !port->second.last;
          if (lost && std::exchange(port->second.carrier, false)) tell_closed(port->first);
        }
        if (head->ifi_family != AF_UNSPEC) continue;
        const auto link = port_link_of(message);
        if (port == ports.end() || port->second.last || !link) continue;
        const bool gone = message.type == RTM_DELLINK;
        const bool had_carrier = std::exchange(port->second.carrier, link->carrier && !gone);
        port->second.closed = port->second.carrier ? std::nullopt : std::optional{link->counters};
        if (gone) handle_gone(port->second, link->counters);
        if (had_carrier && !port->second.carrier) tell_closed(port->first);
      }
    }
  }

  void handle_gone(Port& port, const PortCounters& last) {
    const TimePoint now = read_steady_clock();
    drain(now, port);
    port.last = last;
    port.gone_at = now;
    port.ring.handle_counters(now, last);
  }

  void tell_closed(unsigned ifindex) {
    for (const auto& [vm, index] : ports_of) {
      if (index != ifindex) continue;
      if (!closed.push(MacAddress{vm})) messages_lost.fetch_add(1, std::memory_order_relaxed);
    }
    wake();
  }

  // True when there was something.
  bool drain(TimePoint now, Port& port) {
    if (port.last) return false;
    const std::uint64_t count = read_socket(port);
    for (Transit& transit : port.transits) read_transit(transit, port.ifindex);
    if (count > 0 && (port.ring.size() > kTrimAbove || now - port.counters_at > counters_period())) {
      if (read_counters(now, port)) {
        port.ring.trim();
        watch_progress(now, port);
      }
    }
    return count > 0;
  }

  // Returns how many frames came.
  std::uint64_t read_socket(Port& port) {
    std::uint64_t count = 0;
    const std::uint64_t lost = port.socket.read([&](PortFrame frame) {
      ++count;
      port.ring.push(std::move(frame));
    });
    port.ring.handle_lost(lost);
    seen.fetch_add(count, std::memory_order_relaxed);
    frames_lost.fetch_add(lost, std::memory_order_relaxed);
    return count;
  }

  [[nodiscard]] Duration counters_period() const {
    return std::clamp<Duration>(ports.size() * kCountersPeriodOfPort, kCountersPeriodMin, kCountersPeriodMax);
  }

  void watch_progress(TimePoint now, Port& port) {
    if (port.ring.unread() == 0) {
      port.unread_since.reset();
    } else if (!port.unread_since || port.ring.read() != port.read) {
      port.unread_since = now;
    }
    port.read = port.ring.read();
    if (!port.transits.empty() && now >= port.transits_until) close_transits(port);
    // Who reads nothing for longer is stopped for another reason than a move.
    const Duration unread = port.unread_since ? now - *port.unread_since : Duration{0};
    const bool stalled = unread >= kStallTime && unread < kTransitTime;
    if (!stalled || port.closed) return;
    if (port.transits.empty()) open_transits(port);
    port.transits_until = now + kTransitTime;
  }

  void open_transits(Port& port) {
    try {
      const std::set<unsigned> bridge_ports = find_bridge_ports(netlink, port.ifindex);
      if (bridge_ports.empty()) return;
      for (const auto& [vm, ifindex] : ports_of) {
        const bool concerns = ifindex == port.ifindex && !expected.contains(vm);  // that one comes, and does not go
        if (!concerns || transits.load(std::memory_order_relaxed) >= kTransitsMax) continue;
        port.transits.emplace_back(vm, bridge_ports);
        transits.fetch_add(1, std::memory_order_relaxed);
      }
    } catch (const std::system_error&) {  // no descriptor is left: what the kernel drops is lost
      close_transits(port);
    }
  }

  void close_transits(Port& port) {
    transits.fetch_sub(port.transits.size(), std::memory_order_relaxed);
    port.transits.clear();
  }

  void read_transit(Transit& transit, unsigned port) const {
    const std::uint64_t lost = transit.socket.read([&](TransitSocket::Frame passing) {
      if (!passing.whole || !transit.ports.contains(passing.ifindex)) return;
      const Result<FrameInfo> info = parse_frame(passing.frame.frame);
      if (!info || info->is_rarp() || info->source == own_port.probe_mac) return;  // moves the bridge's entry, or asks
      if (passing.outgoing) {
        // A flood to others is no delivery.
        const bool ours = passing.ifindex == port || passing.ifindex == own_port.ifindex;
        if (ours) transit.log.handle_out(passing.frame.frame, passing.ifindex == port);
      } else {
        transit.log.handle_in(std::move(passing.frame));
      }
    });
    if (lost > 0) transit.log.handle_lost();
  }

  // What the kernel dropped since the hypervisor began to leave.
  void add_dropped(Port& port, CapturedFrames& answer) {
    if (!port.closed && !port.last) return;
    for (Transit& transit : port.transits) {
      if (transit.vm != answer.vm) continue;
      read_transit(transit, port.ifindex);
      for (PortFrame& frame : transit.log.take_dropped()) {
        answer.frames.push_back(std::move(frame));
        frames_found.fetch_add(1, std::memory_order_relaxed);
      }
    }
  }

  // True when the ring knows the counters of one moment.
  bool read_counters(TimePoint now, Port& port) {
    for (int i = 0; i < kConsistentTries && !port.last; ++i) {
      counter_reader.read();
      // The kernel forgets a device's name a good while before it tells that the device is gone.
      auto counters = counter_reader.find(port.name);
      if (!counters) counters = port.closed;
      if (!counters) break;
      std::uint64_t count = 0;
      const std::uint64_t lost = port.socket.read([&](PortFrame frame) {
        ++count;
        held_back.push_back(std::move(frame));
      });
      const bool consistent = count + lost == 0;
      if (consistent) port.ring.handle_counters(now, *counters);
      for (PortFrame& frame : held_back) port.ring.push(std::move(frame));
      held_back.clear();
      port.ring.handle_lost(lost);
      seen.fetch_add(count, std::memory_order_relaxed);
      port.counters_at = now;
      if (consistent) return true;
    }
    return port.last.has_value();
  }

  Port* find_port(const MacAddress& vm) {
    const auto index = ports_of.find(vm);
    if (index == ports_of.end()) return nullptr;
    const auto port = ports.find(index->second);
    return port == ports.end() ? nullptr : &port->second;
  }

  std::map<unsigned, Port>::iterator erase(std::map<unsigned, Port>::iterator port) {
    std::erase_if(ports_of, [index = port->first](const auto& entry) { return entry.second == index; });
    close_transits(port->second);
    port = ports.erase(port);
    ports_now.store(ports.size(), std::memory_order_relaxed);
    return port;
  }

  void handle(const Follow& command) {
    if (command.expected) {
      expected.insert(command.vm);
    } else {
      expected.erase(command.vm);
    }
    const auto known = ports_of.find(command.vm);
    if (known != ports_of.end() && known->second == command.ifindex && ports.contains(command.ifindex)) return;
    unfollow(command.vm);
    auto port = ports.find(command.ifindex);
    if (port == ports.end()) {
      const auto link = find_port_link(netlink, command.ifindex);
      if (!link) return;
      if (ports.size() >= kCapturedPortsMax) {
        ports_refused.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      try {
        port = ports.try_emplace(command.ifindex, command.ifindex, *link).first;
        port->second.carrier = link->carrier;
      } catch (const std::system_error&) {  // it went just now, or no descriptor is left
        ports_refused.fetch_add(1, std::memory_order_relaxed);
        return;
      }
      ports_now.store(ports.size(), std::memory_order_relaxed);
    }
    ports_of[command.vm] = command.ifindex;
    ++port->second.vms;
  }

  void handle(const Forget& command) {
    expected.erase(command.vm);
    unfollow(command.vm);
  }

  void unfollow(const MacAddress& vm) {
    const auto known = ports_of.find(vm);
    if (known == ports_of.end()) return;
    const auto port = ports.find(known->second);
    ports_of.erase(known);
    if (port != ports.end() && --port->second.vms == 0) erase(port);
  }

  void handle(const Stop& command) {
    const TimePoint now = read_steady_clock();
    std::erase_if(stopped, [now](const auto& entry) { return now - entry.second.at > kStopTime; });
    if (stopped.size() >= kCapturedPortsMax && !stopped.contains(command.vm)) return;
    stopped[command.vm] = {command.delivered, now};
    if (command.delivered) stops.fetch_add(1, std::memory_order_relaxed);
  }

  void handle(const StreamChange& command) {
    Port* port = find_port(command.vm);
    if (port == nullptr) return;
    if (!command.start) {
      if (port->stream && port->stream->vm == command.vm) port->stream.reset();
      return;
    }
    if (port->stream && port->stream->vm == command.vm) {
      drain(read_steady_clock(), *port);
      stream_on(*port);
      if (!port->stream) return;
      CapturedFrames up_to_date;
      up_to_date.vm = command.vm;
      up_to_date.ahead = true;
      up_to_date.state = AheadState::UpToDate;
      return tell(std::move(up_to_date));
    }
    const auto stop = stopped.find(command.vm);
    if (port->stream || mode != Mode::Exact || stop == stopped.end() || !stop->second.delivered) return;
    const TimePoint now = read_steady_clock();
    drain(now, *port);
    if (!read_counters(now, *port)) return;
    const auto undelivered = port->ring.undelivered(*stop->second.delivered);
    if (!undelivered) return;
    port->stream = Stream{command.vm, *stop->second.delivered, port->ring.seen(), 0, 0};
    tell_ahead(*port->stream, port->ring.take(command.vm, *undelivered).frames);
  }

  void stream_on(Port& port) {
    Stream& stream = *port.stream;
    if (port.ring.read() > stream.delivered + kUndeliveredMax) {
      CapturedFrames resumed;
      resumed.vm = stream.vm;
      resumed.ahead = true;
      resumed.state = AheadState::Resumed;
      port.stream.reset();
      return tell(std::move(resumed));
    }
    // What is more than a port's queue can hold is told when it is asked for.
    const bool full = stream.frames >= kPortFramesMax || stream.octets >= kPortOctetsMax;
    if (full || port.ring.seen() == stream.seen) return;
    std::vector<PortFrame> frames = port.ring.take_after(stream.vm, stream.seen).frames;
    stream.seen = port.ring.seen();
    tell_ahead(stream, std::move(frames));
  }

  void tell_ahead(Stream& stream, std::vector<PortFrame> frames) {
    if (frames.empty()) return;
    stream.frames += frames.size();
    for (const PortFrame& frame : frames) stream.octets += frame.frame.size();
    frames_streamed.fetch_add(frames.size(), std::memory_order_relaxed);
    tell({stream.vm, std::move(frames), 0, /*ahead=*/true, AheadState::More});
  }

  // What this host asked its VM is answered here or by nobody.
  void tell(CapturedFrames answer) {
    std::erase_if(answer.frames, [this](const PortFrame& frame) {
      const auto& octets = own_port.probe_mac.octets;
      return frame.frame.size() >= 2 * octets.size() &&
             std::equal(octets.begin(), octets.end(), frame.frame.begin() + octets.size());
    });
    if (!captured.push(std::move(answer))) messages_lost.fetch_add(1, std::memory_order_relaxed);
    wake();
  }

  void handle(const Request& command) {
    const auto stop = stopped.find(command.vm);
    const TimePoint now = read_steady_clock();
    const bool is_coming = stop != stopped.end() && !stop->second.delivered && now - stop->second.at < kStopTime;
    if (!is_coming) return answer_request(command);
    waiting.push_back({command, now + kStopPatience});
  }

  void handle_waiting(TimePoint now) {
    for (std::size_t i = 0; i < waiting.size();) {
      const auto [request, until] = waiting[i];
      const auto stop = stopped.find(request.vm);
      const bool is_coming = stop != stopped.end() && !stop->second.delivered;
      if (is_coming && now < until) {
        ++i;
        continue;
      }
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
      answer_request(request);
    }
  }

  void answer_request(const Request& request) {
    const MacAddress& vm = request.vm;
    CapturedFrames answer;
    answer.vm = vm;
    if (Port* port = find_port(vm)) {
      const TimePoint now = read_steady_clock();
      if (!port->last && !port->closed) std::this_thread::sleep_for(kSettleTime);
      drain(now, *port);
      const bool continues = !request.whole && port->stream && port->stream->vm == vm;
      if (read_counters(now, *port)) {
        PortRing::Taken taken = continues ? port->ring.take_after(vm, port->stream->seen)
                                          : port->ring.take(vm, read_before(now, vm, *port));
        answer.frames = std::move(taken.frames);
        answer.missing = taken.missing;
      }
      add_dropped(*port, answer);
      if (port->stream && port->stream->vm == vm) port->stream.reset();
    }
    stopped.erase(vm);
    tell(std::move(answer));
  }

  // How many of the frames that were read are to be handed on too. The announce that this host wrote to its bridge on
  // behalf of the VM's new host went to this port as well, so a hypervisor that had nothing to read since it stopped
  // the guest has read that. A hypervisor that told what it delivered leaves nothing to guess.
  [[nodiscard]] std::uint64_t read_before(TimePoint now, const MacAddress& vm, const Port& port) {
    if (mode == Mode::AtLeastOnce) return kDoubtful;
    const auto stop = stopped.find(vm);
    if (stop != stopped.end() && stop->second.delivered && now - stop->second.at < kStopTime) {
      if (const auto undelivered = port.ring.undelivered(*stop->second.delivered)) {
        stops_used.fetch_add(1, std::memory_order_relaxed);
        frames_undelivered.fetch_add(*undelivered, std::memory_order_relaxed);
        return *undelivered;
      }
    }
    return port.ring.unread() > 0 ? kSwallowed : 0;
  }

  const Mode mode;
  const OwnPort own_port;
  const WakeSignal waking;
  const std::function<void()> wake;
  Mailbox<Command> commands;
  Mailbox<CapturedFrames> captured;
  Mailbox<MacAddress> closed;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> ports_now{0}, ports_refused{0}, transits{0}, seen{0}, frames_lost{0}, frames_found{0},
      stops{0}, stops_used{0}, frames_streamed{0}, frames_undelivered{0}, messages_lost{0};

  // The thread's.
  NetlinkSocket links;
  NetlinkSocket netlink;
  PortCounterReader counter_reader;  // of the namespace of the thread that makes it, which starts this one
  std::vector<NetlinkMessage> link_messages;
  std::map<unsigned, Port> ports;  // by ifindex
  std::map<MacAddress, unsigned> ports_of;
  std::map<MacAddress, Stopped> stopped;
  std::set<MacAddress> expected;  // of ports_of
  std::vector<Waiting> waiting;   // one for each VM that moves away just now
  std::vector<PortFrame> held_back;
  std::vector<pollfd> polled;
  TimePoint resting_until{};

  std::thread thread;  // last: the rest exists when it starts
};

PortCapture::PortCapture(Mode mode, const OwnPort& own_port, std::function<void()> wake)
    : impl_(std::make_unique<Impl>(mode, own_port, std::move(wake))) {}
PortCapture::~PortCapture() = default;

void PortCapture::follow(const MacAddress& vm, unsigned ifindex, bool expected) {
  impl_->post(Follow{vm, ifindex, expected});
}
void PortCapture::forget(const MacAddress& vm) {
  impl_->post(Forget{vm});
}
void PortCapture::note_stop(const MacAddress& vm, std::optional<std::uint64_t> delivered) {
  impl_->post(Stop{vm, delivered});
}
void PortCapture::stream(const MacAddress& vm, bool start) {
  impl_->post(StreamChange{vm, start});
}
void PortCapture::request(const MacAddress& vm, bool whole) {
  impl_->post(Request{vm, whole});
}
std::optional<CapturedFrames> PortCapture::poll_captured() {
  return impl_->captured.pop();
}
std::optional<MacAddress> PortCapture::poll_closed() {
  return impl_->closed.pop();
}

PortCaptureCounters PortCapture::counters() const {
  const auto value = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  return {value(impl_->ports_now),       value(impl_->ports_refused),
          value(impl_->transits),        value(impl_->seen),
          value(impl_->frames_lost),     value(impl_->frames_found),
          value(impl_->stops),           value(impl_->stops_used),
          value(impl_->frames_streamed), value(impl_->frames_undelivered),
          value(impl_->messages_lost)};
}

}  // namespace rove
