#include "tests/sim/fault_script.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

namespace rove::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 12> kNames{"move",        "quiet move",  "chain",         "cancelled",
                                                  "rolled back", "source dies", "target dies",   "host restarts",
                                                  "split",       "clone",       "address moves", "prepared"};

// A daemon that starts anew has heard from all others what they claim.
constexpr Duration kLearningTime = 30s;

Duration between(SeededRandom& random, Duration from, Duration to) {
  return from + Duration{random.below(static_cast<std::uint64_t>((to - from).count()))};
}

}  // namespace

std::string to_string(const FaultEvent& event, TimePoint start) {
  const auto ms = [](Duration time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  };
  return ms(event.at - start) + " ms: " + std::string{kNames.at(static_cast<std::size_t>(event.fault))} + ", vm " +
         std::to_string(event.vm) + ", host " + std::to_string(event.host) + ", " + ms(event.time) + " ms";
}

FaultScript::FaultScript(World& world, SeededRandom& random, const FaultOptions& options)
    : world_(world),
      random_(random),
      options_(options),
      start_(world.time().steady()),
      last_end_(start_),
      up_since_(world.hosts(), start_ - kLearningTime),
      shared_(*parse_ip("10.77.9.9")) {
  TimePoint at = start_;
  for (std::size_t i = 0; i < options.events; ++i) {
    // Half of them come on the heels of the one before.
    const Duration mean = options.duration / static_cast<Duration::rep>(options.events);
    at += random.below(2) == 0 ? between(random, 1ms, 1s) : between(random, 1ms, 3 * mean);
    FaultEvent event;
    event.at = at;
    event.fault = static_cast<Fault>(random.below(kNames.size()));
    event.vm = random.below(world.vms());
    event.host = random.below(world.hosts());
    const bool short_time =
        event.fault == Fault::Cancelled || event.fault == Fault::RolledBack || event.fault == Fault::Chain;
    event.time = short_time ? between(random, 20ms, 900ms) : between(random, 500ms, 40s);
    event.choice = random.u64();
    events_.push_back(event);
    last_end_ = std::max(last_end_, at + event.time + 1s);
  }
}

void FaultScript::run() {
  for (const FaultEvent& event : events_) {
    world_.time().at(event.at, [this, &event] { act(event); });
  }
  if (options_.send_every > Duration{0}) {
    for (std::size_t vm = 0; vm < world_.vms(); ++vm) send_later(vm, last_end_);
  }
  world_.time().run_until(last_end_ + 1s);
  // What was still dead or split when its turn came again.
  world_.heal();
  for (std::size_t host = 0; host < world_.hosts(); ++host) {
    if (!world_.host(host).is_running()) world_.host(host).start();
  }
  // Where nobody ever sends anything, and the location service loses what dead daemons do not repeat, all who knew a
  // VM's address may have died: then its own word is the only one left.
  if (options_.forgets && options_.send_every == Duration{0}) {
    for (std::size_t vm = 0; vm < world_.vms(); ++vm) world_.vm(vm).announce_address();
  }
  // Nobody can find a guest that has never said anything where it is, if those who would ask were dead or cut off.
  for (const FaultEvent& event : events_) {
    const bool silent = event.fault == Fault::QuietMove || event.fault == Fault::RolledBack;
    if (silent) world_.vm(event.vm).announce_address();
  }
  // Its host's daemon may have been dead when it was announced, or the VM mute because of a clone that has gone since;
  // keepalived repeats that (garp_master_refresh).
  world_.run_for(15s);
  for (const std::size_t holder : holders_) world_.vm(holder).take_address(shared_);
}

void FaultScript::send_later(std::size_t vm, TimePoint end) {
  const TimePoint when = world_.time().steady() + between(random_, 1ms, 2 * options_.send_every);
  if (when >= end) return;
  world_.time().at(when, [this, vm, end] {
    const std::size_t to = random_.below(world_.vms());
    if (to != vm && world_.vm(vm).is_plugged()) world_.vm(vm).send(world_.vm(to).ip());
    send_later(vm, end);
  });
}

void FaultScript::move(std::size_t vm, std::size_t host, bool announce) {
  const bool free = !world_.is_moving(vm) && !clones_.contains(vm);
  if (free && world_.place_of(vm) != host) world_.migrate(vm, host, announce);
}

void FaultScript::kill(std::size_t host, Duration time) {
  // Somebody must be left who knows where the VMs are that say nothing: two that have been up for a while.
  std::size_t others = 0;
  for (std::size_t other = 0; other < world_.hosts(); ++other) {
    const bool knows = world_.host(other).is_running() && world_.time().steady() - up_since_[other] > kLearningTime;
    if (other != host && knows) ++others;
  }
  if (!world_.host(host).is_running() || others < 2) return;
  world_.host(host).kill();
  world_.time().after(time, [this, host] {
    if (world_.host(host).is_running()) return;
    world_.host(host).start();
    up_since_[host] = world_.time().steady();
  });
}

// It announces itself every second: a clone of a disk runs the same services.
void FaultScript::clone(std::size_t vm, std::size_t host, Duration time) {
  if (world_.is_moving(vm) || clones_.contains(vm) || world_.place_of(vm) == host) return;
  auto& clone = clones_[vm] = std::make_unique<SimVm>(world_.time(), world_.vm(vm).mac(), world_.vm(vm).ip());
  clone->plug(world_.host(host).bridge());
  for (Duration at{}; at < time; at += 1s) {
    world_.time().after(at, [clone = clone.get()] { clone->announce_address(); });
  }
  // Its owner notices, and switches it off; the frames that are under way to it need somebody to come to.
  world_.time().after(time, [this, vm] {
    clones_.at(vm)->unplug();
    gone_.push_back(std::move(clones_.at(vm)));
    clones_.erase(vm);
  });
}

void FaultScript::act(const FaultEvent& event) {
  const bool free = !world_.is_moving(event.vm) && !clones_.contains(event.vm);
  const std::size_t source = world_.place_of(event.vm);
  switch (event.fault) {
    case Fault::Move: return move(event.vm, event.host, true);
    case Fault::QuietMove: return move(event.vm, event.host, false);
    case Fault::Chain: {
      move(event.vm, event.host, true);
      const std::size_t next = event.choice % 2 == 0 ? source : event.choice / 2 % world_.hosts();
      world_.time().after(kDowntime + event.time, [this, vm = event.vm, next] { move(vm, next, true); });
      return;
    }
    case Fault::Cancelled:
    case Fault::RolledBack:
      if (free && event.host != source) {
        world_.cancel_migration(event.vm, event.host, event.fault == Fault::RolledBack, event.time);
      }
      return;
    case Fault::SourceDies:
      if (!free || event.host == source) return;
      move(event.vm, event.host, true);
      world_.time().after(kDowntime, [this, source, time = event.time] { kill(source, time); });
      return;
    case Fault::TargetDies:
      move(event.vm, event.host, true);
      world_.time().after(kDowntime + Duration{std::chrono::milliseconds{event.choice % 60}},
                          [this, host = event.host, time = event.time] { kill(host, time); });
      return;
    case Fault::HostRestarts: return kill(event.host, event.time);
    case Fault::Split: {
      if (std::exchange(split_, true)) return;
      std::vector<bool> second;
      for (std::size_t i = 0; i < world_.hosts(); ++i) second.push_back((event.choice >> i & 1) != 0);
      world_.split(second);
      world_.time().after(event.time, [this] {
        world_.heal();
        split_ = false;
      });
      return;
    }
    case Fault::Clone: return clone(event.vm, event.host, event.time);
    case Fault::AddressMoves:
      if (!free) return;  // a paused VM cannot become the master
      for (const std::size_t holder : holders_) world_.vm(holder).give_up_address(shared_);
      holders_ = {event.vm};
      world_.vm(event.vm).take_address(shared_);
      return;
    case Fault::Prepared:
      if (SimHost& host = world_.host(event.host); host.is_running()) {
        SimVm& vm = world_.vm(event.vm);
        (void)host.prepare(vm.mac(), (event.choice & 1) != 0 ? vm.expect_at(host.bridge()) : 0);
      }
      return;
  }
}

}  // namespace rove::sim
