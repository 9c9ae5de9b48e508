// Which records this node stores for others. docs/protocol.md §6.3.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/identity/certificate.h"
#include "core/location/location_keys.h"
#include "core/location/location_service.h"

namespace rove {

enum class StoreVerdict : std::uint8_t {
  Accepted,
  Undecodable,    // no record of a known kind, or a bad encoding
  WrongId,        // the value's id is not the record's
  WrongKey,       // the record does not belong under this key
  BadSignature,   // the record's, or the certificate's
  Expired,        // by more than an hour
  OldSequence,    // its publisher has stored a newer one under this key
  NotAllowed,     // its publisher's certificate does not allow its addresses
  KeyQuota,       // its publisher has enough values under this key
  StrangerQuota,  // publishers without a known certificate have enough values under this key
  PublisherQuota,
  TotalQuota,
};

using SteadyTime = std::chrono::steady_clock::time_point;

inline constexpr std::chrono::minutes kStoreLifetime{10};  // OpenDHT's expiry of our value type
inline constexpr std::chrono::hours kClockTolerance{1};    // by which not_after may be past
inline constexpr std::size_t kStoredPerPublisherAndKey = 8;
inline constexpr std::size_t kStoredByStrangersPerKey = 4;
inline constexpr std::size_t kStoredPerPublisher = 16'384;
inline constexpr std::size_t kStoredMax = 262'144;

// Decides by the record's own signature, never by who brought it. Keeps its own account of what was
// accepted, as OpenDHT shows a policy no siblings: an entry ends with the value's expiry, or later when
// expire() learns that the value was refreshed meanwhile.
//
// One thread. Borrows nothing. Beside the quotas: `kHighWaterMax` sequences of values that are gone
// (the least recently raised is forgotten), `kCertificatesMax` certificates (further ones are ignored),
// `kWantedMax` wishes for certificates (further ones are dropped; the next record renews the wish).
class StorePolicy {
 public:
  static constexpr std::size_t kHighWaterMax = 65'536;
  static constexpr std::size_t kCertificatesMax = 65'536;
  static constexpr std::size_t kWantedMax = 1024;

  StorePolicy(TrustAnchor anchor, NamingKey naming_key);

  // `data` is a value's data: kind and record. On Accepted the value counts as stored.
  [[nodiscard]] StoreVerdict check(SteadyTime now, WallTime wall, const LocationKey& key, std::uint64_t value_id,
                                   BytesView data);

  // Forgets values that are over; `is_stored` says which were refreshed.
  void expire(SteadyTime now, const std::function<bool(const LocationKey&, std::uint64_t value_id)>& is_stored);
  // Everything that was stored is gone (the store was emptied); sequences and certificates stay.
  void forget_stored();
  [[nodiscard]] std::optional<SteadyTime> next_expiry() const;

  // Of two certificates of a node, the one that began later counts.
  void add_certificate(Certificate certificate);
  // Parses, verifies and adds; false when it is not a valid certificate of `node`.
  bool add_certificate(const NodeId& node, BytesView der, WallTime wall);
  [[nodiscard]] bool knows(const NodeId& node) const { return certificates_.count(node) != 0; }

  // A publisher of whom a record was seen but no certificate is known. Each is told once per wish.
  [[nodiscard]] std::optional<NodeId> poll_wanted_certificate();

  [[nodiscard]] std::size_t stored() const { return stored_; }

 private:
  struct Candidate {
    NodeId publisher;
    std::uint64_t sequence = 0;
    bool stranger = false;
    std::optional<Certificate> certificate;  // when the record is one
  };
  struct Stored {
    std::uint64_t value_id = 0;
    NodeId publisher;
    std::uint64_t sequence = 0;
    bool is_certificate = false;
  };
  using Owner = std::pair<LocationKey, NodeId>;
  struct HighWater {
    std::uint64_t sequence = 0;
    std::list<Owner>::iterator recent;
  };

  [[nodiscard]] StoreVerdict judge(WallTime wall, const LocationKey& key, std::uint64_t value_id, BytesView data,
                                   Candidate& candidate) const;
  [[nodiscard]] StoreVerdict judge_claim(WallTime wall, const LocationKey& key, BytesView record,
                                         Candidate& candidate) const;
  [[nodiscard]] StoreVerdict judge_node_record(WallTime wall, const LocationKey& key, BytesView record,
                                               Candidate& candidate) const;
  [[nodiscard]] StoreVerdict judge_certificate(WallTime wall, const LocationKey& key, BytesView record,
                                               Candidate& candidate) const;
  [[nodiscard]] StoreVerdict judge_quotas(const LocationKey& key, const Candidate& candidate) const;
  [[nodiscard]] const Certificate* find_certificate(const NodeId& node, WallTime wall) const;
  void store(SteadyTime now, const LocationKey& key, std::uint64_t value_id, const Candidate& candidate);
  void remove(const LocationKey& key, std::uint64_t value_id);
  void raise_high_water(const Owner& owner, std::uint64_t sequence);
  void want_certificate(const NodeId& node);

  TrustAnchor anchor_;
  LocationKeys keys_;
  std::map<NodeId, Certificate> certificates_;
  std::map<LocationKey, std::vector<Stored>> by_key_;
  std::map<NodeId, std::size_t> by_publisher_;
  std::size_t stored_ = 0;
  std::multimap<SteadyTime, std::pair<LocationKey, std::uint64_t>> expiries_;
  std::map<Owner, HighWater> high_water_;
  std::list<Owner> recent_;  // of high_water_, the least recently raised first
  std::set<NodeId> wanted_;
};

}  // namespace rove
