// What this node keeps in the DHT, and when which of it is put.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "core/base/ids.h"
#include "core/location/location_service.h"
#include "dht/pacer.h"

namespace rove {

// The value's id in the DHT: the record's, as a big-endian number (docs/protocol.md §6.3).
[[nodiscard]] std::uint64_t value_id_of(const StoredRecord& record);

// One record per key and slot. A new one is put at once and not permanently, which costs one round trip
// to whoever watches; a second later it is put again, permanently, and so every ten minutes. A replaced or
// withdrawn one is cancelled: it runs out where it is stored.
//
// Puts are paced at kPutsPerSecond, new records before all others. One thread, no I/O. The caller's own
// records only, so their number is not limited here.
class Publisher {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A put takes about 100 packets in a network of 200 nodes.
  static constexpr unsigned kPutsPerSecond = 200;
  static constexpr unsigned kPutBurst = 64;
  static constexpr std::chrono::seconds kPermanentAfter{1};

  struct Put {
    LocationKey key;
    std::uint64_t value_id = 0;
    StoredRecord record;
    bool permanent = false;
  };
  struct Cancel {
    LocationKey key;
    std::uint64_t value_id = 0;
  };
  using Order = std::variant<Put, Cancel>;

  explicit Publisher(Time now) : pacer_(now, kPutsPerSecond, kPutBurst) {}

  void publish(const LocationKey& key, std::uint64_t slot, StoredRecord record);
  void withdraw(const LocationKey& key, std::uint64_t slot);
  // Nothing of ours stands in the DHT any more: everything is to be put again.
  void replay(Time now);

  [[nodiscard]] std::optional<Order> poll_order(Time now);
  [[nodiscard]] std::optional<Time> poll_timeout() const;

  [[nodiscard]] std::vector<StoredRecord> find(const LocationKey& key) const;
  [[nodiscard]] std::size_t size() const { return publications_.size(); }

 private:
  using Place = std::pair<LocationKey, std::uint64_t>;  // key and slot
  struct Publication {
    StoredRecord record;
    std::uint64_t value_id = 0;
    std::uint64_t generation = 0;
    bool is_put = false;
  };
  // Void when the publication has another generation by then.
  struct Due {
    Place place;
    std::uint64_t generation = 0;
  };

  void cancel(const LocationKey& key, const Publication& publication);
  [[nodiscard]] Publication* find_due(const Due& due);
  void drop_void_entries();

  std::map<Place, Publication> publications_;
  std::uint64_t last_generation_ = 0;
  std::deque<Due> new_;
  std::multimap<Time, Due> later_;
  std::deque<Cancel> cancels_;
  Pacer pacer_;
};

}  // namespace rove
