// Lookups under way, each for one of three purposes.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/ids.h"
#include "core/location/location_service.h"

namespace rove {

// For a watch that wants to be sure that it has missed nothing.
struct WatchReread {};
// For the store policy: the certificate of a publisher.
struct CertificateFetch {
  NodeId node;
};
using LookupPurpose = std::variant<LookupId, WatchReread, CertificateFetch>;

// Which lookups run, what each has found already, and when it is over: when OpenDHT says so, or after
// kLookupTimeMax. Lookups of one key that come together are asked as one. One thread, no I/O.
class LookupTable {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // OpenDHT waits up to 10 s for dead nodes; whoever has not answered in 3 s was asked three times.
  static constexpr std::chrono::seconds kLookupTimeMax{3};
  // About 60 packets each; more wait.
  static constexpr std::size_t kRunningMax = 1024;
  // Within one search OpenDHT compares every get with every other.
  static constexpr std::size_t kRunningPerKeyMax = 4;
  // Purposes, of those that run and those that wait; when there are so many, start() refuses.
  static constexpr std::size_t kPurposesMax = 5120;
  // Distinct values that are passed on from one lookup; the rest is dropped. The quotas of the store
  // policy allow a key few, but for the list of members.
  static constexpr std::size_t kValuesPerLookupMax = 4096;

  struct Lookup {
    std::uint64_t number = 0;  // its name towards OpenDHT
    LocationKey key;
    bool fresh = false;
    Time started{};
    std::vector<LookupPurpose> purposes;
    std::set<std::uint64_t> seen;  // value ids
    bool is_joinable = true;       // it has not been asked yet
  };

  // The lookup's number; nullopt when there are too many already.
  [[nodiscard]] std::optional<std::uint64_t> start(Time now, const LookupPurpose& purpose, const LocationKey& key,
                                                   bool fresh);
  // The next one to be handed to OpenDHT. Borrowed until the next call.
  [[nodiscard]] const Lookup* poll_start();
  // True when the lookup is under way and has not seen that value yet.
  [[nodiscard]] bool note_value(std::uint64_t number, std::uint64_t value_id);
  [[nodiscard]] const Lookup* find(std::uint64_t number) const;
  // Takes it out; nullopt when it is over already.
  [[nodiscard]] std::optional<Lookup> finish(std::uint64_t number);
  // One that has run out of time.
  [[nodiscard]] std::optional<Lookup> poll_timed_out(Time now);
  // The next one at all, to give everything up.
  [[nodiscard]] std::optional<Lookup> take_any();
  // Hands the running ones out again: the Dht object is a new one.
  void restart_running();

  [[nodiscard]] std::optional<Time> poll_timeout() const;
  [[nodiscard]] bool has_startable() const { return find_startable() != waiting_.end(); }

 private:
  using Numbers = std::set<std::uint64_t>;
  [[nodiscard]] Numbers::const_iterator find_startable() const;
  void forget_running(const Lookup& lookup);

  std::map<std::uint64_t, Lookup> lookups_;  // by number, which is also the order of their deadlines
  Numbers waiting_;
  Numbers running_;
  std::map<LocationKey, std::size_t> running_by_key_;
  std::map<std::pair<LocationKey, bool>, std::uint64_t> joinable_;  // by key and `fresh`
  std::size_t purposes_ = 0;
  std::uint64_t last_number_ = 0;
};

}  // namespace rove
