// UDP to and from the underlay, in batches (recvmmsg, sendmmsg).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/forward/batch.h"
#include "tap/file_descriptor.h"

namespace rove {

// One socket of one address family, non-blocking, with large buffers. A received batch is valid until the
// next receive(). Usable for send_one() from another thread at the same time.
class UdpSocket {
 public:
  struct Received {
    Endpoint from;
    MutableBytes datagram;
  };

  // Throws std::system_error ("bind 0.0.0.0:7683: Address already in use: …--listen…").
  static UdpSocket bind(const Endpoint& local);

  [[nodiscard]] std::span<Received> receive();
  // Sends all slots; a slot that the kernel refuses is counted and skipped. Retries once after a pending
  // ICMP error. Returns the number of datagrams that went out.
  std::size_t send(std::span<const DatagramBatch::Slot> slots);
  bool send_one(const Endpoint& to, BytesView datagram);
  [[nodiscard]] Endpoint local() const;
  [[nodiscard]] int fd() const;

 private:
  // (the implementer's)
};

// IPv4 and IPv6 on the same port; either may be absent.
struct UdpSocketPair {
  std::optional<UdpSocket> v4;
  std::optional<UdpSocket> v6;
  [[nodiscard]] UdpSocket* find(IpAddress::Family family);
};

}  // namespace rove
