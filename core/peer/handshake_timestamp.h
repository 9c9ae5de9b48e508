// Timestamps of handshakes: ours, which only rise, and the last one of everybody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/wire/handshake_payload.h"

namespace rove {

// Initiators whose last timestamp is kept. Only holders of a certificate get in, so this is the size of the
// largest network that is protected in full; beyond it the initiator with the oldest timestamp is forgotten. What
// its replayed inits could do then is bring up a session that nobody confirms.
inline constexpr std::size_t kTimestampsMax = 16384;

// Makes TAI64N labels (https://cr.yp.to/libtai/tai64.html) that rise strictly.
class TimestampClock {
 public:
  // `floor_us`: µs since 1970 that was reached before, as the envelope's stamps, which survive a restart: so
  // timestamps rise also when the wall clock was set back meanwhile.
  [[nodiscard]] Tai64n next(WallTime now, std::uint64_t floor_us);

 private:
  std::uint64_t last_ns_ = 0;
};

// How far a timestamp is ahead of a wall clock (negative: behind). nullopt: it is of no time that a clock shows.
[[nodiscard]] std::optional<Duration> lead_of(const Tai64n& timestamp, WallTime now);

// The last timestamp accepted from each initiator. docs/protocol.md §4.
class TimestampTable {
 public:
  explicit TimestampTable(std::size_t entries_max = kTimestampsMax) : entries_max_(entries_max) {}

  enum class Order : std::uint8_t { Newer, Same, Older };
  // How `timestamp` relates to the last one accepted; Newer when there is none.
  [[nodiscard]] Order compare(const NodeId& initiator, const Tai64n& timestamp) const;
  // A handshake was verified: an init, or a response. The latter's timestamp tells which of the peer's inits are
  // older than the session that it made. One that is not newer changes nothing.
  void accept(const NodeId& initiator, const Tai64n& timestamp);
  [[nodiscard]] std::size_t size() const { return last_.size(); }

 private:
  std::size_t entries_max_;
  std::map<NodeId, Tai64n> last_;
  std::set<std::pair<Tai64n, NodeId>> by_age_;
};

}  // namespace rove
