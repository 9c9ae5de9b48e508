#include "tap/worker_pool.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/base/counter_numbers.h"
#include "core/wire/shard.h"
#include "tap/steering.h"

namespace rove {
namespace {

// Of an Echo, and its Echoed.
bool is_of_all(const MacAddress& vm) {
  return vm == MacAddress{};
}

}  // namespace

std::vector<UdpSocketPair> share_underlay(UdpSocketPair first, unsigned workers, const UdpOffloads& offloads) {
  std::vector<UdpSocketPair> sets;
  sets.push_back(std::move(first));
  for (unsigned i = 1; i < workers; ++i) {
    UdpSocketPair set;
    if (sets[0].v4) set.v4.emplace(sets[0].v4->bind_beside(offloads));
    if (sets[0].v6) set.v6.emplace(sets[0].v6->bind_beside(offloads));
    sets.push_back(std::move(set));
  }
  if (workers == 1) return sets;
  for (const auto* socket : {&sets[0].v4, &sets[0].v6}) {
    if (*socket) steer_datagrams((*socket)->fd(), workers);
  }
  return sets;
}

WorkerPool::WorkerPool(const WorkerConfig& config, std::vector<WorkerParts> parts, const std::function<void()>& wake)
    : echoed_(parts.size(), false) {
  ROVE_CHECK(!parts.empty() && parts.size() <= kShards);
  WorkerConfig own = config;
  if (parts.size() > 1) {
    own.exchange = std::make_shared<DatagramExchange>(static_cast<unsigned>(parts.size()));
    own.forwarder.heard_vms = std::make_shared<HeardVms>();
  }
  for (WorkerParts& one : parts) {
    own.forwarder.worker = size();
    workers_.push_back(
        std::make_unique<Worker>(own, std::move(one.tap), std::move(one.sockets), std::move(one.ports), wake));
  }
}

bool WorkerPool::post(WorkerCommand command) {
  const auto* snapshot = std::get_if<NewSnapshot>(&command);
  const auto* echo = std::get_if<Echo>(&command);
  if (snapshot == nullptr && (echo == nullptr || !is_of_all(echo->vm))) {
    return owner_of(command).post(std::move(command));
  }
  bool posted = true;
  for (const auto& worker : workers_) posted = worker->post(WorkerCommand{command}) && posted;
  return posted;
}

Worker& WorkerPool::owner_of(const WorkerCommand& command) {
  return *workers_[worker_of(shard_of(command), size())];
}

bool WorkerPool::send(const Endpoint& to, BytesView datagram, std::size_t segment) {
  return workers_.front()->send(to, datagram, segment);
}

std::optional<WorkerEvent> WorkerPool::poll_event() {
  for (std::size_t idle = 0; idle < workers_.size();) {
    const std::size_t current = next_;
    next_ = (next_ + 1) % workers_.size();
    std::optional<WorkerEvent> event = workers_[current]->poll_event();
    if (!event) {
      ++idle;
      continue;
    }
    idle = 0;
    const auto* echoed = std::get_if<Echoed>(&*event);
    if (echoed != nullptr && is_of_all(echoed->vm) && !handle_echo_of_all(current)) continue;
    return event;
  }
  return std::nullopt;
}

bool WorkerPool::handle_echo_of_all(std::size_t worker) {
  echoed_[worker] = true;
  if (std::find(echoed_.begin(), echoed_.end(), false) != echoed_.end()) return false;
  echoed_.assign(echoed_.size(), false);
  return true;
}

WorkerCounters WorkerPool::counters() const {
  WorkerCounters sum;
  for (const auto& worker : workers_) add_counters(sum, worker->counters());
  return sum;
}

TapOffloads WorkerPool::tap_offloads() const {
  return workers_.front()->tap_offloads();
}

UdpOffloads WorkerPool::udp_offloads() const {
  UdpOffloads common;
  for (const auto& worker : workers_) {
    const UdpOffloads own = worker->udp_offloads();
    common = {.segmentation = common.segmentation && own.segmentation,
              .coalescing = common.coalescing && own.coalescing};
  }
  return common;
}

std::error_code WorkerPool::realtime_error() const {
  return workers_.front()->realtime_error();
}

std::optional<std::string> WorkerPool::failure() const {
  for (const auto& worker : workers_) {
    if (auto failure = worker->failure()) return failure;
  }
  return std::nullopt;
}

}  // namespace rove
