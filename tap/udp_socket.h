// UDP to and from the underlay, in batches (recvmmsg, sendmmsg).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/forward/batch.h"
#include "tap/file_descriptor.h"

namespace rove {

// Datagrams in one system call. More gains little (the call is a few percent by then) and delays the first one.
inline constexpr std::size_t kUdpBatch = 64;
// What one call receives: so many pieces, each of as many datagrams as the kernel joined (UDP_GRO_CNT_MAX at most); of
// large pieces fewer, as what is read should be in the cache still when it is opened.
inline constexpr std::size_t kUdpPieces = 64;
inline constexpr std::size_t kUdpLargePieces = 8;

// What the kernel does with several datagrams at once. Each can be missing: then it is one by one.
struct UdpOffloads {
  bool segmentation = true;  // UDP_SEGMENT (Linux 4.18): what is sent is cut by the kernel, or the network card
  bool coalescing = true;    // UDP_GRO (Linux 5.0): what is received comes in one piece
};

// Each buffer of a socket that is wanted: 8 MB hold 60 ms at 1 Gb/s, the longest that a busy host keeps a thread from
// its processor.
inline constexpr std::size_t kSocketBufferWanted = std::size_t{8} << 20;

// What a socket has of it, in octets.
struct UdpBuffers {
  std::size_t receive = 0;
  std::size_t send = 0;
};

// One socket of one address family, non-blocking, with large buffers. A received batch is valid until the
// next receive(). Usable for send_one() from another thread at the same time.
//
// Datagrams go out without DF (IP_PMTUDISC_DONT): one that is larger than the path takes arrives in fragments,
// slower, instead of vanishing until path MTU discovery, which many networks break, has found out.
class UdpSocket {
 public:
  // Datagrams that the kernel gave in one piece, one behind the other; or one. An empty one is one, too.
  struct Received {
    Endpoint from;
    MutableBytes octets;
    std::size_t size = 0;  // of each datagram; the last may be smaller
    [[nodiscard]] bool joined() const { return size < octets.size(); }
    [[nodiscard]] std::size_t count() const { return joined() ? (octets.size() + size - 1) / size : 1; }
    [[nodiscard]] MutableBytes datagram(std::size_t i) const {
      const MutableBytes rest = octets.subspan(i * size);
      return rest.first(std::min(size, rest.size()));
    }
  };

  // Port 0: one that is free. Offloads that the kernel has not are left out. Throws std::system_error ("bind
  // 0.0.0.0:7683: Address already in use: …--listen…").
  static UdpSocket bind(const Endpoint& local, const UdpOffloads& offloads = {});
  // Another one of the same address and port (SO_REUSEPORT), for another thread. What comes is one's or the other's, by
  // a hash of the sender unless the kernel is told otherwise (tap/steering.h). Throws std::system_error.
  [[nodiscard]] UdpSocket bind_beside(const UdpOffloads& offloads = {}) const;
  ~UdpSocket();
  UdpSocket(UdpSocket&&) noexcept;
  UdpSocket& operator=(UdpSocket&&) noexcept;

  // What is there now, kUdpPieces pieces at most; empty when there is nothing. Datagrams larger than
  // kDatagramSizeMax are left out.
  [[nodiscard]] std::span<Received> receive();
  // Whether the last receive() took all that there was.
  [[nodiscard]] bool drained() const;
  // Sends all slots, those of one destination, lane and size that lie behind each other in one piece; a slot that the
  // kernel refuses is skipped. Lanes have different TTLs, so that no host on the way, nor the receiver's kernel, joins
  // datagrams of two: a kernel gives what it joined to one socket. Retries once after a pending ICMP error. Returns the
  // number of datagrams that went out.
  std::size_t send(std::span<const DatagramBatch::Slot> slots);
  bool send_one(const Endpoint& to, BytesView datagram);
  // Several of `size` octets each, the last one perhaps shorter, in one piece for the kernel to cut; one by one where
  // it is known not to. Usable as send_one().
  bool send_segments(const Endpoint& to, BytesView datagrams, std::size_t size);
  [[nodiscard]] Endpoint local() const;
  [[nodiscard]] int fd() const;
  // From now on every datagram comes by itself.
  void stop_coalescing();
  // Those in use. Segmentation ends by itself where a device turns out to be unable to (udp(7): EIO). Any thread.
  [[nodiscard]] UdpOffloads offloads() const;
  // As large as the kernel permitted (net.core.rmem_max and wmem_max, unless with CAP_NET_ADMIN).
  [[nodiscard]] UdpBuffers buffers() const;
  // Datagrams that the kernel dropped because we read too slowly. Any thread.
  [[nodiscard]] std::uint64_t kernel_drops() const;

 private:
  struct Impl;
  explicit UdpSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// IPv4 and IPv6 on the same port; either may be absent.
struct UdpSocketPair {
  std::optional<UdpSocket> v4;
  std::optional<UdpSocket> v6;
  [[nodiscard]] UdpSocket* find(IpAddress::Family family);
  // Each slot on the socket of its family. Returns the number of datagrams that went out.
  std::size_t send(std::span<const DatagramBatch::Slot> slots);
};

}  // namespace rove
