#include "tap/port_capture.h"

#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
// The kernel's headers go last: libc's keep them from defining the same types.
#include <linux/if_tun.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "core/wire/ethernet.h"
#include "tap/port_writer.h"
#include "tap/tap_device.h"
#include "tests/support/private_network.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kVm = mac_of("02:00:00:00:00:0a");
const MacAddress kOwn = mac_of("02:00:00:00:00:0f");
const MacAddress kOther = mac_of("02:00:00:00:00:0b");

Bytes numbered(const MacAddress& to, std::uint8_t number) {
  return ethernet_frame(to, kOther, 0x88b5, Bytes(46, number));
}

// A VM's port, and its hypervisor at the end of it.
struct Port {
  explicit Port(PortCapture::Mode mode = PortCapture::Mode::Exact, const std::string& bridge = "")
      : woken(check_syscall("eventfd", eventfd(0, EFD_NONBLOCK))),
        tap(open_tap({.name = "vm0", .mtu = 1400, .bridge = bridge})),
        capture(mode, {0, kOwn}, [fd = woken.get()] {
          const std::uint64_t one = 1;
          CHECK(write(fd, &one, sizeof one) == sizeof one);
        }) {
    capture.follow(kVm, tap->ifindex);
    (void)take();  // answered behind it: it is followed now
  }

  // As a bridge does: out of the device, into its queue.
  void send(const MacAddress& to, std::uint8_t number) {
    REQUIRE(writer.write(tap->ifindex, numbered(to, number), false));
  }
  void hypervisor_reads(int frames) {
    Bytes buffer(kFrameSizeMax);
    for (int i = 0; i < frames; ++i) {
      REQUIRE(wait_readable(tap->queue.fd()));
      REQUIRE(tap->queue.read(buffer).size > 0);
    }
  }
  void wait_woken() {
    REQUIRE(wait_readable(woken.get()));
    std::uint64_t count = 0;
    CHECK(read(woken.get(), &count, sizeof count) == sizeof count);
  }
  // The numbers of the frames that the capture hands over.
  [[nodiscard]] std::string take(bool whole = true) {
    capture.request(kVm, whole);
    std::optional<CapturedFrames> captured;
    while (!(captured = capture.poll_captured())) wait_woken();
    CHECK_FALSE(captured->ahead);
    missing = captured->missing;
    return numbers_of(*captured);
  }
  // … tells ahead.
  [[nodiscard]] std::string take_ahead(AheadState state) {
    std::optional<CapturedFrames> captured;
    while (!(captured = capture.poll_captured())) wait_woken();
    CHECK(captured->ahead);
    CHECK(captured->state == state);
    return numbers_of(*captured);
  }
  [[nodiscard]] static std::string numbers_of(const CapturedFrames& captured) {
    CHECK(captured.vm == kVm);
    std::string numbers;
    for (const PortFrame& frame : captured.frames) numbers += std::to_string(frame.frame.back()) + " ";
    return numbers;
  }

  FileDescriptor woken;
  std::optional<TapDevice> tap;
  PortWriter writer;
  PortCapture capture;
  std::uint64_t missing = 0;
};

}  // namespace

TEST_CASE("PortCapture: hands over what the hypervisor has not read, and the one frame that it takes when it stops") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 8; ++number) port.send(kVm, number);
  port.hypervisor_reads(5);

  CHECK(port.take() == "5 6 7 8 ");
  CHECK(port.missing == 0);
  port.hypervisor_reads(3);
  CHECK(port.take().empty());
}

TEST_CASE("PortCapture: rather hands over a few frames more where it may not lose one") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port{PortCapture::Mode::AtLeastOnce};
  for (std::uint8_t number = 1; number <= 8; ++number) port.send(kVm, number);
  port.hypervisor_reads(6);

  CHECK(port.take() == "4 5 6 7 8 ");
}

TEST_CASE("PortCapture: frames to others and to groups count, and stay") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  port.send(kVm, 1);
  port.send(MacAddress::broadcast(), 2);
  port.send(kOther, 3);
  port.send(kVm, 4);

  CHECK(port.take() == "1 4 ");
}

TEST_CASE("PortCapture: tells that the hypervisor has left, and still knows what it had not read") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 4; ++number) port.send(kVm, number);
  port.hypervisor_reads(2);

  port.tap.reset();  // the device goes with its descriptor

  std::optional<MacAddress> closed;
  while (!(closed = port.capture.poll_closed())) port.wait_woken();
  CHECK(*closed == kVm);
  CHECK(port.take() == "2 3 4 ");
}

TEST_CASE("PortCapture: tells what a hypervisor that has left had not read") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  REQUIRE(ioctl(port.tap->queue.fd(), TUNSETPERSIST, 1) == 0);
  for (std::uint8_t number = 1; number <= 3; ++number) port.send(kVm, number);
  port.hypervisor_reads(2);
  port.tap.reset();  // the device stays, without a carrier

  std::optional<MacAddress> closed;
  while (!(closed = port.capture.poll_closed())) port.wait_woken();
  CHECK(port.take() == "2 3 ");
}

TEST_CASE("PortCapture: finds what the bridge drops at the port of a hypervisor that is leaving") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port{PortCapture::Mode::Exact, "br0"};
  TapDevice neighbour = open_tap({.name = "vm1", .mtu = 1400, .bridge = "br0"});
  const auto send = [&](const MacAddress& from, const MacAddress& to, std::uint8_t number) {
    REQUIRE(neighbour.queue.write(ethernet_frame(to, from, 0x88b5, Bytes(46, number))));
  };
  REQUIRE(port.tap->queue.write(ethernet_frame(MacAddress::broadcast(), kVm, 0x88b5, Bytes(46))));  // learned
  REQUIRE(ioctl(port.tap->queue.fd(), TUNSETPERSIST, 1) == 0);

  // Nobody reads vm0: after some time what goes there is watched.
  std::uint8_t number = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (port.capture.counters().transits == 0 && std::chrono::steady_clock::now() < until) {
    send(kOther, kVm, ++number);
    std::this_thread::sleep_for(std::chrono::milliseconds{3});
  }
  REQUIRE(port.capture.counters().transits == 1);
  // Dropped without a count, as while the port is being closed.
  network.ip("link set vm0 type bridge_slave isolated on");
  network.ip("link set vm1 type bridge_slave isolated on");
  send(kOther, kVm, 201);
  send(kOwn, kVm, 203);  // rove asks the VM
  send(kOther, kVm, 202);
  port.tap.reset();

  std::optional<MacAddress> closed;
  while (!(closed = port.capture.poll_closed())) port.wait_woken();
  const std::string taken = port.take();
  CHECK(taken.ends_with(" " + std::to_string(number) + " 201 202 "));
  CHECK(port.capture.counters().frames_found == 2);
}

TEST_CASE("PortCapture: sees what is written past the bridge, before the hypervisor has read it") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  constexpr int kRounds = 100;
  std::thread hypervisor{[&port] { port.hypervisor_reads(2 * kRounds); }};
  for (int i = 0; i < kRounds; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{6});  // so that it looks at the counters for each frame
    port.send(kVm, 1);
    port.send(kVm, 2);
  }
  hypervisor.join();

  CHECK(port.take().empty());
}

TEST_CASE("PortWriter: completes no checksum itself, and tells what the kernel does not take") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  PortWriter writer;
  CHECK_FALSE(writer.write(port.tap->ifindex, numbered(kVm, 1), true));  // no TCP, no UDP
  CHECK_FALSE(writer.write(port.tap->ifindex + 100, numbered(kVm, 1), false));
  CHECK(writer.write(port.tap->ifindex, numbered(kVm, 2), false));
  CHECK(port.take() == "2 ");
}

TEST_CASE("PortCapture: a hypervisor that told what it delivered leaves nothing to guess") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 8; ++number) port.send(kVm, number);
  port.hypervisor_reads(5);

  port.capture.note_stop(kVm, 3);
  CHECK(port.take() == "4 5 6 7 8 ");
  port.capture.note_stop(kVm, 5);
  CHECK(port.take() == "6 7 8 ");
  CHECK(port.capture.counters().stops_used == 2);
  CHECK(port.capture.counters().frames_undelivered == 2);
  // It serves once, and what cannot be is not believed.
  CHECK(port.take() == "5 6 7 8 ");
  port.capture.note_stop(kVm, 1);
  CHECK(port.take() == "5 6 7 8 ");
}

TEST_CASE("PortCapture: waits a moment for the number that a hypervisor is about to tell") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 8; ++number) port.send(kVm, number);
  port.hypervisor_reads(5);

  port.capture.note_stop(kVm, std::nullopt);
  port.capture.request(kVm);
  port.capture.note_stop(kVm, 3);
  std::optional<CapturedFrames> captured;
  while (!(captured = port.capture.poll_captured())) port.wait_woken();
  CHECK(captured->frames.size() == 5);

  port.capture.note_stop(kVm, std::nullopt);
  CHECK(port.take() == "5 6 7 8 ");  // it never comes
}

TEST_CASE("PortCapture: tells ahead what a stopped hypervisor will not read, each frame once") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 6; ++number) port.send(kVm, number);
  port.hypervisor_reads(4);

  port.capture.note_stop(kVm, 3);
  port.capture.stream(kVm, true);
  CHECK(port.take_ahead(AheadState::More) == "4 5 6 ");
  port.send(kVm, 7);
  port.send(kOther, 8);
  CHECK(port.take_ahead(AheadState::More) == "7 ");
  port.send(kVm, 9);
  port.capture.stream(kVm, true);  // is that all?
  CHECK(port.take_ahead(AheadState::More) == "9 ");
  CHECK(port.take_ahead(AheadState::UpToDate).empty());
  CHECK(port.capture.counters().frames_streamed == 5);

  SUBCASE("and leaves it out when the VM has come there") {
    port.send(kVm, 10);
    CHECK(port.take_ahead(AheadState::More) == "10 ");
    CHECK(port.take(/*whole=*/false).empty());
  }
  SUBCASE("and tells all of it again for another host") {
    CHECK(port.take() == "4 5 6 7 9 ");
  }
}

TEST_CASE("PortCapture: stops telling ahead when the hypervisor reads again") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 5; ++number) port.send(kVm, number);
  port.hypervisor_reads(2);
  port.capture.note_stop(kVm, 2);
  port.capture.stream(kVm, true);
  CHECK(port.take_ahead(AheadState::More) == "3 4 5 ");

  port.hypervisor_reads(3);
  std::optional<CapturedFrames> captured;
  while (!(captured = port.capture.poll_captured()) || captured->state != AheadState::Resumed) {
    port.send(kVm, 6);
    port.hypervisor_reads(1);
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  CHECK(port.take().empty());
}

TEST_CASE("PortCapture: tells nothing ahead without a number, or with one that cannot be") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  for (std::uint8_t number = 1; number <= 8; ++number) port.send(kVm, number);
  port.hypervisor_reads(6);
  port.capture.stream(kVm, true);
  port.capture.note_stop(kVm, 2);
  port.capture.stream(kVm, true);

  CHECK(port.take() == "6 7 8 ");
  CHECK(port.capture.counters().frames_streamed == 0);
}

TEST_CASE("PortCapture: knows nothing of VMs behind other devices") {
  const PrivateNetwork network;
  if (!network.permitted()) return;
  Port port;
  port.capture.follow(kOther, 1);  // loopback is no TAP
  CHECK(port.take().empty());
  CHECK(port.capture.counters().ports == 1);
  port.capture.forget(kVm);
  CHECK(port.take().empty());
  CHECK(port.capture.counters().ports == 0);
}

}  // namespace rove
