// The location service on a private OpenDHT network, as a single-threaded engine on the caller's clock
// and datagrams. DhtLocation runs it on a thread of its own; the simulator runs it in virtual time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"
#include "core/identity/certificate.h"
#include "core/location/location_service.h"

namespace rove {

// A DHT node that answered before; kept across restarts, so that bootstrap is needed only once.
struct KnownDhtNode {
  LocationKey id;
  Endpoint endpoint;
  bool operator==(const KnownDhtNode&) const = default;
};

struct DhtConfig {
  LocationKey node_id;  // LocationKeys::dht_node_id(own key)
  NetworkId network;
  TrustAnchor anchor;                     // for the store policy
  NamingKey naming_key;                   // for the store policy: does a record belong under its key
  std::vector<Endpoint> bootstrap;        // asked until one answers, and again after an outage
  std::vector<KnownDhtNode> known_nodes;  // from the last run
  std::vector<Endpoint> local_endpoints;  // ours, so that we never bootstrap from ourselves
  bool ipv4 = true;                       // families that the underlay socket has
  bool ipv6 = true;
};

struct DhtCounters {
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_in_dropped = 0;  // the thread of DhtLocation did not keep up
  std::uint64_t datagrams_out = 0;
  std::uint64_t datagrams_out_dropped = 0;  // the caller did not fetch them in time
  std::uint64_t bad_shape = 0;              // refused before OpenDHT's parser
  std::uint64_t stores_accepted = 0;
  std::uint64_t stores_refused = 0;  // by the store policy
  std::uint64_t lookups = 0;
  std::uint64_t lookups_refused = 0;  // too many at a time
  std::uint64_t events_dropped = 0;   // records found that the caller did not fetch in time
  std::uint64_t rebuilds = 0;         // of the Dht object, after an outage
  std::uint64_t published = 0;        // records kept published now
  std::uint64_t watches = 0;          // keys watched now
};

struct DhtTransmit {
  Endpoint to;
  Bytes bytes;
};

// Ties the parts together: DhtInstance (one dht::Dht object), Supervisor (when to build another),
// Publisher, WatchTable, LookupTable (what to ask of it), StorePolicy (what to store for others).
//
//   handle_datagram ─► check_dht_message ─► DhtInstance ─► poll_event
//   publish, watch, lookup ─► tables ─ run() ─► DhtInstance ─► poll_transmit
//
// One thread. OpenDHT reads std::chrono::steady_clock itself, so this class does too; run() takes the wall
// clock for validity checks. Nothing is sent but inside handle_datagram() and run(): call run() after
// every other call that is not const, fetch what there is to poll, and call it again when it says.
class DhtEngine final : public LocationService {
 public:
  explicit DhtEngine(DhtConfig config);
  ~DhtEngine() override;

  // An OpenDHT message, out of its envelope. Checked for its shape first; a bad one is counted and dropped.
  void handle_datagram(const Endpoint& from, BytesView message, WallTime now);
  // Runs what is due and returns when to be called again, in steady_clock time.
  std::chrono::steady_clock::time_point run(WallTime now);
  [[nodiscard]] std::optional<DhtTransmit> poll_transmit();

  void publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) override;
  void withdraw(const LocationKey& key, std::uint64_t slot) override;
  LookupId lookup(const LocationKey& key, bool fresh) override;
  void watch(const LocationKey& key) override;
  void unwatch(const LocationKey& key) override;
  void add_certificate(const NodeId& node, Bytes der) override;
  std::optional<LocationEvent> poll_event() override;

  // Nodes that are good now, to be saved every few minutes and at exit.
  [[nodiscard]] std::vector<KnownDhtNode> known_nodes() const;
  void set_bootstrap(std::vector<Endpoint> bootstrap);
  [[nodiscard]] DhtCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
