// Keeps the DHT usable through outages, which OpenDHT 2.4.12 does not do itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/base/address.h"

namespace rove {

// Decides when the Dht object is to be dropped and built anew, when the operations wait, and whom to
// ping. After an outage of 30 s, 22 of 100 listens of a Dht object stay dead for good, and its own
// connectivityChanged() loses all of them; a new object with everything replayed loses none.
//
//            PingSeeds every 5 s                Keepalive every 5 s of silence
//            ┌───────────┐   a node is good     ┌───────────┐
//   start ──►│ searching ├──── Attach ─────────►│ connected │
//            └───────────┘                      └─────┬─────┘
//                  ▲   no good node for 10 s, or      │
//                  └── nobody answers for 5 s ────────┘
//                      Rebuild
//
// One thread, no I/O: orders come out of poll_order().
class Supervisor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Span = std::chrono::steady_clock::duration;

  enum class Order : std::uint8_t {
    PingSeeds,  // bootstrap and known nodes, until one answers
    Attach,     // issue every put, listen and lookup on the Dht object
    Rebuild,    // drop the Dht object and build a new one; issue nothing until Attach
    Keepalive,  // ping one of the good nodes
    Reread,     // there was a gap: look up everything that is watched
    MergePing,  // ping a seed that may be in another partition
  };

  static constexpr std::chrono::seconds kSeedPingInterval{5};
  static constexpr std::chrono::seconds kDisconnectedMax{10};
  static constexpr std::chrono::seconds kIsolatedMax{5};
  // OpenDHT repeats an unanswered update to a listener for about 3 s; a longer gap may have lost one.
  static constexpr std::chrono::seconds kGapHarmless{3};
  static constexpr std::chrono::seconds kKeepaliveAfter{5};
  static constexpr std::chrono::seconds kDoubtInterval{1};  // between keepalives while in doubt
  // So many different nodes must be silent before we believe that it is us.
  static constexpr std::size_t kWitnessesMax = 3;
  // Two halves of a network that was cut for long have forgotten each other; seeds join them again.
  static constexpr std::chrono::seconds kMergeInterval{60};

  explicit Supervisor(Time now);

  // Datagrams left for `to`; a message came from anybody.
  void handle_sent(Time now, const Endpoint& to);
  void handle_received(Time now);
  void handle_status(Time now, unsigned good_nodes);
  // The Dht object is not to be kept, for a reason of the caller's.
  void handle_defect(Time now);
  // Seeds were added: try them now.
  void handle_new_seeds(Time now);
  void handle_timeout(Time now, bool anything_to_keep_alive);

  [[nodiscard]] std::optional<Order> poll_order();
  [[nodiscard]] Time poll_timeout() const;

  [[nodiscard]] bool is_connected() const { return connected_; }
  // Nobody answers; not yet for long enough to rebuild.
  [[nodiscard]] bool is_in_doubt(Time now) const;
  // Since when it has been searching; only while !is_connected().
  [[nodiscard]] Time searching_since() const { return searching_since_; }

 private:
  void start_searching(Time now);
  [[nodiscard]] bool is_witnessed() const;
  void send_keepalives(Time now, bool anything_to_keep_alive);

  bool connected_ = false;
  Time searching_since_;
  Time next_seed_ping_;
  Time next_merge_ping_;
  Time last_received_;
  Time last_keepalive_;
  bool keeps_alive_ = false;
  unsigned good_nodes_ = 0;
  std::optional<Time> no_good_node_since_;
  std::optional<Time> unanswered_since_;
  std::vector<Endpoint> unanswered_;  // distinct, at most kWitnessesMax
  std::deque<Order> orders_;
};

}  // namespace rove
