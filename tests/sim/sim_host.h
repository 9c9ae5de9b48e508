// A VM host: bridge, packet path, Node and location service, on the virtual underlay.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/forward/batch.h"
#include "core/forward/forwarder.h"
#include "core/node/node.h"
#include "core/wire/shard.h"
#include "tests/sim/bridge.h"
#include "tests/sim/sim_location.h"
#include "tests/sim/underlay.h"
#include "tests/sim/virtual_time.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace rove::sim {

class SimHost {
 public:
  using LocationFactory = std::function<std::unique_ptr<SimLocation>(SimHost&)>;

  SimHost(VirtualTime& time, Underlay& underlay, const TestNetwork& network, const TestNode& identity,
          const Endpoint& endpoint, std::uint64_t seed, LocationFactory make_location);
  ~SimHost();
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  void start();
  // kill -9: the daemon is gone without a word; the bridge and its VMs stay.
  void kill();
  void shut_down();
  // … without its end: the goodbyes are on their way, and the VMs go on talking.
  void say_goodbye();
  [[nodiscard]] bool is_running() const { return node_ != nullptr; }
  void set_clock_skew(Duration skew) { skew_ = skew; }

  [[nodiscard]] Bridge& bridge() { return bridge_; }
  [[nodiscard]] Node& node() { return *node_; }
  [[nodiscard]] const Snapshot& snapshot() const { return *snapshot_; }
  [[nodiscard]] ForwarderCounters packet_counters() const;  // of all workers
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] const TestNode& identity() const { return identity_; }
  [[nodiscard]] const TestNetwork& network() const { return network_; }
  [[nodiscard]] const std::vector<NodeEvent>& events() const { return events_; }

  // The location service has something to poll.
  void handle_location_ready();

  using LookupCallback = std::function<void(const LookupResult&)>;
  void lookup(const VmAddress& address, bool refresh, LookupCallback callback);
  using PingCallback = std::function<void(const PingResult&)>;
  void ping(const NodeId& node, Duration patience, PingCallback callback);
  // The operator's verbs.
  // `port`: of this bridge, where the VM will come; 0: not told.
  Result<PreparedVm> prepare(const MacAddress& mac, Bridge::Port port = 0);
  Result<void> undo_prepare(const MacAddress& mac);  // `rove release`
  // What `rove watch-qemu` tells: the VM's hypervisor has paused it in a migration; it runs here again.
  void note_stopped(const MacAddress& mac);
  void note_running(const MacAddress& mac);

 private:
  void note_closed(const MacAddress& mac, Bridge::Port port);
  void handle_datagram(const Endpoint& from, const Bytes& datagram);
  void handle_tap_frame(const Bytes& frame);
  // After any input: carries outputs between the parts until nothing moves, then sets the timer.
  void turn();
  [[nodiscard]] bool turn_once();
  void flush();
  [[nodiscard]] Forwarder& forwarder_of(unsigned shard) { return *forwarders_[worker_of(shard, workers_)]; }
  // Frames that waited in the packet path and may go now.
  void release();
  void release_from(Forwarder& forwarder);
  void write(Bytes frame, unsigned port);
  void arm();
  // What waits at the VM's port, but for the first `told` frames.
  [[nodiscard]] std::vector<PortFrame> unread_after(const MacAddress& vm, std::size_t told);
  [[nodiscard]] Now now() const { return time_.now(skew_); }

  VirtualTime& time_;
  Underlay& underlay_;
  const TestNetwork& network_;
  const TestNode& identity_;
  Endpoint endpoint_;
  SeededRandom random_;
  LocationFactory make_location_;
  Duration skew_{0};
  Bridge bridge_;
  Bridge::Port tap_port_ = 0;
  std::map<MacAddress, std::size_t> streams_;  // stopped VMs → how many of their unread frames were told ahead
  std::map<MacAddress, Bridge::Port> ports_;   // where a MAC was last, but for the TAP

  std::unique_ptr<SimLocation> location_;
  std::unique_ptr<Node> node_;
  unsigned workers_;  // how many: hosts are not all alike
  std::vector<std::unique_ptr<Forwarder>> forwarders_;
  std::shared_ptr<const Snapshot> snapshot_;
  DatagramBatch sending_;
  FrameBatch writing_;
  std::uint64_t last_stamp_ = 0;
  std::uint64_t timer_generation_ = 0;
  std::optional<TimePoint> timer_at_;
  bool in_turn_ = false;
  std::vector<NodeEvent> events_;
  std::vector<std::pair<LookupTicket, LookupCallback>> lookups_;
  std::map<PingTicket, PingCallback> pings_;
};

}  // namespace rove::sim
