// A whole network in virtual time: hosts, VMs that talk and migrate at random, and the truth to compare with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/sim_host.h"
#include "tests/sim/sim_vm.h"
#include "tests/sim/underlay.h"
#include "tests/sim/virtual_time.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace rove::sim {

enum class LocationKind : std::uint8_t { Fake, OpenDht };

struct WorldOptions {
  std::uint64_t seed = 1;
  std::size_t hosts = 3;
  std::size_t vms = 3;
  LocationKind location = LocationKind::Fake;
  LinkQuality quality;
  std::optional<std::size_t> barred_host;  // its certificate allows none of the VMs' addresses
};

// How long a migrating VM is on neither host.
inline constexpr std::chrono::milliseconds kDowntime{100};
// The old hypervisor leaves its port so long after the VM runs at the new host, before that host's claim arrives.
inline constexpr std::chrono::milliseconds kLeaveTime{7};

class World {
 public:
  struct Locations;  // the location services' shared part

  explicit World(const WorldOptions& options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Starts all hosts, plugs VM i into host i mod hosts, and lets the network settle.
  void boot();

  // Pauses the VM now, plugs it in at `to` after kDowntime, with QEMU's announce.
  void migrate(std::size_t vm, std::size_t to, bool announce = true);
  // The target's hypervisor announces the VM, if `announce`, and then the source's resumes it after all.
  void cancel_migration(std::size_t vm, std::size_t to, bool announce, Duration resumed_after);
  // Two parts that do not reach each other, until heal(). `second` names the hosts of the second one.
  void split(const std::vector<bool>& second);
  void heal();
  [[nodiscard]] bool is_moving(std::size_t vm) const { return moving_.at(vm); }
  [[nodiscard]] std::size_t hosts() const { return hosts_.size(); }
  [[nodiscard]] std::size_t vms() const { return vms_.size(); }
  // Random migrations and datagrams for a while: each VM moves every `move_interval` and sends every
  // `send_interval`, on average.
  void run_random(Duration duration, Duration move_interval, Duration send_interval);
  void run_for(Duration duration) { time_.run_for(duration); }

  // Every host's view of every VM against the truth: the packet path's snapshot and a lookup. Empty when all agree.
  [[nodiscard]] std::vector<std::string> find_disagreements();

  [[nodiscard]] SimHost& host(std::size_t index) { return *hosts_.at(index); }
  [[nodiscard]] SimVm& vm(std::size_t index) { return *vms_.at(index); }
  [[nodiscard]] std::size_t place_of(std::size_t vm) const { return places_.at(vm); }
  void set_place(std::size_t vm, std::size_t host) { places_.at(vm) = host; }
  [[nodiscard]] VirtualTime& time() { return time_; }
  [[nodiscard]] Underlay& underlay() { return underlay_; }
  [[nodiscard]] std::uint64_t migrations() const { return migrations_; }

 private:
  VirtualTime time_;
  SeededRandom random_;
  Underlay underlay_;
  TestNetwork network_;
  std::unique_ptr<Locations> locations_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::vector<std::unique_ptr<SimVm>> vms_;
  std::vector<std::size_t> places_;
  std::vector<bool> moving_;
  std::uint64_t migrations_ = 0;
};

}  // namespace rove::sim
