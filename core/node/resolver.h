// Destinations that frames wait for: one question at a time per address, a few frames held, short negative answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/location/location_service.h"

namespace rove {

// Frames held per address: a TCP SYN and its repetitions, an ARP train; the oldest goes first.
inline constexpr std::size_t kHeldPerAddress = 16;
// Addresses that are waited for at a time; a scan of a /16 must not take the memory of the host.
inline constexpr std::size_t kResolvingMax = 1024;
// Without an answer by then the frames are given up: senders repeat within a second.
inline constexpr std::chrono::seconds kResolveTimeout{3};
// How long "nobody has it" is believed.
inline constexpr std::chrono::milliseconds kNegativeTime{1000};

// Control thread. Decides when to ask and what to hold; asks nobody itself.
class Resolver {
 public:
  enum class Outcome : std::uint8_t {
    Held,      // an answer is on its way
    Negative,  // lately nobody had it: the frame was not taken
    Full,      // too many addresses wait: the frame was not taken (counter resolving_limited)
  };

  Outcome handle_miss(TimePoint now, const VmAddress& address, BytesView frame);

  // An address that must be asked for now; the caller starts a lookup and tells its id.
  [[nodiscard]] std::optional<VmAddress> poll_question();
  void set_lookup(const VmAddress& address, LookupId lookup);
  [[nodiscard]] std::optional<VmAddress> find_by_lookup(LookupId lookup) const;

  [[nodiscard]] bool is_waiting(const VmAddress& address) const { return waiting_.contains(address); }
  [[nodiscard]] std::vector<VmAddress> waiting() const;

  // The address is settled: hands out its frames, oldest first.
  [[nodiscard]] std::vector<Bytes> take_resolved(const VmAddress& address);
  // Nobody has it: hands out its frames, and remembers for kNegativeTime.
  [[nodiscard]] std::vector<Bytes> take_negative(TimePoint now, const VmAddress& address);
  // Gives up what waited too long; returns how many frames were dropped with it.
  std::size_t handle_timeout(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;

  [[nodiscard]] std::uint64_t held_dropped() const { return held_dropped_; }

 private:
  struct Waiting {
    std::deque<Bytes> frames;
    TimePoint deadline{};
    std::optional<LookupId> lookup;
  };

  std::map<VmAddress, Waiting> waiting_;
  std::map<LookupId, VmAddress> lookups_;
  std::map<VmAddress, TimePoint> negative_;
  std::deque<VmAddress> questions_;
  std::uint64_t held_dropped_ = 0;
};

}  // namespace rove
