// The network between the hosts: UDP datagrams with delay, jitter, loss, duplication, and partitions.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/random.h"
#include "tests/sim/virtual_time.h"

namespace rove::sim {

struct LinkQuality {
  Duration delay = std::chrono::milliseconds{10};  // one way
  Duration jitter = std::chrono::milliseconds{0};  // added, uniform: reorders when it exceeds the gap
  double loss = 0;
  double duplicate = 0;
};

class Underlay {
 public:
  using Receiver = std::function<void(const Endpoint& from, const Bytes& datagram)>;

  Underlay(VirtualTime& time, Random& random) : time_(time), random_(random) {}

  void attach(const Endpoint& endpoint, Receiver receiver) { receivers_[endpoint] = std::move(receiver); }
  void detach(const Endpoint& endpoint) { receivers_.erase(endpoint); }
  void set_quality(const LinkQuality& quality) { quality_ = quality; }

  // Datagrams between the two are lost until heal().
  void cut(const Endpoint& a, const Endpoint& b) { cuts_.insert(std::minmax(a, b)); }
  void heal(const Endpoint& a, const Endpoint& b) { cuts_.erase(std::minmax(a, b)); }
  void heal_all() { cuts_.clear(); }

  void send(const Endpoint& from, const Endpoint& to, Bytes datagram) {
    ++sent_;
    bytes_ += datagram.size();
    if (cuts_.contains(std::minmax(from, to)) || chance(quality_.loss)) return;
    const int copies = chance(quality_.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const auto jitter = quality_.jitter.count() == 0
                              ? Duration{0}
                              : Duration{random_.below(static_cast<std::uint64_t>(quality_.jitter.count()))};
      time_.after(quality_.delay + jitter, [this, from, to, datagram] {
        const auto it = receivers_.find(to);
        if (it != receivers_.end()) it->second(from, datagram);
      });
    }
  }

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] bool chance(double probability) {
    return probability > 0 && static_cast<double>(random_.below(1'000'000)) < probability * 1e6;
  }

  VirtualTime& time_;
  Random& random_;
  LinkQuality quality_;
  std::map<Endpoint, Receiver> receivers_;
  std::set<std::pair<Endpoint, Endpoint>> cuts_;
  std::uint64_t sent_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace rove::sim
