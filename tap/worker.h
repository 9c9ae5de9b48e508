// A worker: one thread with its TAP queue, its UDP sockets, its buffers and its Forwarder.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/forward/forwarder.h"
#include "core/forward/worker_messages.h"
#include "tap/tap_device.h"
#include "tap/udp_socket.h"

namespace rove {

struct WorkerConfig {
  ForwarderConfig forwarder;
  std::size_t commands_max = 8192;  // mailbox from the control thread
  std::size_t events_max = 8192;    // mailbox to the control thread
};

struct WorkerCounters {
  ForwarderCounters forwarder;
  std::uint64_t tap_write_errors = 0;
  std::uint64_t udp_send_errors = 0;
  std::uint64_t events_lost = 0;  // the control thread's mailbox was full
};

// post(), send(), poll_event(), counters(): control thread. The rest runs on the worker's own thread.
class Worker {
 public:
  // Takes the descriptors over. `wake` is called from the worker's thread when poll_event() has something
  // new; it must be thread-safe and not block.
  Worker(const WorkerConfig& config, TapQueue tap, UdpSocketPair sockets, std::function<void()> wake);
  ~Worker();  // stops and joins
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False when the mailbox is full; the caller counts the loss. A NewSnapshot is never lost: when the mailbox is
  // full it is kept (the latest only) and goes in ahead of the next command that fits.
  bool post(WorkerCommand command);
  // Sends a datagram of the control thread at once, on the socket of its address family.
  bool send(const Endpoint& to, BytesView datagram);
  [[nodiscard]] std::optional<WorkerEvent> poll_event();
  [[nodiscard]] WorkerCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
