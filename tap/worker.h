// A worker: one thread with its TAP queue, its UDP sockets, its buffers and its Forwarder. A host has one or several
// (tap/worker_pool.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/forward/forwarder.h"
#include "core/forward/worker_messages.h"
#include "tap/datagram_exchange.h"
#include "tap/port_writer.h"
#include "tap/tap_device.h"
#include "tap/udp_socket.h"

namespace rove {

struct WorkerConfig {
  ForwarderConfig forwarder{};
  std::size_t commands_max = 8192;  // mailbox from the control thread
  std::size_t events_max = 8192;    // mailbox to the control thread
  // The thread goes before all ordinary ones (SCHED_FIFO, the lowest priority of it), if that is permitted; not while
  // small frames come in quick succession (tap/precedence.h). Beside a busy TCP flow on two processors the 99th
  // percentile of a ping was 0.7 to 0.9 ms then and 2.6 without, at 10.2 and 6.3 Gb/s (Linux 6.18, 2026-11-28):
  // ordinary threads run their slice to its end before a woken one gets its turn.
  bool realtime = false;
  // It goes on looking for so long before it sleeps, and gives way to who else wants its processor meanwhile.
  std::chrono::microseconds busy_poll{0};
  // Where datagrams that are not its own go; nullptr: there is one worker.
  std::shared_ptr<DatagramExchange> exchange{};
};

struct WorkerCounters {
  ForwarderCounters forwarder;
  std::uint64_t tap_write_errors = 0;    // frames that the kernel refused (the TAP is down, its queue is full)
  std::uint64_t port_write_errors = 0;   // frames for a VM's port: it is gone, or we may not write there
  std::uint64_t udp_send_errors = 0;     // datagrams that it refused (no route, send buffer full)
  std::uint64_t events_lost = 0;         // the control thread's mailbox was full
  std::uint64_t udp_kernel_drops = 0;    // datagrams that came faster than we read
  std::uint64_t datagrams_handed = 0;    // came to another worker than their own, and were handed to that
  std::uint64_t datagrams_unhanded = 0;  // … which had no room for them
  std::uint64_t realtime_pauses = 0;     // times that it ceded its precedence to ordinary threads (Precedence)
};

// post(), send(), poll_event(), counters(), failure(): control thread. The rest runs on the worker's own thread, which
// blocks all signals.
//
// What the network or the host refuses for a while (TAP down, no route) is counted and dropped. When the TAP device is
// gone nothing can go on: the thread ends, failure() says why, and `wake` is called once more.
class Worker {
 public:
  // Takes the descriptors over. `wake` is called from the worker's thread when poll_event() has something
  // new, once per batch; it must be thread-safe, not block and not throw.
  // Without a PortWriter frames for VMs' ports are lost.
  Worker(const WorkerConfig& config, TapQueue tap, UdpSocketPair sockets, std::optional<PortWriter> ports,
         std::function<void()> wake);
  ~Worker();  // stops and joins
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // False when the mailbox is full; the caller counts the loss. A NewSnapshot is never lost: when the mailbox is
  // full it is kept (the latest only) and goes in ahead of the next command that fits, or with the next
  // poll_event(), for which `wake` is called when there is room again.
  bool post(WorkerCommand command);
  // Sends a datagram of the control thread at once, on the socket of its address family; or several of `segment`
  // octets each, which the kernel cuts where it can.
  bool send(const Endpoint& to, BytesView datagram, std::size_t segment = 0);
  [[nodiscard]] std::optional<WorkerEvent> poll_event();
  // As of the end of the worker's last batch; each number by itself.
  [[nodiscard]] WorkerCounters counters() const;
  // What is in use now.
  [[nodiscard]] TapOffloads tap_offloads() const;
  [[nodiscard]] UdpOffloads udp_offloads() const;
  // Why its thread is not scheduled as it was to be; none: it is.
  [[nodiscard]] std::error_code realtime_error() const;
  // Why the thread ended by itself; nullopt while it runs.
  [[nodiscard]] std::optional<std::string> failure() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
