#include "tap/steering.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "core/wire/header.h"
#include "core/wire/shard.h"
#include "tap/tap_device.h"
#include "tap/worker_pool.h"
#include "tests/support/private_network.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

constexpr std::chrono::milliseconds kSoon{200};

MacAddress random_mac(SeededRandom& random) {
  MacAddress mac{random.bytes<6>()};
  mac.octets[0] = 0x02;
  return mac;
}

// Which of the queues has something to read, and what; -1: none.
int take_frame(std::vector<TapQueue*>& queues, Bytes& frame) {
  for (int patience = 0; patience < 100; ++patience) {
    for (std::size_t i = 0; i < queues.size(); ++i) {
      frame.resize(kFrameSizeMax);
      const TapQueue::Frame read = queues[i]->read(frame);
      if (read.size == 0) continue;
      frame.resize(read.size);
      return static_cast<int>(i);
    }
    (void)wait_readable(queues.front()->fd(), std::chrono::milliseconds{2});
  }
  return -1;
}

Bytes datagram_of(DatagramType type, std::uint8_t lane, std::size_t size = 40) {
  Bytes datagram(size, 0);
  datagram[0] = static_cast<std::uint8_t>(type);
  if (size > kLaneAt) datagram[kLaneAt] = lane;
  return datagram;
}

// The sockets of `sets` that something came to, by number.
std::vector<std::size_t> take_datagrams(std::vector<UdpSocketPair>& sets) {
  std::vector<std::size_t> came;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (std::size_t n = sets[i].v4->receive().size(); n > 0; --n) came.push_back(i);
  }
  return came;
}

}  // namespace

TEST_CASE("shard_of: MACs that are counted up, or drawn, are spread evenly") {
  std::array<int, kShards> counted{};
  for (int i = 0; i < 64; ++i) {
    ++counted[shard_of(mac_of("52:54:00:12:34:00")) ^
              shard_of(MacAddress{{0, 0, 0, 0, 0, static_cast<std::uint8_t>(i)}})];
  }
  for (const int count : counted) CHECK(count == 8);

  SeededRandom random{3};
  std::array<int, kShards> drawn{};
  for (int i = 0; i < 8000; ++i) ++drawn[shard_of(random_mac(random))];
  for (const int count : drawn) {
    CHECK(count > 800);
    CHECK(count < 1200);
  }
}

TEST_CASE("shard_of_frame: that of the destination; of a group's, that of the source") {
  const MacAddress from = mac_of("02:00:5e:10:00:01");
  const MacAddress to = mac_of("02:00:5e:10:00:02");
  CHECK(shard_of(from) != shard_of(to));
  CHECK(shard_of_frame(ethernet_frame(to, from, 0x88b5, Bytes(46))) == shard_of(to));
  CHECK(shard_of_frame(ethernet_frame(MacAddress::broadcast(), from, 0x88b5, Bytes(46))) == shard_of(from));
  for (unsigned shard = 0; shard < kShards; ++shard) CHECK(shard_of_lane(lane_of(shard)) == shard);
}

TEST_CASE("steer_frames: each frame is in the queue of its shard's worker") {
  for (const unsigned workers : {2U, 3U, 8U}) {
    const PrivateNetwork network;
    if (!network.permitted()) return;
    TapDevice guest = open_tap({.name = "guest", .bridge = "vmbridge"});
    TapDevice device = open_tap({.name = "rovetap", .bridge = "vmbridge", .queues = workers});
    REQUIRE(device.queues_problem.empty());
    REQUIRE(device.more_queues.size() == workers - 1);
    std::vector<TapQueue*> queues{&device.queue};
    for (TapQueue& queue : device.more_queues) queues.push_back(&queue);

    SeededRandom random{workers};
    std::set<int> used;
    for (int i = 0; i < 100; ++i) {
      const MacAddress to = i % 4 == 0 ? MacAddress::broadcast() : random_mac(random);
      const Bytes sent = ethernet_frame(to, random_mac(random), 0x88b5, Bytes(46, static_cast<std::uint8_t>(i)));
      CAPTURE(i);
      REQUIRE(guest.queue.write(sent));
      Bytes frame;
      const int queue = take_frame(queues, frame);
      CHECK(frame == sent);
      CHECK(queue == static_cast<int>(worker_of(shard_of_frame(sent), workers)));
      used.insert(queue);
    }
    CHECK(used.size() == workers);
  }
}

TEST_CASE("steer_datagrams: data goes to the socket of its lane's worker, all else to the first") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  for (const unsigned workers : {2U, 3U, 8U}) {
    UdpSocketPair first;
    first.v4 = UdpSocket::bind({ip_of("127.0.0.1"), 0});
    const Endpoint to = first.v4->local();
    std::vector<UdpSocketPair> sets = share_underlay(std::move(first), workers, {});
    REQUIRE(sets.size() == workers);
    UdpSocket sender = UdpSocket::bind({ip_of("127.0.0.1"), 0});
    const auto socket_of = [&](const Bytes& datagram) {
      REQUIRE(sender.send_one(to, datagram));
      const std::vector<std::size_t> came = take_datagrams(sets);
      REQUIRE(came.size() == 1);
      return came.front();
    };
    for (unsigned lane = 1; lane < 256; ++lane) {
      CAPTURE(lane);
      const auto octet = static_cast<std::uint8_t>(lane);
      CHECK(socket_of(datagram_of(DatagramType::Data, octet)) == worker_of(shard_of_lane(octet), workers));
      CHECK(socket_of(datagram_of(DatagramType::Control, octet)) == 0);
      CHECK(socket_of(datagram_of(DatagramType::Sealed, octet)) == 0);
    }
    CHECK(socket_of(datagram_of(DatagramType::Data, 0)) < workers);
    for (const std::size_t size : {1, 8}) CHECK(socket_of(datagram_of(DatagramType::Data, 0, size)) == 0);
  }
}

TEST_CASE("UdpSocket: what goes out together on two lanes arrives at two sockets, joined with its own alone") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  UdpSocketPair first;
  first.v4 = UdpSocket::bind({ip_of("127.0.0.1"), 0});
  const Endpoint to = first.v4->local();
  std::vector<UdpSocketPair> sets = share_underlay(std::move(first), 2, {});
  UdpSocket sender = UdpSocket::bind({ip_of("127.0.0.1"), 0});

  DatagramBatch batch(16);
  for (unsigned i = 0; i < 12; ++i) {
    DatagramBatch::Slot& slot = batch.next();
    const std::uint8_t lane = lane_of(i / 3 % 2);  // three of the one, three of the other, and again
    const Bytes datagram = datagram_of(DatagramType::Data, lane, 1000);
    std::copy(datagram.begin(), datagram.end(), slot.data);
    slot.to = to;
    slot.size = datagram.size();
    slot.alone = false;
    slot.lane = lane;
    batch.commit();
  }
  CHECK(sender.send(batch.slots()) == 12);
  for (unsigned worker = 0; worker < 2; ++worker) {
    REQUIRE(wait_readable(sets[worker].v4->fd(), kSoon));
    const auto received = sets[worker].v4->receive();
    CHECK(received.size() == 2);
    for (const UdpSocket::Received& one : received) {
      CHECK(one.joined());
      CHECK(one.count() == 3);
      for (std::size_t i = 0; i < one.count(); ++i) CHECK(one.datagram(i)[kLaneAt] == lane_of(worker));
    }
  }
}

TEST_CASE("UdpSocket: lanes go out with TTLs of their own, by IPv4 and IPv6") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  for (const char* const loopback : {"127.0.0.1", "::1"}) {
    CAPTURE(loopback);
    UdpSocket receiver = UdpSocket::bind({ip_of(loopback), 0});
    UdpSocket sender = UdpSocket::bind({ip_of(loopback), 0});
    const bool v4 = receiver.local().address.is_v4();
    const int on = 1;
    REQUIRE(setsockopt(receiver.fd(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &on,
                       sizeof on) == 0);
    std::set<int> ttls;
    for (unsigned shard = 0; shard < kShards; ++shard) {
      DatagramBatch batch(1);
      DatagramBatch::Slot& slot = batch.next();
      slot.data[0] = 1;
      slot.size = 1;
      slot.to = receiver.local();
      slot.lane = lane_of(shard);
      batch.commit();
      REQUIRE(sender.send(batch.slots()) == 1);
      REQUIRE(wait_readable(receiver.fd(), kSoon));
      std::array<char, 16> octets{};
      iovec part{octets.data(), octets.size()};
      alignas(cmsghdr) std::array<char, 64> control{};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      REQUIRE(recvmsg(receiver.fd(), &message, 0) == 1);
      const cmsghdr* head = CMSG_FIRSTHDR(&message);
      REQUIRE(head != nullptr);
      int ttl = 0;
      std::memcpy(&ttl, CMSG_DATA(head), sizeof ttl);
      CHECK(ttl == 64 - static_cast<int>(shard));
      ttls.insert(ttl);
    }
    CHECK(ttls.size() == kShards);
  }
}

TEST_CASE("bind_beside: a port that somebody else has is taken, even if it is shared") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  UdpSocket first = UdpSocket::bind({ip_of("127.0.0.1"), 0});
  const UdpSocket second = first.bind_beside();
  CHECK(second.local() == first.local());
  CHECK_THROWS_AS((void)UdpSocket::bind(first.local()), std::system_error);
}

}  // namespace rove
