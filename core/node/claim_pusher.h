// Delivers claims to peers: sent at once, repeated until acknowledged or until the session is gone.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/location/claim.h"

namespace rove {

// Waits between repetitions (docs/protocol.md §5): the first above a LAN's or a continent's round trip, and five of
// them survive 20 % loss with a chance of failure below 10^-4. The last is for a path that is cut, and is taken as
// often as needed: whoever can be reached again before it counts as down (25 s, core/peer/peer.h) gets no other chance
// until the claim's refresh, and whoever cannot gets every claim with the next session.
inline constexpr std::array<std::chrono::milliseconds, 8> kPushIntervals{
    std::chrono::milliseconds{60},   std::chrono::milliseconds{120}, std::chrono::milliseconds{240},
    std::chrono::milliseconds{480},  std::chrono::milliseconds{960}, std::chrono::milliseconds{2000},
    std::chrono::milliseconds{4000}, std::chrono::milliseconds{5000}};
// Unacknowledged pushes; further ones are sent once and not repeated (counter pushes_limited).
inline constexpr std::size_t kPushesMax = 65536;

// Control thread. One outstanding push per peer and MAC: a newer claim replaces an older one.
class ClaimPusher {
 public:
  struct Push {
    NodeId peer;
    MacAddress vm;
    Bytes record;
  };

  // False when the table is full: sent once, not repeated.
  bool push(TimePoint now, const NodeId& peer, const SignedClaim& claim);
  // The VM whose push is over by this; nullopt when none was outstanding.
  std::optional<MacAddress> handle_ack(const NodeId& peer, const RecordId& id);
  // The peer may have lost what was sent to it: its pushes begin anew, with the short waits.
  void restart(TimePoint now, const NodeId& peer);
  // Ends all pushes to a peer whose session is gone. Nothing else ends one that is not acknowledged.
  void forget_peer(const NodeId& peer);

  // What to send now: new pushes, then due repetitions.
  [[nodiscard]] std::vector<Push> take_due(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> poll_timeout() const;
  [[nodiscard]] std::size_t outstanding() const { return pending_.size(); }
  // Pushes that ended without an acknowledgement.
  [[nodiscard]] std::uint64_t abandoned() const { return abandoned_; }

 private:
  struct Pending {
    RecordId id;
    Bytes record;
    std::size_t sent = 0;  // counts up to the last of kPushIntervals
    TimePoint next{};
  };
  using Key = std::pair<NodeId, MacAddress>;

  std::map<Key, Pending> pending_;
  std::multimap<TimePoint, Key> due_;  // may hold stale entries; `Pending::next` decides
  std::map<std::pair<NodeId, RecordId>, MacAddress> by_record_;
  std::vector<Push> once_;
  std::uint64_t abandoned_ = 0;
};

}  // namespace rove
