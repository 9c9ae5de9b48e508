// What goes wrong in one random run: a script that a seed draws, and that acts on a world.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "tests/sim/world.h"
#include "tests/support/seeded_random.h"

namespace rove::sim {

enum class Fault : std::uint8_t {
  Move,          // with QEMU's announce
  QuietMove,     // without any
  Chain,         // A → B, and within a second → C or back to A
  Cancelled,     // paused, and resumed where it was
  RolledBack,    // announced at the target, and resumed at the source
  SourceDies,    // its daemon, when the VM runs at the target
  TargetDies,    // its daemon, with the first announce
  HostRestarts,  // its daemon is killed, and starts again
  Split,         // the network in two, for a while
  Clone,         // a second VM with the same MAC and address comes up elsewhere, for a while
  AddressMoves,  // an address of a service goes from VM to VM, as VRRP moves it
  Prepared,      // `rove prepare` at a host, to which the VM may move later; half of them with its port
};

struct FaultEvent {
  TimePoint at{};
  Fault fault = Fault::Move;
  std::size_t vm = 0;
  std::size_t host = 0;  // the target
  Duration time{};       // of being dead, split, paused
  std::uint64_t choice = 0;
};
[[nodiscard]] std::string to_string(const FaultEvent& event, TimePoint start);

struct FaultOptions {
  std::size_t events = 20;
  Duration duration{};    // of all of them
  Duration send_every{};  // by each VM, on average; zero: nobody sends anything
  bool forgets = false;   // the location service may lose what it was given
};

class FaultScript {
 public:
  FaultScript(World& world, SeededRandom& random, const FaultOptions& options);

  // Acts, and returns when everything is over: no VM moves, all hosts are up, the network is whole.
  void run();
  [[nodiscard]] const std::vector<FaultEvent>& events() const { return events_; }
  // The address that VMs share, and who has it; nobody before the first AddressMoves.
  [[nodiscard]] const IpAddress& shared_address() const { return shared_; }
  [[nodiscard]] const std::vector<std::size_t>& holders() const { return holders_; }

 private:
  void act(const FaultEvent& event);
  void move(std::size_t vm, std::size_t host, bool announce);
  void kill(std::size_t host, Duration time);
  void clone(std::size_t vm, std::size_t host, Duration time);
  void send_later(std::size_t vm, TimePoint end);

  World& world_;
  SeededRandom& random_;
  FaultOptions options_;
  TimePoint start_;
  TimePoint last_end_;
  std::vector<FaultEvent> events_;
  std::vector<TimePoint> up_since_;  // by host
  bool split_ = false;
  IpAddress shared_;
  std::vector<std::size_t> holders_;  // at most one
  std::vector<std::unique_ptr<SimVm>> gone_;
  std::map<std::size_t, std::unique_ptr<SimVm>> clones_;  // by VM; while it has one, it stays where it is
};

}  // namespace rove::sim
