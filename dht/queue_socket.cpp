#include "dht/queue_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "dht/socket_address.h"

namespace rove {

void SendQueue::push(DhtTransmit datagram) {
  if (destinations_.size() < kDestinationsMax &&
      std::find(destinations_.begin(), destinations_.end(), datagram.to) == destinations_.end()) {
    destinations_.push_back(datagram.to);
  }
  if (queue_.size() == kSendQueueMax) {
    ++dropped_;
    return;
  }
  ++sent_;
  queue_.push_back(std::move(datagram));
}

std::optional<DhtTransmit> SendQueue::pop() {
  if (queue_.empty()) return std::nullopt;
  DhtTransmit datagram = std::move(queue_.front());
  queue_.pop_front();
  return datagram;
}

std::vector<Endpoint> SendQueue::take_destinations() {
  return std::exchange(destinations_, {});
}

int QueueSocket::sendTo(const dht::SockAddr& to, const std::uint8_t* data, std::size_t size, bool) {
  const auto endpoint = to_endpoint(to);
  if (!endpoint) return EAFNOSUPPORT;
  const bool usable = endpoint->address.is_v4() ? ipv4_ : ipv6_;
  if (!usable) return EAFNOSUPPORT;
  queue_.push(DhtTransmit{*endpoint, Bytes(data, data + size)});
  return 0;
}

}  // namespace rove
