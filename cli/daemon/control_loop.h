// The control thread: one turn after the other, until it is told to stop.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "cli/base/log.h"
#include "cli/config/enrolment.h"
#include "cli/control/control_server.h"
#include "cli/daemon/daemon.h"
#include "cli/daemon/metrics_service.h"
#include "cli/daemon/offload_reason.h"
#include "cli/daemon/state_keeper.h"
#include "cli/daemon/underlay.h"
#include "cli/report/report.h"
#include "core/node/node.h"
#include "dht/dht_location.h"
#include "tap/netlink.h"
#include "tap/port_capture.h"
#include "tap/wake_signal.h"
#include "tap/worker_pool.h"

namespace asio {
class io_context;
}

namespace rove {

struct QueuedRequest {
  ControlRequest request;
  ControlServer::Reply reply;
};
using RequestQueue = std::deque<QueuedRequest>;  // bounded by the control server: one per client

// What the loop drives. Everything must outlive it.
struct ControlLoopParts {
  const DaemonOptions& options;
  Log& log;
  asio::io_context& io;
  const WakeSignal& wake;  // worker, DHT, resolver, control socket and metrics notify it
  const NodeCredential& identity;
  ControlServer& control;
  MetricsService& metrics;
  RequestQueue& requests;
  StateKeeper& state;
  Underlay& underlay;
  FdbMonitor* fdb;  // nullptr without a bridge
  unsigned tap_ifindex;
  PortCapture* capture;         // nullptr: frames for paused VMs are not replayed
  std::string capture_problem;  // why not, if they should be
  unsigned bridge_ifindex;      // 0: none
  HostReport host;              // without what is in use now
  OffloadState offloads;        // as at the start
  DhtLocation& location;
  Node& node;
  WorkerPool& workers;
};

class ControlLoop {
 public:
  explicit ControlLoop(const ControlLoopParts& parts);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  // Until SIGTERM, SIGINT or `rove down`, and the goodbyes after it. Throws Failure when the packet path ended by
  // itself (somebody removed the TAP device); goodbyes were said then too.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
