#include "dht/dht_engine.h"

#include <algorithm>
#include <deque>
#include <map>
#include <type_traits>

#include "dht/dht_instance.h"
#include "dht/known_nodes.h"
#include "dht/lookup_table.h"
#include "dht/message_check.h"
#include "dht/publisher.h"
#include "dht/queue_socket.h"
#include "dht/store_policy.h"
#include "dht/supervisor.h"
#include "dht/watch_table.h"

namespace rove {
namespace {

using Clock = std::chrono::steady_clock;

// Records that wait for poll_event(); a burst of 64 lookups of the members of a large network.
constexpr std::size_t kEventsMax = 16'384;
// Keys that were asked for within 62 minutes, beside our own. OpenDHT keeps about 10 kB for each and its
// own limit must not be lowered (2.4.12 loops for ever when it is reached), so the whole object is replaced.
constexpr std::size_t kForeignSearchesMax = 10'000;
constexpr std::chrono::seconds kHousekeepingInterval{10};
// At most so many lookups of our own making at a time, and so often for one certificate.
constexpr std::size_t kCertificateFetchesMax = 32;
constexpr std::chrono::seconds kCertificateRetry{60};
constexpr std::size_t kSeedsPerPing = 16;
// run() goes round until nothing is due, but not for ever.
constexpr int kRoundsMax = 8;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

struct DhtEngine::Impl {
  explicit Impl(DhtConfig engine_config)
      : config(std::move(engine_config)),
        keys(config.naming_key.clone()),
        policy(config.anchor, config.naming_key.clone()),
        supervisor(Clock::now()),
        publisher(Clock::now()),
        watches(Clock::now()),
        known(config.known_nodes),
        next_housekeeping(Clock::now() + kHousekeepingInterval) {
    build();
  }

  void build();
  void handle_datagram(Clock::time_point now, const Endpoint& from, BytesView message);
  Clock::time_point run();
  void start_lookup(Clock::time_point now, LookupPurpose purpose, const LocationKey& key, bool fresh);

  void supervise(Clock::time_point now);
  void obey(Clock::time_point now, Supervisor::Order order);
  void note_traffic(Clock::time_point now);
  void issue(Clock::time_point now);
  void issue_puts(Clock::time_point now);
  void issue_watches(Clock::time_point now);
  void issue_lookups();
  void fetch_certificates(Clock::time_point now);
  void collect(Clock::time_point now);
  void handle_found(const DhtInstance::Found& found);
  void handle_done(Clock::time_point now, const DhtInstance::Done& done);
  void finish_lookup(const LookupTable::Lookup& lookup, bool reached);
  void keep_house(Clock::time_point now);
  void report_status();
  [[nodiscard]] Clock::time_point next_wake(Clock::time_point now, Clock::time_point instance_wake) const;

  void ping_seeds();
  void ping_one(const std::vector<Endpoint>& candidates);
  [[nodiscard]] bool is_ours(const Endpoint& endpoint) const;
  [[nodiscard]] std::vector<Endpoint> seeds() const;
  [[nodiscard]] bool has_seeds() const;
  [[nodiscard]] std::vector<Endpoint> good_endpoints() const;
  [[nodiscard]] bool may_wait(Clock::time_point now) const;
  void push_record(const LocationKey& key, std::optional<LookupId> lookup, StoredRecord record);

  DhtConfig config;
  LocationKeys keys;
  SendQueue out;
  StorePolicy policy;
  Supervisor supervisor;
  Publisher publisher;
  WatchTable watches;
  LookupTable lookups;
  KnownNodes known;
  std::unique_ptr<DhtInstance> instance;  // after `out` and `policy`, which it borrows

  WallTime wall{};
  std::deque<LocationEvent> events;
  DhtCounters counters;
  std::uint64_t last_lookup = 0;
  std::size_t certificate_fetches = 0;
  std::map<NodeId, Clock::time_point> certificate_fetched_at;  // within kCertificateRetry
  std::size_t next_ping = 0;
  Clock::time_point last_reply = Clock::time_point::min();
  Clock::time_point next_housekeeping;
  std::optional<LocationStatus> reported;
};

void DhtEngine::Impl::build() {
  // The new object's store is empty.
  policy.forget_stored();
  instance = std::make_unique<DhtInstance>(
      config, out, [this](const LocationKey& key, std::uint64_t value_id, BytesView data) {
        const bool accepted = policy.check(Clock::now(), wall, key, value_id, data) == StoreVerdict::Accepted;
        ++(accepted ? counters.stores_accepted : counters.stores_refused);
        return accepted;
      });
}

void DhtEngine::Impl::handle_datagram(Clock::time_point now, const Endpoint& from, BytesView message) {
  ++counters.datagrams_in;
  const auto kind = check_dht_message(message);
  if (!kind) {
    ++counters.bad_shape;
    return;
  }
  supervisor.handle_received(now);
  if (*kind == DhtMessageKind::Reply) last_reply = now;
  instance->receive(now, from, message);
  note_traffic(now);
  collect(now);
}

Clock::time_point DhtEngine::Impl::run() {
  const auto now = Clock::now();
  auto wake = now;
  for (int round = 0; round < kRoundsMax && wake <= now; ++round) {
    supervise(now);
    issue(now);
    const auto instance_wake = instance->run(now);
    note_traffic(now);
    collect(now);
    wake = next_wake(now, instance_wake);
  }
  report_status();
  return std::max(wake, now + std::chrono::microseconds{1});
}

void DhtEngine::Impl::supervise(Clock::time_point now) {
  if (now >= next_housekeeping) keep_house(now);
  if (instance->is_broken()) supervisor.handle_defect(now);
  // An object that is to go must not be asked for its status.
  while (const auto order = supervisor.poll_order()) obey(now, *order);
  supervisor.handle_status(now, instance->good_nodes());
  supervisor.handle_timeout(now, watches.size() + publisher.size() > 0);
  while (const auto order = supervisor.poll_order()) obey(now, *order);
}

void DhtEngine::Impl::obey(Clock::time_point now, Supervisor::Order order) {
  switch (order) {
    case Supervisor::Order::PingSeeds: ping_seeds(); break;
    case Supervisor::Order::Attach:
      publisher.replay(now);
      watches.replay();
      break;
    case Supervisor::Order::Rebuild:
      ++counters.rebuilds;
      known.update(instance->nodes());
      build();
      lookups.restart_running();
      break;
    case Supervisor::Order::Keepalive: ping_one(good_endpoints()); break;
    case Supervisor::Order::Reread: watches.reread_all(now); break;
    case Supervisor::Order::MergePing: {
      // Whoever is good is in our part of the network already.
      const std::vector<Endpoint> good = good_endpoints();
      std::vector<Endpoint> others = seeds();
      std::erase_if(others,
                    [&](const Endpoint& seed) { return std::find(good.begin(), good.end(), seed) != good.end(); });
      ping_one(others);
      break;
    }
  }
}

void DhtEngine::Impl::note_traffic(Clock::time_point now) {
  for (const Endpoint& to : out.take_destinations()) supervisor.handle_sent(now, to);
}

void DhtEngine::Impl::issue(Clock::time_point now) {
  if (supervisor.is_connected()) {
    issue_puts(now);
    issue_watches(now);
    fetch_certificates(now);
    issue_lookups();
  } else if (!may_wait(now)) {
    while (const auto lookup = lookups.take_any()) finish_lookup(*lookup, /*reached=*/false);
  }
  while (const auto lookup = lookups.poll_timed_out(now)) {
    instance->cancel_get(lookup->number);
    finish_lookup(*lookup, last_reply > lookup->started);
  }
}

void DhtEngine::Impl::issue_puts(Clock::time_point now) {
  while (const auto order = publisher.poll_order(now)) {
    std::visit(
        Overloaded{
            [this](const Publisher::Put& put) { instance->put(put.key, put.value_id, put.record, put.permanent); },
            [this](const Publisher::Cancel& cancel) { instance->cancel_put(cancel.key, cancel.value_id); }},
        *order);
  }
}

void DhtEngine::Impl::issue_watches(Clock::time_point now) {
  while (const auto order = watches.poll_order(now)) {
    std::visit(Overloaded{[this](const WatchTable::Listen& listen) { instance->listen(listen.key); },
                          [this](const WatchTable::Unlisten& unlisten) { instance->cancel_listen(unlisten.key); },
                          [this, now](const WatchTable::Reread& reread) {
                            // When there is no room it will be read at the next turn.
                            (void)lookups.start(now, WatchReread{}, reread.key, /*fresh=*/true);
                          }},
               *order);
  }
}

void DhtEngine::Impl::issue_lookups() {
  while (const LookupTable::Lookup* lookup = lookups.poll_start()) {
    instance->get(lookup->number, lookup->key, lookup->fresh);
  }
}

void DhtEngine::Impl::fetch_certificates(Clock::time_point now) {
  while (certificate_fetches < kCertificateFetchesMax) {
    const auto wanted = policy.poll_wanted_certificate();
    if (!wanted) return;
    const auto [last, is_first] = certificate_fetched_at.try_emplace(*wanted, now);
    if (!is_first && now - last->second < kCertificateRetry) continue;
    last->second = now;
    if (!lookups.start(now, CertificateFetch{*wanted}, keys.of_certificate(*wanted), /*fresh=*/true)) return;
    ++certificate_fetches;
  }
}

void DhtEngine::Impl::collect(Clock::time_point now) {
  while (const auto outcome = instance->poll_outcome()) {
    std::visit(Overloaded{[&](const DhtInstance::Found& found) { handle_found(found); },
                          [&](const DhtInstance::Done& done) { handle_done(now, done); }},
               *outcome);
  }
}

void DhtEngine::Impl::handle_found(const DhtInstance::Found& found) {
  if (!found.get) {
    if (watches.contains(found.key)) push_record(found.key, std::nullopt, found.record);
    return;
  }
  if (!lookups.note_value(*found.get, found.value_id)) return;
  for (const LookupPurpose& purpose : lookups.find(*found.get)->purposes) {
    std::visit(Overloaded{[&](const LookupId& id) { push_record(found.key, id, found.record); },
                          [&](const WatchReread&) {
                            if (watches.contains(found.key)) push_record(found.key, std::nullopt, found.record);
                          },
                          [&](const CertificateFetch& fetch) {
                            if (found.record.kind != RecordKind::Certificate) return;
                            // When it is not the one, another value may be.
                            (void)policy.add_certificate(fetch.node, found.record.bytes, wall);
                          }},
               purpose);
  }
}

void DhtEngine::Impl::handle_done(Clock::time_point now, const DhtInstance::Done& done) {
  const auto lookup = lookups.finish(done.get);
  if (!lookup) return;
  // An answer out of a listen's cache proves nothing while nobody answers us.
  finish_lookup(*lookup, done.ok && (done.asked || !supervisor.is_in_doubt(now)));
}

void DhtEngine::Impl::finish_lookup(const LookupTable::Lookup& lookup, bool reached) {
  for (const LookupPurpose& purpose : lookup.purposes) {
    if (const auto* id = std::get_if<LookupId>(&purpose)) events.push_back(LookupDone{*id, reached});
    if (std::holds_alternative<CertificateFetch>(purpose)) --certificate_fetches;
  }
}

void DhtEngine::Impl::keep_house(Clock::time_point now) {
  next_housekeeping = now + kHousekeepingInterval;
  if (supervisor.is_connected()) known.update(instance->nodes());
  policy.expire(now,
                [this](const LocationKey& key, std::uint64_t value_id) { return instance->is_stored(key, value_id); });
  for (auto it = certificate_fetched_at.begin(); it != certificate_fetched_at.end();) {
    it = now - it->second >= kCertificateRetry ? certificate_fetched_at.erase(it) : std::next(it);
  }
  if (instance->searches() > kForeignSearchesMax + publisher.size() + watches.size()) supervisor.handle_defect(now);
}

void DhtEngine::Impl::report_status() {
  LocationStatus status;
  status.nodes = supervisor.is_connected() ? instance->good_nodes() : 0;
  status.connected = supervisor.is_connected() || !has_seeds();
  if (reported && reported->connected == status.connected && reported->nodes == status.nodes) return;
  reported = status;
  events.push_back(status);
}

Clock::time_point DhtEngine::Impl::next_wake(Clock::time_point now, Clock::time_point instance_wake) const {
  auto wake = std::min({instance_wake, supervisor.poll_timeout(), next_housekeeping});
  const auto consider = [&wake](std::optional<Clock::time_point> when) {
    if (when) wake = std::min(wake, *when);
  };
  consider(lookups.poll_timeout());
  if (supervisor.is_connected()) {
    consider(publisher.poll_timeout());
    consider(watches.poll_timeout());
    if (lookups.has_startable() || instance->is_broken()) wake = now;
  } else if (lookups.poll_timeout()) {
    consider(supervisor.searching_since() + LookupTable::kLookupTimeMax);
  }
  return wake;
}

void DhtEngine::Impl::start_lookup(Clock::time_point now, LookupPurpose purpose, const LocationKey& key, bool fresh) {
  const auto number = lookups.start(now, purpose, key, fresh);
  const auto* id = std::get_if<LookupId>(&purpose);
  if (id == nullptr) return;
  for (StoredRecord& record : publisher.find(key)) {
    if (number) (void)lookups.note_value(*number, value_id_of(record));
    push_record(key, *id, std::move(record));
  }
  if (number) return;
  ++counters.lookups_refused;
  events.push_back(LookupDone{*id, /*reached=*/false});
}

void DhtEngine::Impl::ping_seeds() {
  const std::vector<Endpoint> all = seeds();
  for (std::size_t i = 0; i < std::min(all.size(), kSeedsPerPing); ++i) ping_one(all);
}

void DhtEngine::Impl::ping_one(const std::vector<Endpoint>& candidates) {
  if (!candidates.empty()) instance->ping(candidates[next_ping++ % candidates.size()]);
}

bool DhtEngine::Impl::is_ours(const Endpoint& endpoint) const {
  return std::find(config.local_endpoints.begin(), config.local_endpoints.end(), endpoint) !=
         config.local_endpoints.end();
}

std::vector<Endpoint> DhtEngine::Impl::seeds() const {
  std::vector<Endpoint> all;
  const auto add = [&](const Endpoint& endpoint) {
    if (!is_ours(endpoint) && std::find(all.begin(), all.end(), endpoint) == all.end()) all.push_back(endpoint);
  };
  for (const Endpoint& endpoint : config.bootstrap) add(endpoint);
  for (const KnownDhtNode& node : known.list()) add(node.endpoint);
  return all;
}

// Whether seeds() has any; asked at every turn.
bool DhtEngine::Impl::has_seeds() const {
  const auto& nodes = known.list();
  return std::any_of(config.bootstrap.begin(), config.bootstrap.end(),
                     [this](const Endpoint& endpoint) { return !is_ours(endpoint); }) ||
         std::any_of(nodes.begin(), nodes.end(), [this](const KnownDhtNode& node) { return !is_ours(node.endpoint); });
}

std::vector<Endpoint> DhtEngine::Impl::good_endpoints() const {
  std::vector<Endpoint> good;
  for (const KnownDhtNode& node : instance->nodes()) good.push_back(node.endpoint);
  return good;
}

// While the search for other nodes is young, a lookup waits for its result.
bool DhtEngine::Impl::may_wait(Clock::time_point now) const {
  return has_seeds() && now - supervisor.searching_since() < LookupTable::kLookupTimeMax;
}

void DhtEngine::Impl::push_record(const LocationKey& key, std::optional<LookupId> lookup, StoredRecord record) {
  if (events.size() >= kEventsMax) {
    ++counters.events_dropped;
    return;
  }
  events.push_back(RecordFound{key, lookup, std::move(record)});
}

DhtEngine::DhtEngine(DhtConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
DhtEngine::~DhtEngine() = default;

void DhtEngine::handle_datagram(const Endpoint& from, BytesView message, WallTime now) {
  impl_->wall = now;
  impl_->handle_datagram(Clock::now(), from, message);
}

Clock::time_point DhtEngine::run(WallTime now) {
  impl_->wall = now;
  return impl_->run();
}

std::optional<DhtTransmit> DhtEngine::poll_transmit() {
  return impl_->out.pop();
}

void DhtEngine::publish(const LocationKey& key, std::uint64_t slot, StoredRecord record) {
  if (impl_->watches.contains(key)) impl_->push_record(key, std::nullopt, record);
  impl_->publisher.publish(key, slot, std::move(record));
}

void DhtEngine::withdraw(const LocationKey& key, std::uint64_t slot) {
  impl_->publisher.withdraw(key, slot);
}

LookupId DhtEngine::lookup(const LocationKey& key, bool fresh) {
  const LookupId id{++impl_->last_lookup};
  ++impl_->counters.lookups;
  impl_->start_lookup(Clock::now(), id, key, fresh);
  return id;
}

void DhtEngine::watch(const LocationKey& key) {
  if (!impl_->watches.watch(key)) return;
  for (StoredRecord& record : impl_->publisher.find(key)) impl_->push_record(key, std::nullopt, std::move(record));
}

void DhtEngine::unwatch(const LocationKey& key) {
  impl_->watches.unwatch(key);
}

void DhtEngine::add_certificate(const NodeId& node, Bytes der) {
  // Verified already, as the interface promises; what does not parse as that node's is of no use.
  auto certificate = Certificate::parse(der);
  if (certificate && certificate->id() == node) impl_->policy.add_certificate(std::move(*certificate));
}

std::optional<LocationEvent> DhtEngine::poll_event() {
  if (impl_->events.empty()) return std::nullopt;
  LocationEvent event = std::move(impl_->events.front());
  impl_->events.pop_front();
  return event;
}

std::vector<KnownDhtNode> DhtEngine::known_nodes() const {
  KnownNodes known = impl_->known;
  if (impl_->supervisor.is_connected()) known.update(impl_->instance->nodes());
  return known.list();
}

void DhtEngine::set_bootstrap(std::vector<Endpoint> bootstrap) {
  impl_->config.bootstrap = std::move(bootstrap);
  impl_->supervisor.handle_new_seeds(Clock::now());
}

DhtCounters DhtEngine::counters() const {
  DhtCounters counters = impl_->counters;
  counters.datagrams_out = impl_->out.sent();
  counters.datagrams_out_dropped = impl_->out.dropped();
  counters.published = impl_->publisher.size();
  counters.watches = impl_->watches.size();
  return counters;
}

}  // namespace rove
