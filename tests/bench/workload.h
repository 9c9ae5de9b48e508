// What the micro-benchmarks do: small pieces of the packet path, each with all that it needs around it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace rove {

// prepare(), run(), prepare(), run() …: only run() is measured. It is large enough (a microsecond and more) for the
// clock's own time not to count. What does not come out as it should ends the process (ROVE_CHECK): a figure of
// something else would be worse than none.
class Workload {
 public:
  virtual ~Workload() = default;

  virtual void prepare() {}
  virtual void run() = 0;
  // How long what is of interest in the last run() took; nullopt: all of it is.
  [[nodiscard]] virtual std::optional<Duration> took() { return std::nullopt; }
  // After each run(), not measured.
  virtual void verify() {}

  // Frames, datagrams or questions of one run(), and what they are called.
  [[nodiscard]] virtual std::size_t items() const = 0;
  [[nodiscard]] virtual std::string item() const { return "frame"; }
  // Octets of frames in one run(); 0: a rate of them says nothing.
  [[nodiscard]] virtual std::size_t octets() const { return 0; }
};

struct NamedWorkload {
  std::string name;                                 // what/how/how large
  std::function<std::unique_ptr<Workload>()> make;  // nullptr: this machine lacks what it takes
};

// core/crypto: each cipher by itself.
[[nodiscard]] std::vector<NamedWorkload> aead_workloads();
// core/wire, core/forward: what is done without a cipher.
[[nodiscard]] std::vector<NamedWorkload> plain_workloads();
// core/forward: from a frame to datagrams and back, once for each algorithm.
[[nodiscard]] std::vector<NamedWorkload> forwarder_workloads();
// tap: a worker's turn from one poll to the next, with its system calls, once for each algorithm.
[[nodiscard]] std::vector<NamedWorkload> turn_workloads();

}  // namespace rove
