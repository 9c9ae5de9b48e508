// Two workers in one process, each between a bridge with a guest's TAP and the loopback:
//
//   guest A ─ bridge ─ rove's TAP ─ worker A ══ UDP 127.0.0.1 ══ worker B ─ rove's TAP ─ bridge ─ guest B
#include "tap/worker.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <ostream>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "core/crypto/hash.h"
#include "core/wire/checksum.h"
#include "core/wire/header.h"
#include "tap/clock.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/private_network.h"
#include "tests/support/test_superframe.h"
#include "tests/unit/tap/worker_lab.h"

namespace rove {
namespace {

struct VirtualMachine {
  MacAddress mac;
  IpAddress ip;
};
const VirtualMachine kVmA{mac_of("02:00:00:00:00:0a"), ip_of("10.77.0.1")};
const VirtualMachine kVmB{mac_of("02:00:00:00:00:0b"), ip_of("10.77.0.2")};

Bytes frame_between(const VirtualMachine& from, const VirtualMachine& to, std::size_t payload = 200) {
  Bytes frame = ipv4_frame(to.mac, from.mac, from.ip, to.ip, Bytes(payload, 0x5a), 253);
  // Bridges with netfilter drop packets whose header checksum is wrong.
  store_be(&frame[24], internet_checksum({BytesView{frame}.subspan(14, 20)}));
  return frame;
}

Bytes broadcast_from(const VirtualMachine& from, std::uint8_t octet = 0) {
  return ethernet_frame(MacAddress::broadcast(), from.mac, 0x88b5, Bytes(46, octet));
}

// Tries until `condition` holds; false when it does not within the limit.
template <typename Condition>
bool eventually(Condition condition) {
  const TimePoint end = read_steady_clock() + kLimit;
  while (!condition()) {
    if (read_steady_clock() > end) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

Bytes read_frame(TapQueue& queue) {
  Bytes buffer(kFrameSizeMax);
  std::size_t size = 0;
  while (size == 0 && wait_readable(queue.fd(), kLimit)) size = queue.read(buffer).size;
  buffer.resize(size);
  return buffer;
}

// One side of the picture.
struct Site {
  TapDevice guest;
  TapDevice device;
  std::string device_name;
  UdpSocketPair sockets;
  Endpoint endpoint;
  std::counting_semaphore<> woken{0};
  std::function<void()> on_wake = [] {};  // on the worker's thread
  std::optional<Worker> worker;

  explicit Site(const std::string& name, const TapOffloads& offloads = {})
      : guest(open_tap({.name = name + "guest", .mtu = 1400, .bridge = name + "bridge", .offloads = offloads})),
        device(open_tap({.name = name + "rove", .mtu = 1400, .bridge = name + "bridge", .offloads = offloads})),
        device_name(name + "rove") {
    sockets.v4 = UdpSocket::bind({ip_of("127.0.0.1"), 0});
    endpoint = sockets.v4->local();
  }

  void start(const WorkerConfig& config = {}) {
    worker.emplace(config, std::move(device.queue), std::move(sockets), PortWriter{}, [this] {
      on_wake();
      woken.release();
    });
  }

  template <typename T>
  std::optional<T> wait_event() {
    return rove::wait_event<T>(*worker, woken);
  }
};

// Keeps a site's worker standing in its wake callback, where it reads and takes nothing. To be made before it starts.
class StandingWorker {
 public:
  explicit StandingWorker(Site& site) : site_(site) {
    site.on_wake = [this] {
      entered_ = true;
      const std::lock_guard pass{gate_};
    };
  }
  ~StandingWorker() {
    if (closed_.owns_lock()) closed_.unlock();
    site_.worker.reset();  // before what it stands in
  }

  void stop() {
    closed_.lock();
    entered_ = false;
    CHECK(site_.guest.queue.write(broadcast_from(kVmA)));
    REQUIRE(eventually([&] { return entered_.load(); }));
  }
  void go_on() { closed_.unlock(); }

 private:
  Site& site_;
  std::mutex gate_;
  std::unique_lock<std::mutex> closed_{gate_, std::defer_lock};
  std::atomic<bool> entered_{false};
};

struct SiteView {
  NodeId self;
  NodeId peer;
  VirtualMachine local;
  VirtualMachine remote;
  std::uint8_t seal = 0;
  std::uint8_t open = 0;
};
const SiteView kViewOfA{node(1), node(2), kVmA, kVmB, 0x11, 0x22};
const SiteView kViewOfB{node(2), node(1), kVmB, kVmA, 0x22, 0x11};

// What the control thread of that site would publish.
NewSnapshot snapshot_of(const SiteView& view, const Endpoint& peer_endpoint) {
  auto snapshot = std::make_shared<Snapshot>();
  VmView local;
  local.owner = view.self;
  local.ips = {view.local.ip};
  VmView remote;
  remote.place = VmView::Place::Remote;
  remote.owner = view.peer;
  remote.ips = {view.remote.ip};
  snapshot->vms[view.local.mac] = local;
  snapshot->vms[view.remote.mac] = remote;
  SessionView session;
  session.serial = 1;
  session.peer = view.peer;
  session.local_index = SessionIndex{view.open};
  session.remote_index = SessionIndex{view.seal};
  session.seal_key = key_of(view.seal);
  session.open_key = key_of(view.open);
  session.endpoint = peer_endpoint;
  session.expires = read_steady_clock() + std::chrono::minutes{10};
  snapshot->sessions = {{session.local_index, session}};
  snapshot->current = {{view.peer, session.local_index}};
  snapshot->subnets = {*parse_prefix("10.77.0.0/24")};
  return {snapshot};
}

// Both sides, running, with a session.
struct TwoSites {
  PrivateNetwork network;
  std::optional<Site> a;
  std::optional<Site> b;

  explicit TwoSites(const WorkerConfig& config_of_a = {}, const TapOffloads& offloads = {}) {
    init_crypto();
    if (!network.permitted()) return;
    a.emplace("a", offloads);
    b.emplace("b", offloads);
    a->start(config_of_a);
    b->start();
    CHECK(a->worker->post(snapshot_of(kViewOfA, b->endpoint)));
    CHECK(b->worker->post(snapshot_of(kViewOfB, a->endpoint)));
  }
};

// The numbers of the threads of that name.
std::vector<int> worker_threads() {
  DIR* tasks = opendir("/proc/self/task");
  REQUIRE(tasks != nullptr);
  std::vector<int> threads;
  while (const dirent* entry = readdir(tasks)) {
    std::ifstream status{std::string{"/proc/self/task/"} + entry->d_name + "/status"};
    std::string name;
    std::getline(status, name);
    if (name == "Name:\trove-worker") threads.push_back(std::stoi(entry->d_name));
  }
  closedir(tasks);
  return threads;
}

// Of the worker's thread, in hexadecimal.
std::string blocked_signals() {
  std::string blocked;
  for (const int thread : worker_threads()) {
    std::ifstream status{"/proc/self/task/" + std::to_string(thread) + "/status"};
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("SigBlk:\t", 0) == 0) blocked = line.substr(8);
    }
  }
  return blocked;
}

}  // namespace

TEST_CASE("Worker: a frame of the guest here comes out at the guest there, and back") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  for (const std::size_t payload : {46, 600, 1380}) {
    const Bytes there = frame_between(kVmA, kVmB, payload);
    CHECK(sites.a->guest.queue.write(there));
    CHECK(read_frame(sites.b->guest.queue) == there);
    const Bytes back = frame_between(kVmB, kVmA, payload);
    CHECK(sites.b->guest.queue.write(back));
    CHECK(read_frame(sites.a->guest.queue) == back);
  }
  CHECK(eventually([&] { return sites.a->worker->counters().forwarder.frames_out == 3; }));
  const WorkerCounters counters = sites.a->worker->counters();
  CHECK(counters.forwarder.datagrams_sealed == 3);
  CHECK(counters.forwarder.datagrams_opened == 3);
  CHECK(counters.tap_write_errors == 0);
  CHECK(counters.udp_send_errors == 0);
  CHECK_FALSE(sites.a->worker->failure());
}

TEST_CASE("Worker: a long burst arrives whole and in order") {
  TwoSites sites;
  if (!sites.network.permitted()) return;
  constexpr std::uint32_t kFrames = 3000;
  Bytes frame = frame_between(kVmA, kVmB, 1000);

  std::uint32_t received = 0;
  for (std::uint32_t sent = 0; sent < kFrames; ++sent) {
    store_be(&frame[40], sent);
    CHECK(sites.a->guest.queue.write(frame));
    // No more than a device's queue holds may be under way.
    if (sent - received < 200 && sent + 1 < kFrames) continue;
    while (received <= sent) {
      const Bytes arrived = read_frame(sites.b->guest.queue);
      REQUIRE(arrived.size() == frame.size());
      REQUIRE(load_be<std::uint32_t>(&arrived[40]) == received);
      ++received;
    }
  }
  CHECK(received == kFrames);
}

TEST_CASE("Worker: what the packet path does not decide wakes the control thread") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  CHECK(sites.a->guest.queue.write(broadcast_from(kVmA)));
  const auto punted = sites.a->wait_event<PuntedFrame>();
  REQUIRE(punted);
  CHECK(punted->frame == broadcast_from(kVmA));

  const Bytes sealed(100, 3);  // first octet: the type
  CHECK(sites.b->worker->send(sites.a->endpoint, sealed));
  const auto datagram = sites.a->wait_event<ControlDatagram>();
  REQUIRE(datagram);
  CHECK(datagram->from == sites.b->endpoint);
  CHECK(datagram->datagram == sealed);
}

TEST_CASE("Worker: a datagram to a family without a socket is not sent") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  CHECK_FALSE(sites.a->worker->send({ip_of("::1"), 9}, Bytes(10)));
}

TEST_CASE("Worker: frames that the control thread writes and sends come out") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  const Bytes announce = broadcast_from(kVmB);
  CHECK(sites.a->worker->post(WriteFrame{announce}));
  CHECK(read_frame(sites.a->guest.queue) == announce);

  const Bytes frame = frame_between(kVmA, kVmB);
  CHECK(sites.a->worker->post(SendFrame{node(2), 0, frame}));
  CHECK(read_frame(sites.b->guest.queue) == frame);
}

TEST_CASE("Worker: what is for a VM that has come just now goes to its port, not to the bridge") {
  TwoSites sites;
  if (!sites.network.permitted()) return;
  TapDevice port = open_tap({.name = "aport", .mtu = 1400, .bridge = ""});
  sites.network.ip("link set aport up");
  NewSnapshot detoured = snapshot_of(kViewOfA, sites.b->endpoint);
  auto changed = std::make_shared<Snapshot>(*detoured.snapshot);
  changed->vms[kVmA.mac].port = port.ifindex;
  changed->vms[kVmA.mac].detoured = true;
  CHECK(sites.a->worker->post(NewSnapshot{changed}));

  const Bytes ours = frame_between(kVmB, kVmA, 100);
  CHECK(sites.a->worker->post(WriteFrame{ours}));
  CHECK(read_frame(port.queue) == ours);
  const Bytes theirs = frame_between(kVmB, kVmA, 200);
  CHECK(sites.b->guest.queue.write(theirs));
  CHECK(read_frame(port.queue) == theirs);
  CHECK_FALSE(wait_readable(sites.a->guest.queue.fd(), std::chrono::milliseconds{20}));

  sites.network.ip("link delete aport");
  CHECK(sites.a->worker->post(WriteFrame{ours}));
  CHECK(eventually([&] { return sites.a->worker->counters().port_write_errors == 1; }));
}

TEST_CASE("Worker: while the TAP is down frames are dropped and counted, afterwards it goes on") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  sites.network.ip("link set arove down");
  CHECK(sites.a->worker->post(WriteFrame{broadcast_from(kVmB)}));
  CHECK(eventually([&] { return sites.a->worker->counters().tap_write_errors == 1; }));
  sites.network.ip("link set arove up");

  const Bytes frame = frame_between(kVmA, kVmB);
  CHECK(eventually([&] {
    CHECK(sites.a->guest.queue.write(frame));
    Bytes buffer(kFrameSizeMax);
    return wait_readable(sites.b->guest.queue.fd(), std::chrono::milliseconds{20}) &&
           sites.b->guest.queue.read(buffer).size == frame.size();
  }));
  CHECK_FALSE(sites.a->worker->failure());
}

TEST_CASE("Worker: when the TAP device is deleted, it says so and takes no more commands") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  sites.network.ip("link delete arove");

  CHECK(eventually([&] { return sites.a->worker->failure().has_value(); }));
  CHECK(sites.a->worker->failure()->rfind("read from the TAP device: ", 0) == 0);
  CHECK(sites.a->woken.try_acquire_for(kLimit));
  CHECK_FALSE(sites.a->worker->post(WriteFrame{broadcast_from(kVmB)}));
  CHECK_FALSE(sites.b->worker->failure());
}

TEST_CASE("Worker: what arrived while it had no processor is read before it gives up waiting for it") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  init_crypto();
  Site a{"a"};
  Site b{"b"};
  StandingWorker standing{b};
  a.start();
  b.start();
  CHECK(a.worker->post(snapshot_of(kViewOfA, b.endpoint)));
  // The VM has come from a lately, which hands over what is older than what its senders send straight.
  const TimePoint until = read_steady_clock() + std::chrono::milliseconds{200};
  auto moved = std::make_shared<Snapshot>(*snapshot_of(kViewOfB, a.endpoint).snapshot);
  VmView& vm = moved->vms[kVmB.mac];
  vm.hold = {.id = 1, .until = until, .until_max = until, .unplugged = false};
  vm.previous_owner = node(1);
  vm.takeover_until = until + kLimit;
  CHECK(b.worker->post(NewSnapshot{moved}));
  const Bytes newer = frame_between(kVmA, kVmB, 300);
  CHECK(a.guest.queue.write(newer));
  REQUIRE(eventually([&] { return b.worker->counters().forwarder.frames_held == 1; }));

  standing.stop();
  const Bytes older = frame_between(kVmA, kVmB, 200);
  CHECK(a.worker->post(SendFrame{node(2), kFlagForwarded | 1U << kFlagHopsShift, older}));
  REQUIRE(eventually([&] { return a.worker->counters().forwarder.datagrams_sealed == 2; }));
  REQUIRE(eventually([&] { return read_steady_clock() > until; }));
  standing.go_on();

  CHECK(read_frame(b.guest.queue) == older);
  CHECK(read_frame(b.guest.queue) == newer);
}

TEST_CASE("Worker: an echo comes back behind all that was in the TAP's queue") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  init_crypto();
  Site a{"a"};
  StandingWorker standing{a};
  a.start();
  standing.stop();
  constexpr std::size_t kFrames = 300;  // several turns' worth
  for (std::size_t i = 0; i < kFrames; ++i) CHECK(a.guest.queue.write(broadcast_from(kVmB)));
  CHECK(a.worker->post(Echo{kVmA.mac}));
  standing.go_on();

  std::size_t before = 0;
  bool echoed = false;
  CHECK(eventually([&] {
    while (auto event = a.worker->poll_event()) {
      if (std::holds_alternative<Echoed>(*event)) echoed = true;
      if (const auto* punted = std::get_if<PuntedFrame>(&*event); punted != nullptr && !echoed) {
        if (punted->frame == broadcast_from(kVmB)) ++before;
      }
    }
    return echoed;
  }));
  CHECK(before == kFrames);
}

TEST_CASE("Worker: a full mailbox refuses commands but never loses the last snapshot") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  init_crypto();
  Site a{"a"};
  Site b{"b"};
  StandingWorker standing{a};
  b.start();
  CHECK(b.worker->post(snapshot_of(kViewOfB, a.endpoint)));
  a.start({.forwarder = {}, .commands_max = 4, .events_max = 64});
  standing.stop();

  std::size_t posted = 0;
  while (a.worker->post(WriteFrame{broadcast_from(kVmB, static_cast<std::uint8_t>(posted))})) ++posted;
  CHECK(posted == 4);
  CHECK(a.worker->post(snapshot_of(kViewOfA, {ip_of("127.0.0.1"), 9})));  // replaced by the next
  CHECK(a.worker->post(snapshot_of(kViewOfA, b.endpoint)));
  CHECK_FALSE(a.worker->post(WriteFrame{broadcast_from(kVmB)}));

  while (a.woken.try_acquire()) continue;
  standing.go_on();
  for (std::uint8_t i = 0; i < 4; ++i) CHECK(read_frame(a.guest.queue) == broadcast_from(kVmB, i));
  // The wake that announces room; poll_event() then posts the snapshot.
  const Bytes frame = frame_between(kVmA, kVmB);
  CHECK(a.woken.try_acquire_for(kLimit));
  CHECK(eventually([&] {
    while (a.worker->poll_event()) continue;
    CHECK(a.guest.queue.write(frame));
    Bytes buffer(kFrameSizeMax);
    return wait_readable(b.guest.queue.fd(), std::chrono::milliseconds{20}) &&
           b.guest.queue.read(buffer).size == frame.size();
  }));
}

TEST_CASE("Worker: events beyond the mailbox are counted as lost") {
  TwoSites sites{WorkerConfig{.forwarder = {}, .commands_max = 64, .events_max = 4}};
  if (!sites.network.permitted()) return;

  for (std::uint8_t i = 0; i < 10; ++i) CHECK(sites.a->guest.queue.write(broadcast_from(kVmA, i)));

  CHECK(eventually([&] { return sites.a->worker->counters().events_lost == 6; }));
  std::size_t events = 0;
  while (sites.a->worker->poll_event()) ++events;
  CHECK(events == 4);
}

TEST_CASE("Worker: its thread blocks all signals") {
  TwoSites sites;
  if (!sites.network.permitted()) return;

  // All 64 but SIGKILL and SIGSTOP, which cannot be blocked, and the two that the C library keeps for itself.
  CHECK(eventually([] { return blocked_signals() == "fffffffe7ffbfeff" || blocked_signals() == "fffffffc7ffbfeff"; }));
  sigset_t ours;
  REQUIRE(pthread_sigmask(SIG_SETMASK, nullptr, &ours) == 0);
  CHECK(sigismember(&ours, SIGTERM) == 0);
}

TEST_CASE("Worker: superframes of the guest here come out whole at the guest there, in their order") {
  TwoSites sites{{.forwarder = {.packs = true}}, {.checksum = true, .tcp = true, .udp = true}};
  if (!sites.network.permitted()) return;
  const PacketShape shape;
  const PacketEnds ends{.from_mac = kVmA.mac, .to_mac = kVmB.mac, .from4 = kVmA.ip, .to4 = kVmB.ip};
  const Bytes whole = transport_packet(shape, 40000, kTcpAck | kTcpPush, 1, ends);
  const JoinedFrame joined{whole, 1300};

  constexpr int kTimes = 20;
  std::size_t octets = 0;
  for (int i = 0; i < kTimes; ++i) {
    REQUIRE(sites.a->guest.queue.write_superframe(joined.entry()));
    Bytes buffer(kSuperframeSizeMax);
    std::size_t payload = 0;
    while (payload < 40000 && wait_readable(sites.b->guest.queue.fd(), kLimit)) {
      const TapQueue::Frame frame = sites.b->guest.queue.read(buffer);
      const BytesView view = BytesView{buffer}.first(frame.size);
      if (frame.size < shape.header_size() || view[5] != whole[5]) continue;  // the bridge's own
      const BytesView data = view.subspan(shape.header_size());
      CHECK(std::equal(data.begin(), data.end(),
                       whole.begin() + static_cast<std::ptrdiff_t>(shape.header_size() + payload)));
      CHECK(frame.offload.needs_checksum);
      payload += data.size();
    }
    CHECK(payload == 40000);
    octets += payload;
  }
  CHECK(octets == kTimes * 40000);
  CHECK(eventually([&] { return sites.a->worker->counters().forwarder.superframes_in == kTimes; }));
  CHECK(sites.b->worker->counters().forwarder.frames_joined > 0);
  CHECK(sites.a->worker->tap_offloads().tcp);
}

TEST_CASE("Worker: while it polls busily it takes frames, commands and its end at once") {
  TwoSites sites{{.busy_poll = std::chrono::seconds{1}}};
  if (!sites.network.permitted()) return;

  for (int i = 0; i < 20; ++i) {
    const Bytes there = frame_between(kVmA, kVmB, 100);
    CHECK(sites.a->guest.queue.write(there));
    CHECK(read_frame(sites.b->guest.queue) == there);
    const Bytes written = broadcast_from(kVmB);
    CHECK(sites.a->worker->post(WriteFrame{written}));
    CHECK(read_frame(sites.a->guest.queue) == written);
  }
  const TimePoint begin = read_steady_clock();
  sites.a->worker.reset();
  CHECK(read_steady_clock() - begin < std::chrono::milliseconds{500});
}

TEST_CASE("Worker: its thread goes before ordinary ones where that is wanted and permitted") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Site site{"a"};

  site.start({.realtime = true});

  REQUIRE(eventually([] { return worker_threads().size() == 1; }));
  const int policy = sched_getscheduler(worker_threads()[0]);
  if (std::thread::hardware_concurrency() < 2) {
    CHECK(policy == SCHED_OTHER);
  } else if (!site.worker->realtime_error()) {
    CHECK(policy == SCHED_FIFO);
  } else {
    CHECK(policy == SCHED_OTHER);
    CHECK(site.worker->realtime_error() == std::errc::operation_not_permitted);
  }
}

// Sanitizers make it too slow for that.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST_CASE("Worker: does not go first while datagrams come singly and fast, and does again afterwards") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Site site{"a"};
  UdpSocket stranger = UdpSocket::bind({ip_of("127.0.0.1"), 0});
  constexpr std::array<std::uint8_t, 1> kNothing{0};
  site.start({.realtime = true});
  REQUIRE(eventually([] { return worker_threads().size() == 1; }));
  const auto policy = [] { return sched_getscheduler(worker_threads()[0]); };
  if (policy() != SCHED_FIFO) return;

  const TimePoint end = read_steady_clock() + kLimit;
  while (site.worker->counters().realtime_pauses == 0 && read_steady_clock() < end) {
    for (int i = 0; i < 100; ++i) (void)stranger.send_one(site.endpoint, kNothing);
  }

  REQUIRE(site.worker->counters().realtime_pauses > 0);
  CHECK(policy() == SCHED_OTHER);
  CHECK(eventually([&] { return stranger.send_one(site.endpoint, kNothing) && policy() == SCHED_FIFO; }));
}
#endif

TEST_CASE("Worker: stopping never waits for traffic") {
  const PrivateNetwork network;
  if (!network.permitted()) return;

  for (int i = 0; i < 50; ++i) {
    Site site{"a"};
    site.start();
    if (i % 2 == 0) CHECK(site.worker->post(WriteFrame{broadcast_from(kVmB)}));
    site.worker.reset();
  }
}

TEST_CASE("Worker: forwarding a frame allocates nothing on its thread") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  init_crypto();
  Site a{"a"};
  Site b{"b"};
  // The callback runs on the worker's thread, whose allocations are counted from the first call on.
  std::optional<AllocationCounter> counter;
  std::atomic<std::uint64_t> allocations{0};
  b.on_wake = [&] {
    if (!counter) counter.emplace();
    allocations = counter->count();
  };
  a.start();
  b.start();
  CHECK(a.worker->post(snapshot_of(kViewOfA, b.endpoint)));
  CHECK(b.worker->post(snapshot_of(kViewOfB, a.endpoint)));
  const auto exchange = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      CHECK(a.guest.queue.write(frame_between(kVmA, kVmB)));
      REQUIRE(read_frame(b.guest.queue).size() > 0);
      CHECK(b.guest.queue.write(frame_between(kVmB, kVmA)));
      REQUIRE(read_frame(a.guest.queue).size() > 0);
    }
  };
  const auto punt = [&] {
    CHECK(b.guest.queue.write(broadcast_from(kVmB)));
    REQUIRE(b.wait_event<PuntedFrame>());
  };
  exchange(10);
  punt();
  punt();
  const std::uint64_t before = allocations;

  constexpr int kRounds = 500;
  exchange(kRounds);
  punt();

  // The punted frames themselves, and notices once a second, may; a frame each way would make 1,000.
  CHECK(allocations - before < kRounds / 10);
}

}  // namespace rove
