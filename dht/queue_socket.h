// The socket that OpenDHT gets: what it sends is queued for the caller, what it receives is handed to
// Dht::periodic() past it.
#pragma once

#include <opendht/network_utils.h>

#include <cstdint>
#include <deque>

#include "dht/dht_engine.h"

namespace rove {

// Datagrams on their way out. At most kSendQueueMax; more are dropped like on a full link, and counted.
class SendQueue {
 public:
  // A burst of 200 puts is about 20,000 datagrams in a large network, but they leave between two calls
  // of Dht::periodic(); half of that at a KiB each is the most that we let lie here.
  static constexpr std::size_t kSendQueueMax = 8192;

  void push(DhtTransmit datagram);
  [[nodiscard]] std::optional<DhtTransmit> pop();
  [[nodiscard]] bool empty() const { return queue_.empty(); }
  // Where to datagrams went since the last call: distinct, and only the first few.
  [[nodiscard]] std::vector<Endpoint> take_destinations();
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  static constexpr std::size_t kDestinationsMax = 8;  // more than the supervisor wants to know

  std::deque<DhtTransmit> queue_;
  std::vector<Endpoint> destinations_;
  std::uint64_t sent_ = 0;
  std::uint64_t dropped_ = 0;
};

// Owned by the dht::Dht object; `queue` must outlive it. Called from OpenDHT on the engine's thread only.
//
// It always has both families: with one of them missing, Dht::listen() of 2.4.12 gives up half-way
// (token 0, no local listener, nothing to cancel). What is for a missing family is refused in sendTo().
class QueueSocket final : public dht::net::DatagramSocket {
 public:
  QueueSocket(SendQueue& queue, bool ipv4, bool ipv6) : queue_(queue), ipv4_(ipv4), ipv6_(ipv6) {}

  // 0, or EAFNOSUPPORT, which makes OpenDHT forget the node at once. A lack of route is not told: it
  // would end all listens through that node, though routes come back.
  int sendTo(const dht::SockAddr& to, const std::uint8_t* data, std::size_t size, bool replied) override;
  bool hasIPv4() const override { return true; }
  bool hasIPv6() const override { return true; }
  const dht::SockAddr& getBoundRef(sa_family_t) const override { return none_; }
  std::vector<dht::SockAddr> resolve(const std::string&, const std::string&) override { return {}; }  // would block
  void stop() override {}

 private:
  SendQueue& queue_;
  bool ipv4_;
  bool ipv6_;
  dht::SockAddr none_;
};

}  // namespace rove
