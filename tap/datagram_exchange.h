// Datagrams that came to another worker than their own.
//
// The kernel gives each datagram to its lane's worker (tap/steering.h), but what it has joined, or a network card, it
// gives as a whole to the first one's. Lanes go out such that nobody should join two (UdpSocket::send()); where
// somebody does all the same, they come to their worker by this way, later and one by one.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/mailbox.h"
#include "core/wire/header.h"
#include "core/wire/shard.h"
#include "tap/file_descriptor.h"
#include "tap/steering.h"

namespace rove {

class DatagramExchange {
 public:
  struct Datagram {
    Endpoint from;
    Bytes octets;
  };

  // Throws std::system_error.
  explicit DatagramExchange(unsigned workers);

  // Whose it is; the asking worker's own where it is nobody's in particular.
  [[nodiscard]] unsigned owner_of(BytesView datagram, unsigned asking) const {
    const bool has_lane = datagram.size() > kLaneAt && datagram[0] == static_cast<std::uint8_t>(DatagramType::Data);
    return has_lane ? worker_of(shard_of_lane(datagram[kLaneAt]), workers_) : asking;
  }
  // From one worker's thread to another's, which it wakes. False when that one is too slow.
  [[nodiscard]] bool hand(unsigned from, unsigned to, Datagram datagram);
  // Readable when there is something to take.
  [[nodiscard]] int fd(unsigned worker) const { return wake_fds_[worker].get(); }
  // To be called when fd() is readable, before take().
  void acknowledge(unsigned worker);
  [[nodiscard]] std::optional<Datagram> take(unsigned worker);

 private:
  using Box = Mailbox<Datagram>;
  static constexpr std::size_t kDatagramsMax = 512;  // from one to one: several pieces of what was joined

  [[nodiscard]] Box& box(unsigned from, unsigned to) { return *boxes_[from * workers_ + to]; }

  unsigned workers_;
  std::vector<std::unique_ptr<Box>> boxes_;  // [from][to]
  std::vector<FileDescriptor> wake_fds_;
};

}  // namespace rove
