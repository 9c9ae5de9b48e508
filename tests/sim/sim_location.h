// What a simulated host needs of its location service, be it the fake or the real OpenDHT.
#pragma once

#include <optional>

#include "core/location/location_service.h"
#include "core/node/node.h"

namespace rove::sim {

class SimLocation {
 public:
  virtual ~SimLocation() = default;
  [[nodiscard]] virtual LocationService& service() = 0;
  virtual void handle_datagram(Now now, const DhtDatagram& datagram) = 0;
  [[nodiscard]] virtual std::optional<DhtDatagram> poll_transmit() = 0;
  virtual void run(Now now) = 0;
  [[nodiscard]] virtual std::optional<TimePoint> poll_timeout() const = 0;

 protected:
  SimLocation() = default;
  SimLocation(const SimLocation&) = default;
  SimLocation& operator=(const SimLocation&) = default;
};

}  // namespace rove::sim
