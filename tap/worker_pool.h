// The packet path of a host: its workers, each with the VMs of its shards.
//
//                 ┌ TAP queue 0 ─ worker 0 ─ UDP socket 0 ┐   shards 0, 2, 4, 6 (of two workers)
//   frames ─ BPF ─┤                                       ├─ BPF ─ datagrams
//                 └ TAP queue 1 ─ worker 1 ─ UDP socket 1 ┘   shards 1, 3, 5, 7
//
// All that is about one VM is one worker's, so that nothing about the order of its frames is between threads
// (docs/adr/0014-workers-by-shards-of-vms.md).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "core/forward/worker_messages.h"
#include "tap/worker.h"

namespace rove {

// What one worker takes over.
struct WorkerParts {
  TapQueue tap;
  UdpSocketPair sockets;
  std::optional<PortWriter> ports{};  // without it frames for VMs' ports are lost
};

// As many sets of sockets as workers, all of the ports of `first`, with datagrams steered by lane. Throws
// std::system_error.
[[nodiscard]] std::vector<UdpSocketPair> share_underlay(UdpSocketPair first, unsigned workers,
                                                        const UdpOffloads& offloads);

// As a Worker: all but `wake` belongs to the control thread.
class WorkerPool {
 public:
  // `config` without what differs between workers. `parts`: one to kShards; the i-th has what is steered to the i-th.
  // `wake` is called from the workers' threads.
  WorkerPool(const WorkerConfig& config, std::vector<WorkerParts> parts, const std::function<void()>& wake);

  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(workers_.size()); }

  // To the worker whose VM it is about; a NewSnapshot, and an Echo of no VM (MacAddress{}), to all. False when a
  // mailbox is full.
  bool post(WorkerCommand command);
  // As Worker::send().
  bool send(const Endpoint& to, BytesView datagram, std::size_t segment = 0);
  // Of any worker, in turn. The Echoed of no VM comes when all have answered.
  [[nodiscard]] std::optional<WorkerEvent> poll_event();

  [[nodiscard]] WorkerCounters counters() const;  // of all together
  [[nodiscard]] TapOffloads tap_offloads() const;
  [[nodiscard]] UdpOffloads udp_offloads() const;  // that all have
  [[nodiscard]] std::error_code realtime_error() const;
  [[nodiscard]] std::optional<std::string> failure() const;  // of the first that has ended

 private:
  [[nodiscard]] Worker& owner_of(const WorkerCommand& command);
  [[nodiscard]] bool handle_echo_of_all(std::size_t worker);

  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<bool> echoed_;  // which of them have answered the Echo of no VM
  std::size_t next_ = 0;      // whose events are next
};

}  // namespace rove
