// Where records live. Implemented on OpenDHT by dht/, and by a fake in tests/support that passes the
// same conformance test.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"

namespace rove {

enum class RecordKind : std::uint8_t { Claim = 1, NodeRecord = 2, Certificate = 3 };

// An encoded record as it stands under a key. Its bytes are unverified: whoever reads it must verify.
struct StoredRecord {
  RecordKind kind = RecordKind::Claim;
  Bytes bytes;
};

struct LookupId {
  std::uint64_t value = 0;
  auto operator<=>(const LookupId&) const = default;
};

// One value for a lookup or a watch. May repeat, and may come in any order.
struct RecordFound {
  LocationKey key;
  std::optional<LookupId> lookup;  // nullopt: from a watch
  StoredRecord record;
};
// No further values will come for this lookup. `reached` is false when no other node answered, so that
// "nothing found" means "not reachable" (Error::Unavailable).
struct LookupDone {
  LookupId lookup;
  bool reached = false;
};
// The service became usable, or ceased to be. A lone node counts as connected to itself only.
struct LocationStatus {
  bool connected = false;
  std::uint32_t nodes = 0;  // other nodes known to answer
};
using LocationEvent = std::variant<RecordFound, LookupDone, LocationStatus>;

// Control thread only. Calls never block and never fail: what cannot be done now is done when the
// service is reachable again. Every published record and every watch survives outages by replay.
class LocationService {
 public:
  virtual ~LocationService() = default;

  // Puts a record under a key and keeps it there until withdraw() or until a publish() with the same
  // `slot` replaces it (the older one is no longer refreshed). `slot` is the publisher's name for "the
  // same thing" under this key, e.g. a VM's MAC as a number.
  virtual void publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) = 0;
  virtual void withdraw(const LocationKey& key, std::uint64_t slot) = 0;

  // Asks for all values under a key. Ends with LookupDone. `fresh` bypasses what a watch on the same
  // key has cached and asks the network.
  virtual LookupId lookup(const LocationKey& key, bool fresh) = 0;

  // Reports present and future values under a key until unwatch(). At most one watch per key.
  virtual void watch(const LocationKey& key) = 0;
  virtual void unwatch(const LocationKey& key) = 0;

  // Certificates that the store policy may judge by, learned elsewhere; DER, already verified.
  virtual void add_certificate(const NodeId& node, Bytes der) = 0;

  virtual std::optional<LocationEvent> poll_event() = 0;

 protected:
  LocationService() = default;
  LocationService(const LocationService&) = default;
  LocationService& operator=(const LocationService&) = default;
};

}  // namespace rove
