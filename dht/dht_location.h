// DhtEngine on a thread of its own, behind mailboxes: the LocationService that the daemon gives to Node.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/location/location_service.h"
#include "dht/dht_engine.h"

namespace rove {

// Control thread, but for the thread that it runs itself. `wake` is called from that thread when
// poll_event() or poll_transmit() has something new; it must be thread-safe and not block.
//
// Commands are never lost. Datagrams from the network are dropped and counted when the thread does not
// keep up; datagrams and events towards the control thread wait in the engine, within its limits.
class DhtLocation final : public LocationService {
 public:
  DhtLocation(DhtConfig config, std::function<void()> wake);
  ~DhtLocation() override;  // stops and joins the thread

  // An OpenDHT message from the network.
  void deliver(const Endpoint& from, Bytes message);
  [[nodiscard]] std::optional<DhtTransmit> poll_transmit();

  void publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) override;
  void withdraw(const LocationKey& key, std::uint64_t slot) override;
  LookupId lookup(const LocationKey& key, bool fresh) override;
  void watch(const LocationKey& key) override;
  void unwatch(const LocationKey& key) override;
  void add_certificate(const NodeId& node, Bytes der) override;
  std::optional<LocationEvent> poll_event() override;

  void set_bootstrap(std::vector<Endpoint> bootstrap);
  // As of the last second.
  [[nodiscard]] std::vector<KnownDhtNode> known_nodes() const;
  [[nodiscard]] DhtCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
