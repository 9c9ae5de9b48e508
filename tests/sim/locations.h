// The location services of a simulated network: one for each host, over a part that all share.
#pragma once

#include <memory>

#include "core/base/address.h"
#include "tests/sim/sim_location.h"
#include "tests/sim/virtual_time.h"
#include "tests/sim/world.h"

namespace rove::sim {

struct World::Locations {
  Locations() = default;
  Locations(const Locations&) = delete;
  Locations& operator=(const Locations&) = delete;
  virtual ~Locations() = default;

  [[nodiscard]] virtual std::unique_ptr<SimLocation> make(SimHost& host, const Endpoint& bootstrap) = 0;

  // Only hosts of the same group reach each other. For services without datagrams of their own, which no cut of the
  // underlay concerns.
  virtual void set_group(const Endpoint& /*host*/, int /*group*/) {}

  [[nodiscard]] static std::unique_ptr<Locations> create(LocationKind kind, VirtualTime& time, std::uint64_t seed,
                                                         Duration delay);
};

}  // namespace rove::sim
