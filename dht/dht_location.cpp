#include "dht/dht_location.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <type_traits>
#include <variant>

#include "core/base/check.h"
#include "core/base/mailbox.h"

namespace rove {
namespace {

// A host claims some hundred VMs with three keys each at its start.
constexpr std::size_t kCommandsMax = 4096;
// What a burst of lookups brings in while the thread is busy for some milliseconds.
constexpr std::size_t kDatagramsInMax = 4096;
constexpr std::size_t kDatagramsOutMax = 4096;
constexpr std::size_t kEventsMax = 4096;
// Datagrams per turn, so that commands and timers get theirs.
constexpr int kBatchMax = 256;
constexpr std::chrono::seconds kReportInterval{1};
// How soon to try again when the control thread has not made room.
constexpr std::chrono::milliseconds kCongestedRetry{10};

struct Publish {
  LocationKey key;
  std::uint64_t slot = 0;
  StoredRecord record;
};
struct Withdraw {
  LocationKey key;
  std::uint64_t slot = 0;
};
struct Lookup {
  LookupId id;
  LocationKey key;
  bool fresh = false;
};
struct Watch {
  LocationKey key;
};
struct Unwatch {
  LocationKey key;
};
struct AddCertificate {
  NodeId node;
  Bytes der;
};
struct SetBootstrap {
  std::vector<Endpoint> bootstrap;
};
using Command = std::variant<Publish, Withdraw, Lookup, Watch, Unwatch, AddCertificate, SetBootstrap>;

struct DatagramIn {
  Endpoint from;
  Bytes message;
};

WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace

struct DhtLocation::Impl {
  Impl(DhtConfig config, std::function<void()> wake_control)
      : engine(std::move(config)), wake(std::move(wake_control)), thread([this] { loop(); }) {}
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      is_stopping = true;
    }
    condition.notify_one();
    thread.join();
  }

  // --- control thread ---

  void send(Command command) {
    flush();
    if (!overflow.empty() || !commands.push(std::move(command))) overflow.push_back(std::move(command));
    is_overflowing = !overflow.empty();
    notify();
  }
  void flush() {
    if (overflow.empty()) return;
    while (!overflow.empty() && commands.push(std::move(overflow.front()))) overflow.pop_front();
    is_overflowing = !overflow.empty();
    notify();
  }
  void notify() {
    {
      const std::lock_guard lock(mutex);
      is_notified = true;
    }
    condition.notify_one();
  }

  std::deque<Command> overflow;  // what the mailbox had no room for
  std::uint64_t last_lookup = 0;

  // --- dht thread ---

  void loop();
  void execute(Command command);
  // Both return true when there was anything to hand over; `is_congested` tells that something stayed.
  bool hand_over_datagrams();
  bool hand_over_events();
  void report();

  DhtEngine engine;
  std::function<void()> wake;
  bool is_congested = false;
  std::optional<DhtTransmit> next_datagram;  // found no room
  std::optional<LocationEvent> next_event;   // found no room
  std::chrono::steady_clock::time_point next_report{};

  // --- between them ---

  Mailbox<Command> commands{kCommandsMax};
  Mailbox<DatagramIn> datagrams_in{kDatagramsInMax};
  Mailbox<DhtTransmit> datagrams_out{kDatagramsOutMax};
  Mailbox<LocationEvent> events{kEventsMax};
  std::atomic<bool> is_overflowing{false};
  std::atomic<std::uint64_t> datagrams_in_dropped{0};

  mutable std::mutex mutex;
  std::condition_variable condition;
  // Guarded by mutex:
  bool is_notified = false;
  bool is_stopping = false;
  std::vector<KnownDhtNode> known_nodes;
  DhtCounters counters;

  std::thread thread;  // last: it uses everything above
};

void DhtLocation::Impl::loop() {
  report();
  for (;;) {
    while (auto command = commands.pop()) execute(std::move(*command));
    for (int i = 0; i < kBatchMax; ++i) {
      const auto datagram = datagrams_in.pop();
      if (!datagram) break;
      engine.handle_datagram(datagram->from, datagram->message, wall_now());
    }
    auto next = engine.run(wall_now());

    is_congested = false;
    const bool has_datagrams = hand_over_datagrams();
    const bool has_events = hand_over_events();
    // Whoever overflows waits for room, which there is now.
    if (has_datagrams || has_events || is_overflowing) wake();
    const auto now = std::chrono::steady_clock::now();
    if (is_congested) next = std::min(next, now + kCongestedRetry);
    if (now >= next_report) report();
    next = std::min(next, next_report);

    std::unique_lock lock(mutex);
    condition.wait_until(lock, next, [this] { return is_notified || is_stopping || !datagrams_in.empty(); });
    is_notified = false;
    if (is_stopping) return;
  }
}

void DhtLocation::Impl::execute(Command command) {
  std::visit(
      [this](auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, Publish>) {
          engine.publish(what.key, what.slot, std::move(what.record));
        } else if constexpr (std::is_same_v<What, Withdraw>) {
          engine.withdraw(what.key, what.slot);
        } else if constexpr (std::is_same_v<What, Lookup>) {
          // Both sides count from 1 and no command is lost, so the ids need no translation.
          ROVE_CHECK(engine.lookup(what.key, what.fresh) == what.id);
        } else if constexpr (std::is_same_v<What, Watch>) {
          engine.watch(what.key);
        } else if constexpr (std::is_same_v<What, Unwatch>) {
          engine.unwatch(what.key);
        } else if constexpr (std::is_same_v<What, AddCertificate>) {
          engine.add_certificate(what.node, std::move(what.der));
        } else {
          static_assert(std::is_same_v<What, SetBootstrap>);
          engine.set_bootstrap(std::move(what.bootstrap));
        }
      },
      command);
}

bool DhtLocation::Impl::hand_over_datagrams() {
  bool any = false;
  for (;;) {
    if (!next_datagram) next_datagram = engine.poll_transmit();
    if (!next_datagram) return any;
    if (!datagrams_out.push(std::move(*next_datagram))) {
      is_congested = true;
      return any;
    }
    next_datagram.reset();
    any = true;
  }
}

bool DhtLocation::Impl::hand_over_events() {
  bool any = false;
  for (;;) {
    if (!next_event) next_event = engine.poll_event();
    if (!next_event) return any;
    if (!events.push(std::move(*next_event))) {
      is_congested = true;
      return any;
    }
    next_event.reset();
    any = true;
  }
}

void DhtLocation::Impl::report() {
  next_report = std::chrono::steady_clock::now() + kReportInterval;
  std::vector<KnownDhtNode> nodes = engine.known_nodes();
  DhtCounters now = engine.counters();
  now.datagrams_in_dropped = datagrams_in_dropped;
  const std::lock_guard lock(mutex);
  known_nodes = std::move(nodes);
  counters = now;
}

DhtLocation::DhtLocation(DhtConfig config, std::function<void()> wake)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(wake))) {}
DhtLocation::~DhtLocation() = default;

void DhtLocation::deliver(const Endpoint& from, Bytes message) {
  if (!impl_->datagrams_in.push({from, std::move(message)})) {
    ++impl_->datagrams_in_dropped;
    return;
  }
  impl_->notify();
}

std::optional<DhtTransmit> DhtLocation::poll_transmit() {
  impl_->flush();
  return impl_->datagrams_out.pop();
}

void DhtLocation::publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) {
  impl_->send(Publish{key, slot, std::move(record)});
}

void DhtLocation::withdraw(const LocationKey& key, std::uint64_t slot) {
  impl_->send(Withdraw{key, slot});
}

LookupId DhtLocation::lookup(const LocationKey& key, bool fresh) {
  const LookupId id{++impl_->last_lookup};
  impl_->send(Lookup{id, key, fresh});
  return id;
}

void DhtLocation::watch(const LocationKey& key) {
  impl_->send(Watch{key});
}

void DhtLocation::unwatch(const LocationKey& key) {
  impl_->send(Unwatch{key});
}

void DhtLocation::add_certificate(const NodeId& node, Bytes der) {
  impl_->send(AddCertificate{node, std::move(der)});
}

std::optional<LocationEvent> DhtLocation::poll_event() {
  impl_->flush();
  return impl_->events.pop();
}

void DhtLocation::set_bootstrap(std::vector<Endpoint> bootstrap) {
  impl_->send(SetBootstrap{std::move(bootstrap)});
}

std::vector<KnownDhtNode> DhtLocation::known_nodes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->known_nodes;
}

DhtCounters DhtLocation::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counters;
}

}  // namespace rove
