// What every LocationService must do, as one test that runs on the real OpenDHT and on the fake.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "core/location/location_keys.h"
#include "core/location/location_service.h"
#include "tests/support/test_network.h"

namespace rove {

// Some nodes with their services, and time.
class LocationHarness {
 public:
  virtual ~LocationHarness() = default;
  [[nodiscard]] virtual LocationService& service(std::size_t node) = 0;
  // Everything that happens meanwhile; calls on services before it take effect at its start.
  virtual void run_for(Duration duration) = 0;
  [[nodiscard]] virtual std::optional<LocationEvent> poll_event(std::size_t node) = 0;
  // The node neither sends nor receives.
  virtual void cut(std::size_t node, bool is_cut) = 0;

 protected:
  LocationHarness() = default;
  LocationHarness(const LocationHarness&) = delete;
  LocationHarness& operator=(const LocationHarness&) = delete;
};

// Makes that many nodes of a TestNetwork with the default seed, named node0, node1, …, which have found
// each other.
using MakeHarness = std::function<std::unique_ptr<LocationHarness>(std::size_t nodes)>;

// To be called in a TEST_CASE; it is made of SUBCASEs.
void check_location_conformance(const MakeHarness& make);

}  // namespace rove
