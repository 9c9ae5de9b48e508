// Many hosts and VMs, random moves, loss: at the end every node's view agrees with the truth.
//
//   sim_random [--seed N] [--seeds COUNT] [--hosts N] [--vms N] [--minutes N] [--loss PERCENT] [--move-every SECONDS]
//              [--location fake|opendht]
//
// Prints the seed of every run; the same options and seed give the same run, datagram by datagram.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>

#include "tests/sim/world.h"

namespace {

using namespace rove::sim;

struct Options {
  WorldOptions world;
  std::uint64_t seeds = 1;
  double minutes = 10;
  double move_every_seconds = 300;
  double send_every_seconds = 30;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  options.world.hosts = 10;
  options.world.vms = 50;
  options.world.quality.loss = 0.05;
  options.world.quality.jitter = std::chrono::milliseconds{3};
  options.world.quality.duplicate = 0.001;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--seed")
      options.world.seed = std::strtoull(value, nullptr, 10);
    else if (name == "--seeds")
      options.seeds = std::strtoull(value, nullptr, 10);
    else if (name == "--hosts")
      options.world.hosts = std::strtoull(value, nullptr, 10);
    else if (name == "--vms")
      options.world.vms = std::strtoull(value, nullptr, 10);
    else if (name == "--minutes")
      options.minutes = std::strtod(value, nullptr);
    else if (name == "--loss")
      options.world.quality.loss = std::strtod(value, nullptr) / 100;
    else if (name == "--move-every")
      options.move_every_seconds = std::strtod(value, nullptr);
    else if (name == "--send-every")
      options.send_every_seconds = std::strtod(value, nullptr);
    else if (name == "--location")
      options.world.location = std::strcmp(value, "opendht") == 0 ? LocationKind::OpenDht : LocationKind::Fake;
    else
      return std::nullopt;
  }
  return argc % 2 == 1 ? std::optional{options} : std::nullopt;
}

rove::Duration seconds(double value) {
  return std::chrono::duration_cast<rove::Duration>(std::chrono::duration<double>(value));
}

}  // namespace

int main(int argc, char** argv) {
  auto options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr, "usage: see the head of tests/sim/random_test.cpp\n");
    return 2;
  }
  bool good = true;
  for (std::uint64_t i = 0; i < options->seeds; ++i, ++options->world.seed) {
    const std::clock_t started = std::clock();  // the processor's time: steady_clock is the simulation's
    World world{options->world};
    world.boot();
    world.run_random(seconds(options->minutes * 60), seconds(options->move_every_seconds),
                     seconds(options->send_every_seconds));
    world.run_for(std::chrono::seconds{30});
    const auto problems = world.find_disagreements();
    const double took = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
    std::printf(
        "seed=%llu hosts=%zu vms=%zu minutes=%g loss=%g%% migrations=%llu datagrams=%llu actions=%llu "
        "problems=%zu cpu_seconds=%.1f\n",
        static_cast<unsigned long long>(options->world.seed), options->world.hosts, options->world.vms,
        options->minutes, options->world.quality.loss * 100, static_cast<unsigned long long>(world.migrations()),
        static_cast<unsigned long long>(world.underlay().sent()),
        static_cast<unsigned long long>(world.time().actions()), problems.size(), took);
    std::fflush(stdout);
    for (std::size_t p = 0; p < problems.size() && p < 10; ++p) std::printf("  %s\n", problems[p].c_str());
    good = good && problems.empty() && world.migrations() > 0;
  }
  return good ? 0 : 1;
}
