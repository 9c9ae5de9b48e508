#include "tests/sim/locations.h"

#include <map>
#include <utility>

#include "core/crypto/hash.h"
#include "core/location/location_keys.h"
#include "dht/dht_engine.h"
#include "tests/support/fake_location.h"
#include "tests/support/virtual_dht_clock.h"

namespace rove::sim {
namespace {

// The real OpenDHT: its clocks follow the simulation's.
class OpenDhtLocation final : public SimLocation {
 public:
  OpenDhtLocation(const SimHost& host, const Endpoint& bootstrap) : engine_(make_config(host, bootstrap)) {}

  LocationService& service() override { return engine_; }
  void handle_datagram(Now now, const DhtDatagram& datagram) override {
    engine_.handle_datagram(datagram.peer, datagram.bytes, now.wall);
  }
  std::optional<DhtDatagram> poll_transmit() override {
    auto datagram = engine_.poll_transmit();
    if (!datagram) return std::nullopt;
    return DhtDatagram{datagram->to, std::move(datagram->bytes)};
  }
  void run(Now now) override { wake_ = to_time_point(engine_.run(now.wall)); }
  std::optional<TimePoint> poll_timeout() const override { return wake_; }

 private:
  static DhtConfig make_config(const SimHost& host, const Endpoint& bootstrap) {
    NamingKey naming_key = derive_naming_key(host.network().key());
    const LocationKeys keys{naming_key.clone()};
    return {.node_id = keys.dht_node_id(host.identity().key()),
            .network = host.network().id(),
            .anchor = host.network().anchor(),
            .naming_key = std::move(naming_key),
            .bootstrap = {bootstrap},
            .known_nodes = {},
            .local_endpoints = {host.endpoint()},
            .ipv6 = false};
  }

  DhtEngine engine_;
  TimePoint wake_{};
};

// The fake: its network is one object, which tells the hosts when there is something for them.
class FakeLocations;

class FakeHostLocation final : public SimLocation {
 public:
  FakeHostLocation(FakeLocations& all, std::size_t number) : all_(all), number_(number) {}
  ~FakeHostLocation() override;

  LocationService& service() override;
  void handle_datagram(Now, const DhtDatagram&) override {}  // it has no messages of its own
  std::optional<DhtDatagram> poll_transmit() override { return std::nullopt; }
  void run(Now now) override;
  std::optional<TimePoint> poll_timeout() const override { return std::nullopt; }

 private:
  FakeLocations& all_;
  std::size_t number_;
};

class FakeLocations final : public World::Locations {
 public:
  FakeLocations(VirtualTime& time, std::uint64_t seed, Duration delay) : time_(time), network_({seed, delay, 0}) {
    network_.advance(time.steady());
  }

  std::unique_ptr<SimLocation> make(SimHost& host, const Endpoint&) override {
    const auto [known, is_new] = numbers_.try_emplace(host.endpoint(), network_.size());
    if (is_new) (void)network_.add_node();  // found again by its number
    hosts_[known->second] = &host;
    return std::make_unique<FakeHostLocation>(*this, known->second);
  }

  void set_group(const Endpoint& host, int group) override {
    const auto known = numbers_.find(host);
    if (known != numbers_.end()) network_.set_group(known->second, group);
  }

  [[nodiscard]] FakeLocation& node(std::size_t number) { return network_.node(number); }
  void stop(std::size_t number) {
    hosts_.erase(number);
    network_.restart(number);
  }
  // To be called whenever a host may have asked for something.
  void arm() {
    const auto next = network_.poll_timeout();
    if (!next || (armed_ && *armed_ <= *next)) return;
    armed_ = *next;
    time_.at(*next, [this, at = *next] {
      if (armed_ == at) armed_.reset();
      network_.advance(time_.steady());
      const std::map<std::size_t, SimHost*> hosts = hosts_;
      for (const auto& [number, host] : hosts) {
        if (network_.node(number).has_event()) host->handle_location_ready();
      }
      arm();
    });
  }
  void advance() { network_.advance(time_.steady()); }

 private:
  VirtualTime& time_;
  FakeLocationNetwork network_;
  std::map<Endpoint, std::size_t> numbers_;
  std::map<std::size_t, SimHost*> hosts_;
  std::optional<TimePoint> armed_;
};

FakeHostLocation::~FakeHostLocation() {
  all_.stop(number_);
}

LocationService& FakeHostLocation::service() {
  return all_.node(number_);
}

void FakeHostLocation::run(Now) {
  all_.advance();
  all_.arm();
}

struct OpenDhtLocations final : World::Locations {
  OpenDhtLocations(VirtualTime& time, std::uint64_t seed) : clock(seed) {
    time.set_origin(clock.now());
    time.set_follower([this](TimePoint now) { clock.advance_to(to_steady(now)); });
  }
  std::unique_ptr<SimLocation> make(SimHost& host, const Endpoint& bootstrap) override {
    return std::make_unique<OpenDhtLocation>(host, bootstrap);
  }

  VirtualDhtClock clock;
};

}  // namespace

std::unique_ptr<World::Locations> World::Locations::create(LocationKind kind, VirtualTime& time, std::uint64_t seed,
                                                           Duration delay) {
  if (kind == LocationKind::Fake) return std::make_unique<FakeLocations>(time, seed, delay);
  return std::make_unique<OpenDhtLocations>(time, seed);
}

}  // namespace rove::sim
