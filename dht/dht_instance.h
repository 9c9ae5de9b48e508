// One dht::Dht object, tamed: no callbacks, no exceptions, no OpenDHT in the interface.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "core/location/location_service.h"
#include "dht/dht_engine.h"
#include "dht/queue_socket.h"

namespace dht {
class Dht;
}

namespace rove {

// May be dropped at any moment; nothing is called afterwards. After any call that is not const,
// run() says when it wants to run again.
//
// One thread. Borrows the queue. A defect of OpenDHT (an exception out of it) makes is_broken() true for
// good: build another.
class DhtInstance {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // Is this value to be stored for others?
  using MayStore = std::function<bool(const LocationKey& key, std::uint64_t value_id, BytesView data)>;

  // `get` is the number given to get(); nullopt: from a watch.
  struct Found {
    std::optional<std::uint64_t> get;
    LocationKey key;
    std::uint64_t value_id = 0;
    StoredRecord record;
  };
  // `ok` is OpenDHT's word; `asked` is false when it answered out of what it had.
  struct Done {
    std::uint64_t get = 0;
    bool ok = false;
    bool asked = false;
  };
  using Outcome = std::variant<Found, Done>;

  DhtInstance(const DhtConfig& config, SendQueue& out, MayStore may_store);
  ~DhtInstance();
  DhtInstance(const DhtInstance&) = delete;
  DhtInstance& operator=(const DhtInstance&) = delete;

  // The message has passed check_dht_message().
  void receive(Time now, const Endpoint& from, BytesView message);
  // Does what is due; returns when to be called again, later than `now`.
  Time run(Time now);

  void ping(const Endpoint& node);
  void put(const LocationKey& key, std::uint64_t value_id, const StoredRecord& record, bool permanent);
  void cancel_put(const LocationKey& key, std::uint64_t value_id);
  // Without `fresh` a listen on the key may answer from what it has; with it the network is asked.
  void get(std::uint64_t number, const LocationKey& key, bool fresh);
  void cancel_get(std::uint64_t number);
  void listen(const LocationKey& key);
  void cancel_listen(const LocationKey& key);

  [[nodiscard]] std::optional<Outcome> poll_outcome();

  [[nodiscard]] unsigned good_nodes() const;
  // Keys that were asked for, put to or listened on. OpenDHT keeps each for 62 minutes, at about 10 kB.
  [[nodiscard]] std::size_t searches() const;
  [[nodiscard]] bool is_stored(const LocationKey& key, std::uint64_t value_id) const;
  [[nodiscard]] std::vector<KnownDhtNode> nodes() const;
  [[nodiscard]] bool is_broken() const { return is_broken_; }

 private:
  struct Callbacks;

  template <typename Call>
  void guarded(Call&& call);

  std::shared_ptr<Callbacks> callbacks_;  // what OpenDHT calls; outlives dht_ inside its closures
  std::map<LocationKey, std::size_t> listens_;
  std::unique_ptr<dht::Dht> dht_;
  bool is_broken_ = false;
};

}  // namespace rove
