#include "tests/sim/world.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/wire/neighbor.h"
#include "tests/sim/locations.h"

namespace rove::sim {
namespace {

// Exponentially distributed, so that events of different VMs fall together as often as chance has it.
Duration exponential(SeededRandom& random, Duration mean) {
  const double factor = -std::log(1.0 - random.fraction());
  return std::chrono::duration_cast<Duration>(mean * factor);
}

MacAddress mac_of_vm(std::size_t index) {
  return {{0x02, 0x77, 0, 0, static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index)}};
}

IpAddress ip_of_vm(std::size_t index) {
  const std::array<std::uint8_t, 4> octets{10, 77, static_cast<std::uint8_t>(index / 250 + 1),
                                           static_cast<std::uint8_t>(index % 250 + 1)};
  return IpAddress::v4(octets.data());
}

Endpoint endpoint_of_host(std::size_t index) {
  const std::array<std::uint8_t, 4> octets{10, 1, static_cast<std::uint8_t>(index >> 8),
                                           static_cast<std::uint8_t>(index + 1)};
  return {IpAddress::v4(octets.data()), 7683};
}

}  // namespace

World::World(const WorldOptions& options)
    : time_(kTestNow), random_(options.seed), underlay_(time_, random_), network_(options.seed) {
  underlay_.set_quality(options.quality);
  locations_ = Locations::create(options.location, time_, options.seed, options.quality.delay);
  for (std::size_t i = 0; i < options.hosts; ++i) {
    const std::string name = "host-" + std::to_string(i);
    const TestNode& identity =
        options.barred_host == i ? network_.add_node(name, {prefix_of("10.77.255.0/24")}) : network_.add_node(name);
    hosts_.push_back(
        std::make_unique<SimHost>(time_, underlay_, network_, identity, endpoint_of_host(i), random_.u64(),
                                  [this](SimHost& host) { return locations_->make(host, endpoint_of_host(0)); }));
  }
  for (std::size_t i = 0; i < options.vms; ++i) {
    vms_.push_back(std::make_unique<SimVm>(time_, mac_of_vm(i), ip_of_vm(i)));
    places_.push_back(i % options.hosts);
    moving_.push_back(false);
  }
}

World::~World() = default;

void World::boot() {
  for (auto& host : hosts_) {
    host->start();
    time_.run_for(std::chrono::milliseconds{20});
  }
  time_.run_for(std::chrono::seconds{5});
  for (std::size_t i = 0; i < vms_.size(); ++i) {
    vms_[i]->plug(hosts_[places_[i]]->bridge());
    vms_[i]->announce_address();
    time_.run_for(std::chrono::milliseconds{1});
  }
  time_.run_for(std::chrono::seconds{5});
}

void World::migrate(std::size_t vm, std::size_t to, bool announce) {
  const auto leave = vms_.at(vm)->pause();
  SimHost& from = *hosts_.at(places_.at(vm));
  if (from.is_running()) from.note_stopped(vms_[vm]->mac());
  moving_.at(vm) = true;
  places_.at(vm) = to;
  ++migrations_;
  time_.after(kDowntime, [this, vm, to, announce, leave] {
    vms_[vm]->plug(hosts_[to]->bridge());
    moving_[vm] = false;
    time_.after(kLeaveTime, [leave] { leave.close(); });
    if (announce) vms_[vm]->announce_arrival();
  });
}

void World::cancel_migration(std::size_t vm, std::size_t to, bool announce, Duration resumed_after) {
  const auto left = vms_.at(vm)->pause();
  SimHost& here = *hosts_.at(places_.at(vm));
  if (here.is_running()) here.note_stopped(vms_[vm]->mac());
  moving_.at(vm) = true;
  if (announce) {
    // The other hypervisor's port: it says who would be there, and answers nothing.
    Bridge& bridge = hosts_.at(to)->bridge();
    const Bridge::Port port = bridge.add_port([](const Bytes&) {});
    bridge.input(port, make_rarp_announce(vms_[vm]->mac()));
    time_.after(resumed_after / 2,
                [&bridge, port, mac = vms_[vm]->mac()] { bridge.input(port, make_rarp_announce(mac)); });
    time_.after(resumed_after, [&bridge, port] { bridge.remove_port(port); });
  }
  time_.after(resumed_after, [this, vm, left, &here] {
    vms_[vm]->resume(left);
    if (here.is_running()) here.note_running(vms_[vm]->mac());
    moving_[vm] = false;
  });
}

void World::split(const std::vector<bool>& second) {
  for (std::size_t a = 0; a < hosts_.size(); ++a) {
    locations_->set_group(hosts_[a]->endpoint(), second.at(a) ? 1 : 0);
    for (std::size_t b = 0; b < a; ++b) {
      if (second[a] != second[b]) underlay_.cut(hosts_[a]->endpoint(), hosts_[b]->endpoint());
    }
  }
}

void World::heal() {
  underlay_.heal_all();
  for (const auto& host : hosts_) locations_->set_group(host->endpoint(), 0);
}

void World::run_random(Duration duration, Duration move_interval, Duration send_interval) {
  const TimePoint end = time_.steady() + duration;
  // Each action schedules its next one; a struct, so that it can name itself.
  struct Actor {
    World& world;
    TimePoint end;
    Duration move_interval;
    Duration send_interval;

    void schedule_move(std::size_t vm) {
      const TimePoint when = world.time_.steady() + exponential(world.random_, move_interval);
      if (when >= end) return;
      world.time_.at(when, [this, vm] {
        const std::size_t to = world.random_.below(world.hosts_.size());
        if (!world.moving_[vm] && to != world.places_[vm]) world.migrate(vm, to);
        schedule_move(vm);
      });
    }
    void schedule_send(std::size_t vm) {
      const TimePoint when = world.time_.steady() + exponential(world.random_, send_interval);
      if (when >= end) return;
      world.time_.at(when, [this, vm] {
        const std::size_t to = world.random_.below(world.vms_.size());
        if (to != vm && !world.moving_[vm]) world.vms_[vm]->send(world.vms_[to]->ip());
        schedule_send(vm);
      });
    }
  };
  Actor actor{*this, end, move_interval, send_interval};
  for (std::size_t vm = 0; vm < vms_.size(); ++vm) {
    actor.schedule_move(vm);
    actor.schedule_send(vm);
  }
  time_.run_until(end);
}

std::vector<std::string> World::find_disagreements() {
  std::vector<std::string> problems;
  std::size_t answered = 0;
  std::size_t asked = 0;
  for (std::size_t h = 0; h < hosts_.size(); ++h) {
    if (!hosts_[h]->is_running()) continue;
    for (std::size_t v = 0; v < vms_.size(); ++v) {
      const std::string what = "host-" + std::to_string(h) + " on " + to_string(vms_[v]->mac());
      SimHost& truth = *hosts_[places_[v]];
      const VmView* view = hosts_[h]->snapshot().vms.find(vms_[v]->mac());
      if (view == nullptr) {
        if (h == places_[v]) problems.push_back(what + ": not known where it is");
      } else if ((view->place == VmView::Place::Local) != (h == places_[v])) {
        problems.push_back(what + ": wrongly " + (h == places_[v] ? "remote" : "local"));
      } else if (h != places_[v] && view->owner != truth.identity().id()) {
        problems.push_back(what + ": sends to " + to_string(view->owner));
      }
      // A node takes only so many lookups at a time; cached answers come at once.
      if (asked - answered >= 32) time_.run_for(std::chrono::seconds{2});
      ++asked;
      hosts_[h]->lookup(VmAddress{vms_[v]->ip()}, false, [&, what](const LookupResult& result) {
        ++answered;
        if (result.error) {
          problems.push_back(what + ": lookup says " + result.error.message());
        } else if (result.answers.front().owner != truth.identity().id()) {
          problems.push_back(what + ": lookup says " + result.answers.front().owner_name);
        }
      });
    }
  }
  time_.run_for(std::chrono::seconds{10});
  if (answered != asked) problems.push_back(std::to_string(asked - answered) + " lookups without an answer");
  return problems;
}

}  // namespace rove::sim
