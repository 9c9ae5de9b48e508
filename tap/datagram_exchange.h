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
#include "tap/wake_signal.h"

namespace rove {

class DatagramExchange {
 public:
  struct Datagram {
    Endpoint from;
    Bytes octets;
  };

  // Throws std::system_error.
  explicit DatagramExchange(unsigned workers);

  [[nodiscard]] unsigned workers() const { return workers_; }
  // Whose it is; the asking worker's own where it is nobody's in particular.
  [[nodiscard]] unsigned owner_of(BytesView datagram, unsigned asking) const {
    const auto shard = shard_of_datagram(datagram);
    return shard ? worker_of(*shard, workers_) : asking;
  }
  // From one worker's thread to another's, which it wakes. False when that one is too slow.
  [[nodiscard]] bool hand(unsigned from, unsigned to, Datagram datagram);
  // Readable when there is something to take.
  [[nodiscard]] int fd(unsigned worker) const { return signals_[worker].fd(); }
  // To be called when fd() is readable, before take().
  void acknowledge(unsigned worker) { signals_[worker].drain(); }
  [[nodiscard]] std::optional<Datagram> take(unsigned worker);

 private:
  using Box = Mailbox<Datagram>;
  static constexpr std::size_t kDatagramsMax = 512;  // from one to one: several pieces of what was joined

  [[nodiscard]] Box& box(unsigned from, unsigned to) { return *boxes_[from * workers_ + to]; }

  unsigned workers_;
  std::vector<std::unique_ptr<Box>> boxes_;  // [from][to]
  std::vector<WakeSignal> signals_;
};

}  // namespace rove
