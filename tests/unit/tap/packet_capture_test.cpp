#include "tap/packet_capture.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <ostream>
#include <string>
#include <thread>

#include "tap/network_namespace.h"
#include "tap/port_writer.h"
#include "tap/tap_device.h"
#include "tests/support/private_network.h"
#include "tests/support/test_frames.h"

namespace rove {
namespace {

const MacAddress kTo = mac_of("02:00:00:00:00:0a");
const MacAddress kFrom = mac_of("02:00:00:00:00:0b");

Bytes frame_of(std::uint16_t ether_type, std::size_t size) {
  return ethernet_frame(kTo, kFrom, ether_type, Bytes(size, 7));
}

// A device, and what a capture of it wrote.
struct Device {
  PacketCapture::Write writer() {
    return [this](BytesView octets) {
      if (!open) return false;
      file.insert(file.end(), octets.begin(), octets.end());
      return true;
    };
  }
  void send(const Bytes& frame) { REQUIRE(port.write(tap.ifindex, frame, false)); }

  TapDevice tap = open_tap({.name = "cap0", .mtu = 1400, .bridge = ""});
  PortWriter port;
  Bytes file;
  bool open = true;
};

// pcap-savefile(5), in this host's byte order.
std::uint32_t word_at(const Bytes& file, std::size_t offset) {
  std::uint32_t word = 0;
  REQUIRE(file.size() >= offset + sizeof word);
  std::memcpy(&word, file.data() + offset, sizeof word);
  return word;
}

std::uint64_t copy_until(PacketCapture& capture, std::uint64_t count) {
  std::uint64_t copied = 0;
  while (copied < count && wait_readable(capture.fd())) copied += capture.copy(count - copied).value();
  return copied;
}

CaptureFailure::Reason reason_of(const CaptureOptions& options) {
  try {
    const PacketCapture capture{options, [](BytesView) { return true; }};
  } catch (const CaptureFailure& failure) {
    CHECK(std::string{failure.what()} != "");
    return failure.reason();
  }
  FAIL("it captures");
  return {};
}

}  // namespace

TEST_CASE("PacketCapture: writes a file's header at once, then each packet with its size") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  Device device;

  PacketCapture capture{{.device = "cap0", .filter = "ether proto 0x88b5", .snaplen = 20}, device.writer()};
  CHECK(device.file.size() == 24);
  device.send(frame_of(0x88b6, 50));
  device.send(frame_of(0x88b5, 60));

  CHECK(copy_until(capture, 1) == 1);
  CHECK(word_at(device.file, 0) == 0xa1b2c3d4);
  CHECK(word_at(device.file, 20) == 1);  // Ethernet
  REQUIRE(device.file.size() == 24 + 16 + 20);
  CHECK(word_at(device.file, 32) == 20);
  CHECK(word_at(device.file, 36) == 74);
  CHECK(std::memcmp(device.file.data() + 40, frame_of(0x88b5, 60).data(), 20) == 0);
  CHECK(capture.dropped() == 0);
}

TEST_CASE("PacketCapture: copies no more than is wanted") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  Device device;
  PacketCapture capture{{.device = "cap0", .filter = "ether proto 0x88b5", .snaplen = 64}, device.writer()};
  for (int i = 0; i < 10; ++i) device.send(frame_of(0x88b5, 46));

  CHECK(copy_until(capture, 4) == 4);

  CHECK(device.file.size() == 24 + 4 * (16 + 60));
}

TEST_CASE("PacketCapture: tells when nobody takes the file, and when the device is gone") {
  PrivateNetwork network;
  if (!network.permitted()) return;
  Device device;
  PacketCapture capture{{.device = "cap0", .filter = "ether proto 0x88b5", .snaplen = 64}, device.writer()};
  device.send(frame_of(0x88b5, 46));
  REQUIRE(wait_readable(capture.fd()));

  device.open = false;
  CHECK_FALSE(capture.copy(1).has_value());

  CaptureFailure::Reason reason = CaptureFailure::Reason::Other;
  network.ip("link delete cap0");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{5};
  while (reason != CaptureFailure::Reason::NoDevice && std::chrono::steady_clock::now() < deadline) {
    try {
      (void)capture.copy(1);  // nothing comes
    } catch (const CaptureFailure& failure) {
      reason = failure.reason();
    }
    std::this_thread::yield();
  }
  CHECK(reason == CaptureFailure::Reason::NoDevice);
}

TEST_CASE("PacketCapture: refuses a device that is not there and a filter that is none") {
  PrivateNetwork network;
  if (!network.permitted()) return;

  CHECK(reason_of({.device = "nothing0", .filter = "", .snaplen = 64}) == CaptureFailure::Reason::NoDevice);
  CHECK(reason_of({.device = "lo", .filter = "port or", .snaplen = 64}) == CaptureFailure::Reason::BadFilter);
}

TEST_CASE("network_namespace_id: differs by network namespace") {
  const std::uint64_t outside = network_namespace_id();
  CHECK(outside != 0);

  PrivateNetwork network;
  if (!network.permitted()) return;

  CHECK(network_namespace_id() != outside);
}

}  // namespace rove
