// Two hosts with several workers each, in one process:
//
//   guests A ─ bridge ─ rove's TAP ═ workers of A ══ UDP 127.0.0.1 ══ workers of B ═ rove's TAP ─ bridge ─ guests B
#include "tap/worker_pool.h"

#include <doctest/doctest.h>

#include <map>
#include <ostream>
#include <semaphore>
#include <string>
#include <vector>

#include "core/crypto/hash.h"
#include "core/wire/checksum.h"
#include "core/wire/shard.h"
#include "tap/clock.h"
#include "tests/support/private_network.h"
#include "tests/support/test_frames.h"
#include "tests/unit/tap/worker_lab.h"

namespace rove {
namespace {

constexpr unsigned kVms = 8;  // of each host

// Of host 0 or 1; their MACs are of all shards.
MacAddress vm_mac(unsigned host, unsigned number) {
  return {{0x02, 0, 0, 0, static_cast<std::uint8_t>(host), static_cast<std::uint8_t>(number)}};
}
IpAddress vm_ip(unsigned host, unsigned number) {
  return ip_of("10.77." + std::to_string(host) + "." + std::to_string(number + 1));
}

// Number `index` of the flow from a VM of host 0 to one of host 1.
Bytes flow_frame(unsigned from, unsigned to, std::uint32_t index) {
  Bytes payload(100, 0x5a);
  store_be(payload.data(), index);
  Bytes frame = ipv4_frame(vm_mac(1, to), vm_mac(0, from), vm_ip(0, from), vm_ip(1, to), payload, 253);
  store_be(&frame[24], internet_checksum({BytesView{frame}.subspan(14, 20)}));
  return frame;
}

NewSnapshot snapshot_of(unsigned self, const Endpoint& peer_endpoint) {
  auto snapshot = std::make_shared<Snapshot>();
  for (unsigned host = 0; host < 2; ++host) {
    for (unsigned number = 0; number < kVms; ++number) {
      VmView vm;
      vm.place = host == self ? VmView::Place::Local : VmView::Place::Remote;
      vm.owner = node(static_cast<std::uint8_t>(host + 1));
      vm.ips = {vm_ip(host, number)};
      snapshot->vms[vm_mac(host, number)] = vm;
    }
  }
  const auto mine = static_cast<std::uint8_t>(0x11 * (self + 1));
  const auto theirs = static_cast<std::uint8_t>(0x11 * (2 - self));
  SessionView session;
  session.serial = 1;
  session.peer = node(static_cast<std::uint8_t>(2 - self));
  session.local_index = SessionIndex{theirs};
  session.remote_index = SessionIndex{mine};
  session.seal_key = key_of(mine);
  session.open_key = key_of(theirs);
  session.endpoint = peer_endpoint;
  session.expires = read_steady_clock() + std::chrono::minutes{10};
  session.traffic = std::make_shared<PeerTraffic>();
  snapshot->sessions = {{session.local_index, session}};
  snapshot->current = {{session.peer, session.local_index}};
  snapshot->subnets = {*parse_prefix("10.77.0.0/16")};
  return {snapshot};
}

struct Site {
  TapDevice guests;
  TapDevice device;
  std::vector<UdpSocketPair> sockets;
  Endpoint endpoint;
  std::counting_semaphore<> woken{0};
  std::optional<WorkerPool> pool;

  Site(const std::string& name, unsigned workers)
      : guests(open_tap({.name = name + "guest", .mtu = 1400, .bridge = name + "bridge"})),
        device(open_tap({.name = name + "rove", .mtu = 1400, .bridge = name + "bridge", .queues = workers})) {
    UdpSocketPair first;
    first.v4 = UdpSocket::bind({ip_of("127.0.0.1"), 0});
    endpoint = first.v4->local();
    sockets = share_underlay(std::move(first), workers, {});
  }

  void start() {
    std::vector<WorkerParts> parts;
    parts.push_back({.tap = std::move(device.queue), .sockets = std::move(sockets[0])});
    for (std::size_t i = 0; i < device.more_queues.size(); ++i) {
      parts.push_back({.tap = std::move(device.more_queues[i]), .sockets = std::move(sockets[i + 1])});
    }
    pool.emplace(WorkerConfig{}, std::move(parts), [this] { woken.release(); });
  }

  template <typename T>
  std::optional<T> wait_event() {
    return rove::wait_event<T>(*pool, woken);
  }
};

struct TwoSites {
  PrivateNetwork network;
  std::optional<Site> a;
  std::optional<Site> b;

  TwoSites(unsigned workers_of_a, unsigned workers_of_b) {
    init_crypto();
    if (!network.permitted()) return;
    a.emplace("a", workers_of_a);
    b.emplace("b", workers_of_b);
    a->start();
    b->start();
    REQUIRE(a->pool->post(snapshot_of(0, b->endpoint)));
    REQUIRE(b->pool->post(snapshot_of(1, a->endpoint)));
  }
};

}  // namespace

TEST_CASE("WorkerPool: flows between many VMs arrive whole and each in order, whatever the numbers of workers") {
  struct Numbers {
    unsigned a;
    unsigned b;
  };
  for (const auto& [of_a, of_b] : {Numbers{1, 1}, Numbers{2, 2}, Numbers{1, 4}, Numbers{3, 2}, Numbers{8, 1}}) {
    CAPTURE(of_a);
    CAPTURE(of_b);
    TwoSites sites{of_a, of_b};
    if (!sites.network.permitted()) return;
    CHECK(sites.a->pool->size() == of_a);
    constexpr std::uint32_t kRounds = 20;
    std::map<MacAddress, std::map<MacAddress, std::uint32_t>> next;  // of a flow, by its ends
    unsigned arrived = 0;
    Bytes buffer(kFrameSizeMax);
    const auto take = [&](unsigned wanted) {
      while (arrived < wanted && wait_readable(sites.b->guests.queue.fd(), kLimit)) {
        const std::size_t size = sites.b->guests.queue.read(buffer).size;
        if (size == 0) continue;
        const auto info = parse_frame(BytesView{buffer}.first(size));
        REQUIRE(info);
        std::uint32_t& expected = next[info->source][info->destination];
        const auto index = load_be<std::uint32_t>(&buffer[34]);
        CHECK(index == expected);
        expected = index + 1;
        ++arrived;
      }
    };
    unsigned sent = 0;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      for (unsigned from = 0; from < kVms; ++from) {
        for (unsigned to = 0; to < kVms; ++to) {
          REQUIRE(sites.a->guests.queue.write(flow_frame(from, to, round)));
          ++sent;
        }
      }
      take(sent);  // a TAP's queue is short
      REQUIRE(arrived == sent);
    }
    const WorkerCounters counters = sites.b->pool->counters();
    CHECK(counters.datagrams_handed == 0);
    CHECK(counters.forwarder.drops == ForwarderCounters{}.drops);
    CHECK_FALSE(sites.b->pool->failure());
  }
}

TEST_CASE("WorkerPool: the echo of no VM comes back once, when all workers have answered") {
  TwoSites sites{4, 1};
  if (!sites.network.permitted()) return;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(sites.a->pool->post(Echo{}));
    const auto echoed = sites.a->wait_event<Echoed>();
    REQUIRE(echoed);
    CHECK(echoed->vm == MacAddress{});
    CHECK_FALSE(sites.a->pool->poll_event());
  }
  REQUIRE(sites.a->pool->post(Echo{vm_mac(0, 3)}));
  const auto own = sites.a->wait_event<Echoed>();
  REQUIRE(own);
  CHECK(own->vm == vm_mac(0, 3));
}

TEST_CASE("WorkerPool: frames of the control thread go by their VM's worker") {
  TwoSites sites{3, 3};
  if (!sites.network.permitted()) return;
  Bytes buffer(kFrameSizeMax);
  for (unsigned to = 0; to < kVms; ++to) {
    const Bytes frame = flow_frame(0, to, to);
    REQUIRE(sites.a->pool->post(SendFrame{node(2), 0, frame}));
    REQUIRE(wait_readable(sites.b->guests.queue.fd(), kLimit));
    const std::size_t size = sites.b->guests.queue.read(buffer).size;
    CHECK(Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size)) == frame);
  }
  CHECK(sites.b->pool->counters().datagrams_handed == 0);
}

TEST_CASE("WorkerPool: a datagram that came to another worker than its own is handed to that") {
  TwoSites sites{1, 1};
  if (!sites.network.permitted()) return;
  // A third host whose sockets are nobody's group: who sends to the first one's port reaches the first worker.
  TapDevice guests = open_tap({.name = "cguest", .mtu = 1400, .bridge = "cbridge"});
  TapDevice device = open_tap({.name = "crove", .mtu = 1400, .bridge = "cbridge", .queues = 2});
  std::vector<WorkerParts> parts;
  parts.push_back({.tap = std::move(device.queue), .sockets = {}});
  parts.push_back({.tap = std::move(device.more_queues.at(0)), .sockets = {}});
  for (WorkerParts& one : parts) one.sockets.v4 = UdpSocket::bind({ip_of("127.0.0.1"), 0});
  const Endpoint port = parts[0].sockets.v4->local();
  WorkerPool pool{WorkerConfig{}, std::move(parts), [] {}};
  REQUIRE(pool.post(snapshot_of(1, sites.a->endpoint)));
  REQUIRE(sites.a->pool->post(snapshot_of(0, port)));

  Bytes buffer(kFrameSizeMax);
  for (unsigned to = 0; to < kVms; ++to) {
    const Bytes frame = flow_frame(1, to, to);
    REQUIRE(sites.a->guests.queue.write(frame));
    REQUIRE(wait_readable(guests.queue.fd(), kLimit));
    const std::size_t size = guests.queue.read(buffer).size;
    CHECK(Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size)) == frame);
  }
  CHECK(pool.counters().datagrams_handed == kVms / 2);
  CHECK(pool.counters().datagrams_unhanded == 0);
}

}  // namespace rove
