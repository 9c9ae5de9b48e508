#include "tests/support/location_conformance.h"

#include <doctest/doctest.h>

#include "tests/support/dht_network.h"
#include "tests/support/fake_location.h"

namespace rove {
namespace {

// More nodes than a test asks for: a value is stored by the 14 nodes nearest to its key, and every node
// that is asked or listens shall have to go to others for it.
constexpr std::size_t kBystanders = 24;

class DhtHarness final : public LocationHarness {
 public:
  explicit DhtHarness(std::size_t nodes) {
    // A node that is alone has nobody to bootstrap from.
    if (nodes == 1) {
      (void)network_.add_node([](DhtConfig& config) { config.bootstrap.clear(); });
    }
    network_.grow(nodes == 1 ? 1 : nodes + kBystanders);
    network_.run_for(std::chrono::seconds{5});
  }

  LocationService& service(std::size_t node) override {
    network_.wake(node);
    return network_.engine(node);
  }
  void run_for(Duration duration) override { network_.run_for(duration); }
  std::optional<LocationEvent> poll_event(std::size_t node) override { return network_.poll_event(node); }
  void cut(std::size_t node, bool is_cut) override { network_.cut(node, is_cut); }

 private:
  DhtNetwork network_;
};

class FakeHarness final : public LocationHarness {
 public:
  explicit FakeHarness(std::size_t nodes) {
    for (std::size_t i = 0; i < nodes; ++i) (void)network_.add_node();
  }

  LocationService& service(std::size_t node) override { return network_.node(node); }
  void run_for(Duration duration) override { network_.advance(now_ += duration); }
  std::optional<LocationEvent> poll_event(std::size_t node) override { return network_.node(node).poll_event(); }
  void cut(std::size_t node, bool is_cut) override {
    network_.set_group(node, is_cut ? 1 + static_cast<int>(node) : 0);
  }

 private:
  FakeLocationNetwork network_;
  TimePoint now_{};
};

}  // namespace

TEST_CASE("LocationService: DhtEngine conforms") {
  check_location_conformance([](std::size_t nodes) { return std::make_unique<DhtHarness>(nodes); });
}

TEST_CASE("LocationService: FakeLocation conforms") {
  check_location_conformance([](std::size_t nodes) { return std::make_unique<FakeHarness>(nodes); });
}

}  // namespace rove
