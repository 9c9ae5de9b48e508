#include "tap/udp_canary.h"

#include <poll.h>

#include <algorithm>
#include <exception>
#include <vector>

namespace rove {
namespace {

constexpr int kPatienceMs = 50;

// Full ones and a short one, more than fit one IP packet; the kernel cuts behind each.
std::vector<std::size_t> sizes() {
  std::vector<std::size_t> all(50, 1400);
  all.push_back(333);
  return all;
}

std::uint8_t octet_of(std::size_t number, std::size_t at) {
  return static_cast<std::uint8_t>(number * 31 + at * 7 + (at >> 8));
}

enum class Outcome { Same, Different, Nothing };

Outcome try_offloads(const UdpOffloads& offloads) {
  const Endpoint any{IpAddress::v4(std::array<std::uint8_t, 4>{127, 0, 0, 1}.data()), 0};
  UdpSocket sender = UdpSocket::bind(any, offloads);
  UdpSocket receiver = UdpSocket::bind(any, offloads);
  const std::vector<std::size_t> wanted = sizes();
  DatagramBatch batch{wanted.size()};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    DatagramBatch::Slot& slot = batch.next();
    slot.to = receiver.local();
    slot.size = wanted[i];
    for (std::size_t at = 0; at < slot.size; ++at) slot.data[at] = octet_of(i, at);
    batch.commit();
  }
  if (sender.send(batch.slots()) == 0) return Outcome::Nothing;
  std::size_t next = 0;
  while (next < wanted.size()) {
    pollfd polled{receiver.fd(), POLLIN, 0};
    if (poll(&polled, 1, kPatienceMs) <= 0) break;
    for (const UdpSocket::Received& received : receiver.receive()) {
      for (std::size_t i = 0; i < received.count(); ++i, ++next) {
        const BytesView datagram = received.datagram(i);
        if (next == wanted.size() || datagram.size() != wanted[next]) return Outcome::Different;
        for (std::size_t at = 0; at < datagram.size(); ++at) {
          if (datagram[at] != octet_of(next, at)) return Outcome::Different;
        }
      }
    }
  }
  if (next == 0) return Outcome::Nothing;
  return next == wanted.size() ? Outcome::Same : Outcome::Different;
}

}  // namespace

UdpCanary check_udp_offloads(const UdpOffloads& wanted) {
  try {
    if (try_offloads(wanted) != Outcome::Different) return {wanted, ""};
    // Which of the two?
    for (const UdpOffloads& fewer : {UdpOffloads{wanted.segmentation, false}, UdpOffloads{false, wanted.coalescing}}) {
      if (try_offloads(fewer) == Outcome::Same) {
        const bool sending = wanted.segmentation && !fewer.segmentation;
        return {fewer, std::string{sending ? "UDP segmentation (UDP_SEGMENT)" : "UDP coalescing (UDP_GRO)"} +
                           ": this kernel changes datagrams"};
      }
    }
  } catch (const std::exception& error) {
    return {wanted, ""};  // no loopback device: nothing is known
  }
  return {{false, false}, "UDP segmentation and coalescing: this kernel changes datagrams"};
}

}  // namespace rove
