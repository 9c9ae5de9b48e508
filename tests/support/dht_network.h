// Many DhtEngines on a virtual network in virtual time.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "core/location/location_keys.h"
#include "dht/dht_engine.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"
#include "tests/support/virtual_dht_clock.h"

namespace rove {

struct DhtNetworkOptions {
  std::uint64_t seed = 1;
  Duration delay = std::chrono::milliseconds{25};  // one way
  double loss = 0;
  bool ipv6 = true;  // the engines have IPv6 sockets, though nobody has an IPv6 address
};

// Node i has the address 10.1.0.0 + i and the identity i of `identities()`; it bootstraps from nodes 0 to 2.
// Datagrams may be delayed and lost, nodes cut off, killed and started again.
class DhtNetwork {
 public:
  // Sees every datagram that is sent, also those that get lost.
  using Tap = std::function<void(std::size_t from, const Endpoint& to, BytesView message)>;

  explicit DhtNetwork(DhtNetworkOptions options = {});
  ~DhtNetwork();

  // Returns the node's number.
  std::size_t add_node();
  // With a configuration that differs from the usual one.
  std::size_t add_node(const std::function<void(DhtConfig&)>& change);
  // Adds nodes up to that number and lets them find each other.
  void grow(std::size_t size);
  // The process dies, without a word.
  void kill(std::size_t node);
  // A new process with the same identity and address.
  void start(std::size_t node, const std::function<void(DhtConfig&)>& change = {});
  // Neither sends nor receives.
  void cut(std::size_t node, bool is_cut = true);

  void run_for(Duration duration);
  // False when `done` did not come true in time.
  bool run_until(const std::function<bool()>& done, Duration limit);

  [[nodiscard]] DhtEngine& engine(std::size_t node) { return *nodes_.at(node).engine; }
  // Call after every operation on an engine, so that it runs.
  void wake(std::size_t node);
  // Events of a node that nobody has taken yet, in order.
  [[nodiscard]] std::optional<LocationEvent> poll_event(std::size_t node);

  [[nodiscard]] Endpoint endpoint(std::size_t node) const;
  // What `from` puts on the wire for `to`, as if its engine had.
  void inject(const Endpoint& from, std::size_t to, Bytes message);
  void set_tap(Tap tap) { tap_ = std::move(tap); }

  [[nodiscard]] TestNetwork& identities() { return identities_; }
  [[nodiscard]] const TestNode& identity(std::size_t node) const { return identities_.nodes()[node]; }
  [[nodiscard]] const LocationKeys& keys() const { return keys_; }
  [[nodiscard]] Now now() const { return clock_.now(); }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Node {
    std::unique_ptr<DhtEngine> engine;
    std::deque<LocationEvent> events;
    Time wake{};
    bool is_cut = false;
  };
  struct Flight {
    Time arrival{};
    std::uint64_t order = 0;
    std::size_t to = 0;
    Endpoint from;
    Bytes message;
    bool operator<(const Flight& other) const {
      return std::pair{arrival, order} > std::pair{other.arrival, other.order};
    }
  };

  [[nodiscard]] DhtConfig make_config(std::size_t node) const;
  [[nodiscard]] std::optional<std::size_t> find_node(const Endpoint& endpoint) const;
  void send(std::size_t from, DhtTransmit datagram);
  void run_node(std::size_t node);
  bool step(Time until);

  DhtNetworkOptions options_;
  VirtualDhtClock clock_;
  SeededRandom random_;
  TestNetwork identities_;
  LocationKeys keys_;
  std::vector<Node> nodes_;
  std::priority_queue<Flight> flights_;
  std::uint64_t sent_ = 0;
  Tap tap_;
};

}  // namespace rove
