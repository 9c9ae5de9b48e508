// rove_micro: how long small pieces of the packet path take, and a worker's whole turn (docs/testing.md).
//
// By Google Benchmark, which repeats each until it has a figure; with --iterations N so many times, for whoever counts
// instructions (tests/bench/instructions).
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto/hash.h"
#include "tests/bench/program.h"
#include "tests/bench/workload.h"

namespace rove {
namespace {

constexpr std::string_view kIterations = "--iterations=";
constexpr std::int64_t kIterationsMax = 1'000'000'000;

// All that is measured, and nothing else, is in this function: callgrind collects by its name.
[[gnu::noinline]] void measured(Workload& workload) {
  workload.run();
  // Nothing of it may move out.
  asm volatile("" ::: "memory");
}

// What another thread has done before counts no more: callgrind begins anew by its name.
[[gnu::noinline]] void warmed_up() {
  asm volatile("" ::: "memory");
}

void measure(benchmark::State& state, const NamedWorkload& named) {
  const auto workload = named.make();
  if (!workload) {
    state.SkipWithError("not on this machine");
    return;
  }
  // The first time is another one: caches are cold, and a session's first datagram allocates.
  workload->prepare();
  workload->run();
  workload->verify();
  warmed_up();
  for ([[maybe_unused]] auto unused : state) {
    workload->prepare();
    const TimePoint begin = read_clock();
    measured(*workload);
    const Duration all = read_clock() - begin;
    state.SetIterationTime(std::chrono::duration<double>{workload->took().value_or(all)}.count());
    workload->verify();
  }
  const auto items = static_cast<double>(workload->items());
  using benchmark::Counter;
  state.counters["items"] = items;
  state.counters["time/" + workload->item()] = Counter(items, Counter::kIsIterationInvariantRate | Counter::kInvert);
  if (workload->octets() > 0) {
    state.counters["octets/s"] =
        Counter(static_cast<double>(workload->octets()), Counter::kIsIterationInvariantRate, Counter::kIs1000);
  }
}

// Takes --iterations=N out of the arguments, which are Google Benchmark's otherwise.
std::optional<std::int64_t> take_iterations(std::vector<char*>& arguments) {
  std::optional<std::int64_t> iterations;
  std::erase_if(arguments, [&](const char* argument) {
    const std::string_view text{argument};
    if (text.substr(0, kIterations.size()) != kIterations) return false;
    iterations =
        parse_number<std::int64_t>("--iterations", std::string{text.substr(kIterations.size())}, 1, kIterationsMax);
    return true;
  });
  return iterations;
}

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  const auto iterations = take_iterations(arguments);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  init_crypto();
  std::vector<NamedWorkload> all;
  for (const auto& some : {aead_workloads(), plain_workloads(), forwarder_workloads(), turn_workloads()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  for (const NamedWorkload& named : all) {
    auto* registered =
        benchmark::RegisterBenchmark(named.name.c_str(), [&named](benchmark::State& state) { measure(state, named); });
    registered->UseManualTime()->Unit(benchmark::kMicrosecond);
    if (iterations) registered->Iterations(*iterations);
  }
  // None: the filter matches nothing.
  return benchmark::RunSpecifiedBenchmarks() == 0 ? 1 : 0;
}

}  // namespace
}  // namespace rove

int main(int argc, char** argv) {
  return rove::run_program("rove_micro", [&](const auto&) { return rove::main(argc, argv); }, argc, argv);
}
