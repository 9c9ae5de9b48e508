#include "tap/udp_socket.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/private_network.h"

namespace rove {
namespace {

Endpoint loopback_v4() {
  return {*parse_ip("127.0.0.1"), 0};
}
Endpoint loopback_v6() {
  return {*parse_ip("::1"), 0};
}

void fill(DatagramBatch& batch, const Endpoint& to, std::size_t size, std::uint8_t octet) {
  DatagramBatch::Slot& slot = batch.next();
  slot.to = to;
  slot.size = size;
  std::fill_n(slot.data, size, octet);
  batch.commit();
}

// The first octets of the next `count` datagrams.
std::vector<int> receive_all(UdpSocket& socket, std::size_t count) {
  std::vector<int> octets;
  while (octets.size() < count && wait_readable(socket.fd())) {
    for (const UdpSocket::Received& received : socket.receive()) {
      for (std::size_t i = 0; i < received.count(); ++i) octets.push_back(received.datagram(i)[0]);
    }
  }
  return octets;
}

}  // namespace

TEST_CASE("UdpSocket: datagrams arrive whole, in order, with their sender; batches are split") {
  UdpSocket sender = UdpSocket::bind(loopback_v4());
  UdpSocket receiver = UdpSocket::bind(loopback_v4());
  DatagramBatch batch{3 * kUdpBatch};
  for (std::size_t i = 0; i < 3 * kUdpBatch; ++i) {
    fill(batch, receiver.local(), 100 + i, static_cast<std::uint8_t>(i));
  }

  CHECK(sender.send(batch.slots()) == 3 * kUdpBatch);

  std::size_t next = 0;
  while (next < 3 * kUdpBatch && wait_readable(receiver.fd())) {
    const auto received = receiver.receive();
    CHECK(received.size() <= kUdpBatch);
    for (const UdpSocket::Received& one : received) {
      CHECK(one.from == sender.local());
      CHECK(one.count() == 1);
      CHECK(one.octets.size() == 100 + next);
      CHECK(one.octets.back() == static_cast<std::uint8_t>(next));
      ++next;
    }
  }
  CHECK(next == 3 * kUdpBatch);
  CHECK(receiver.receive().empty());
  CHECK(receiver.kernel_drops() == 0);
}

TEST_CASE("UdpSocket: with and without the kernel's help, the same datagrams arrive in the same order") {
  for (const bool segmentation : {true, false}) {
    for (const bool coalescing : {true, false}) {
      CAPTURE(segmentation);
      CAPTURE(coalescing);
      UdpSocket sender = UdpSocket::bind(loopback_v4(), {segmentation, coalescing});
      UdpSocket receiver = UdpSocket::bind(loopback_v4(), {segmentation, coalescing});
      UdpSocket other = UdpSocket::bind(loopback_v4());
      CHECK(sender.offloads().segmentation == segmentation);
      CHECK(receiver.offloads().coalescing == coalescing);
      // Full ones, more than one piece takes; a short one ends a piece; one to elsewhere; larger ones again.
      const std::vector<std::size_t> sizes = [] {
        std::vector<std::size_t> all(150, 1000);
        all.push_back(10);
        all.insert(all.end(), 20, 300);
        all.insert(all.end(), 5, 1400);
        return all;
      }();
      DatagramBatch batch{sizes.size() + 1};
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (i == 160) fill(batch, other.local(), 300, 0xff);
        fill(batch, receiver.local(), sizes[i], static_cast<std::uint8_t>(i));
      }

      CHECK(sender.send(batch.slots()) == sizes.size() + 1);

      std::size_t next = 0;
      while (next < sizes.size() && wait_readable(receiver.fd())) {
        for (const UdpSocket::Received& one : receiver.receive()) {
          CHECK(one.from == sender.local());
          for (std::size_t i = 0; i < one.count(); ++i) {
            const BytesView datagram = one.datagram(i);
            REQUIRE(next < sizes.size());
            CHECK(datagram.size() == sizes[next]);
            const auto expected = static_cast<std::uint8_t>(next);
            CHECK(std::count(datagram.begin(), datagram.end(), expected) == static_cast<std::ptrdiff_t>(sizes[next]));
            ++next;
          }
        }
      }
      CHECK(next == sizes.size());
      CHECK(receiver.receive().empty());
      CHECK(receiver.drained());
      CHECK(receive_all(other, 1) == std::vector{0xff});
    }
  }
}

TEST_CASE("UdpSocket: datagrams larger than the path goes out in fragments, also those of one size") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  network.ip("link set lo up mtu 1500");
  UdpSocket sender = UdpSocket::bind(loopback_v4());
  UdpSocket receiver = UdpSocket::bind(loopback_v4());
  DatagramBatch batch{4};
  for (std::uint8_t i = 0; i < 4; ++i) fill(batch, receiver.local(), 3000, i);

  CHECK(sender.send(batch.slots()) == 4);

  CHECK(receive_all(receiver, 4) == std::vector{0, 1, 2, 3});
  CHECK(sender.offloads().segmentation);
}

TEST_CASE("UdpSocket: port 0 gives a port, which a second socket cannot have") {
  const UdpSocket socket = UdpSocket::bind(loopback_v4());
  REQUIRE(socket.local().port != 0);

  const std::string expected = "bind UDP " + to_string(socket.local()) + ": Address already in use: ";
  try {
    UdpSocket::bind(socket.local());
    FAIL("the port was given twice");
  } catch (const std::system_error& error) {
    const std::string text = error.what();
    CHECK(text.rfind(expected, 0) == 0);
    CHECK(text.find("`listen`") != std::string::npos);
    CHECK(text.find("`rove up --listen`") != std::string::npos);
    CHECK(error.code() == std::errc::address_in_use);
  }
}

TEST_CASE("UdpSocket: an address that this host does not have is named") {
  CHECK_THROWS_WITH_AS(UdpSocket::bind({*parse_ip("192.0.2.1"), 7683}),
                       "bind UDP 192.0.2.1:7683: Cannot assign requested address: no such address on this host; "
                       "change `listen` in the configuration or `rove up --listen`",
                       std::system_error);
}

TEST_CASE("UdpSocket: a slot that the kernel refuses is skipped, the others go out") {
  UdpSocket sender = UdpSocket::bind(loopback_v4());
  UdpSocket receiver = UdpSocket::bind(loopback_v4());
  DatagramBatch batch{4};
  fill(batch, receiver.local(), 10, 1);
  fill(batch, {*parse_ip("255.255.255.255"), 9}, 10, 2);  // broadcast needs an option: EACCES
  fill(batch, receiver.local(), 10, 3);

  CHECK(sender.send(batch.slots()) == 2);

  CHECK(receive_all(receiver, 2) == std::vector{1, 3});
}

TEST_CASE("UdpSocket: sending to a port where nobody listens does not disturb the next datagrams") {
  UdpSocket sender = UdpSocket::bind(loopback_v4());
  UdpSocket receiver = UdpSocket::bind(loopback_v4());
  const Endpoint closed = UdpSocket::bind(loopback_v4()).local();  // closed again at once
  DatagramBatch batch{2};
  fill(batch, closed, 10, 1);
  fill(batch, receiver.local(), 10, 2);

  for (int i = 0; i < 3; ++i) CHECK(sender.send(batch.slots()) == 2);
  CHECK(sender.send_one(closed, batch.slots()[0].bytes()));
  CHECK(sender.send_one(receiver.local(), batch.slots()[1].bytes()));

  CHECK(receive_all(receiver, 4) == std::vector{2, 2, 2, 2});
}

TEST_CASE("UdpSocket: the largest datagram passes, a larger one is left out") {
  UdpSocket sender = UdpSocket::bind(loopback_v4());
  UdpSocket receiver = UdpSocket::bind(loopback_v4());
  const Bytes largest(kDatagramSizeMax, 1);
  const Bytes larger(kDatagramSizeMax + 1, 2);
  const Bytes empty;

  CHECK(sender.send_one(receiver.local(), larger));
  CHECK(sender.send_one(receiver.local(), empty));
  CHECK(sender.send_one(receiver.local(), largest));

  std::vector<std::size_t> sizes;
  while (sizes.size() < 2 && wait_readable(receiver.fd())) {
    for (const UdpSocket::Received& received : receiver.receive()) sizes.push_back(received.octets.size());
  }
  CHECK(sizes == std::vector<std::size_t>{0, kDatagramSizeMax});
}

TEST_CASE("UdpSocket: its buffers are what was wanted, where that is permitted, and told without the kernel's share") {
  const UdpBuffers buffers = UdpSocket::bind(loopback_v4()).buffers();

  // With CAP_NET_ADMIN all of it; without, the system's limits, which are 4 KiB at least.
  CHECK(buffers.receive <= kSocketBufferWanted);
  CHECK(buffers.send <= kSocketBufferWanted);
  CHECK(buffers.receive >= 1024);
  CHECK(buffers.send >= 1024);
  if (const PrivateNetwork network; network.permitted()) CHECK(buffers.receive == kSocketBufferWanted);
}

TEST_CASE("UdpSocketPair: each datagram leaves on the socket of its family; without one it is not sent") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  UdpSocketPair pair;
  pair.v4 = UdpSocket::bind(loopback_v4());
  pair.v6 = UdpSocket::bind(loopback_v6());
  UdpSocket receiver_v4 = UdpSocket::bind(loopback_v4());
  UdpSocket receiver_v6 = UdpSocket::bind(loopback_v6());
  DatagramBatch batch{4};
  fill(batch, receiver_v4.local(), 10, 1);
  fill(batch, receiver_v6.local(), 10, 2);
  fill(batch, receiver_v6.local(), 10, 3);
  fill(batch, receiver_v4.local(), 10, 4);

  CHECK(pair.send(batch.slots()) == 4);

  CHECK(receive_all(receiver_v4, 2) == std::vector{1, 4});
  CHECK(receive_all(receiver_v6, 2) == std::vector{2, 3});
  pair.v6.reset();
  CHECK(pair.find(IpAddress::Family::V6) == nullptr);
  CHECK(pair.send(batch.slots()) == 2);
}

TEST_CASE("UdpSocket: a datagram larger than the link's MTU arrives, in fragments") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  network.ip("link set lo mtu 1300");
  UdpSocket sender = UdpSocket::bind(loopback_v4());
  UdpSocket receiver = UdpSocket::bind(loopback_v4());
  UdpSocket sender_v6 = UdpSocket::bind(loopback_v6());
  UdpSocket receiver_v6 = UdpSocket::bind(loopback_v6());

  CHECK(sender.send_one(receiver.local(), Bytes(4000, 1)));
  CHECK(sender_v6.send_one(receiver_v6.local(), Bytes(4000, 2)));

  CHECK(receive_all(receiver, 1) == std::vector{1});
  CHECK(receive_all(receiver_v6, 1) == std::vector{2});
}

}  // namespace rove
