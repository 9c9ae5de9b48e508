// The keys that this node listens on.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <variant>

#include "core/base/ids.h"
#include "dht/pacer.h"

namespace rove {

// When to listen on which key, and when to look it up besides: a listen of OpenDHT may die unseen.
// One thread, no I/O. The caller's own choice of keys, so their number is not limited here.
class WatchTable {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A listen takes about 70 packets in a network of 200 nodes.
  static constexpr unsigned kListensPerSecond = 200;
  static constexpr unsigned kListenBurst = 64;
  // Per key; spread by up to a tenth either way.
  static constexpr std::chrono::seconds kRereadInterval{60};
  static constexpr unsigned kRereadsPerSecond = 50;
  static constexpr unsigned kRereadBurst = 16;

  struct Listen {
    LocationKey key;
  };
  struct Unlisten {
    LocationKey key;
  };
  struct Reread {
    LocationKey key;
  };
  using Order = std::variant<Listen, Unlisten, Reread>;

  explicit WatchTable(Time now)
      : listen_pacer_(now, kListensPerSecond, kListenBurst), reread_pacer_(now, kRereadsPerSecond, kRereadBurst) {}

  // False when it is watched already.
  bool watch(const LocationKey& key);
  void unwatch(const LocationKey& key);
  // Nobody knows of our listens any more.
  void replay();
  // Something may have been missed.
  void reread_all(Time now);

  [[nodiscard]] std::optional<Order> poll_order(Time now);
  [[nodiscard]] std::optional<Time> poll_timeout() const;
  [[nodiscard]] bool contains(const LocationKey& key) const { return watches_.count(key) != 0; }
  [[nodiscard]] std::size_t size() const { return watches_.size(); }

 private:
  struct Watch {
    bool is_listening = false;
    Time next_reread{};
  };
  void schedule_reread(const LocationKey& key, Watch& watch, Time when);

  std::map<LocationKey, Watch> watches_;
  std::set<LocationKey> to_listen_;
  std::set<LocationKey> to_unlisten_;
  std::set<std::pair<Time, LocationKey>> rereads_;  // of those that listen
  std::uint64_t rereads_done_ = 0;
  Pacer listen_pacer_;
  Pacer reread_pacer_;
};

}  // namespace rove
