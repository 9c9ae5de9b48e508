#include "dht/dht_instance.h"

#include <opendht/dht.h>

#include <set>

#include "dht/message_check.h"
#include "dht/publisher.h"
#include "dht/socket_address.h"
#include "dht/store_policy.h"

namespace rove {
namespace {

// OpenDHT 2.4.12 compares deadlines with "<" here and ">" there: called at one exactly, it does
// nothing, or the same for ever.
constexpr std::chrono::microseconds kPastDeadline{1};

dht::InfoHash to_hash(const LocationKey& key) {
  return dht::InfoHash(key.octets.data(), key.octets.size());
}
LocationKey to_key(const dht::InfoHash& hash) {
  return LocationKey::from_bytes({hash.data(), hash.size()});
}

// nullopt for what no node of ours would have put.
std::optional<StoredRecord> to_record(const dht::Value& value) {
  if (value.type != kRecordValueType || !value.user_type.empty() || value.owner || value.isEncrypted()) {
    return std::nullopt;
  }
  const BytesView data{value.data};
  if (data.empty()) return std::nullopt;
  StoredRecord record{static_cast<RecordKind>(data[0]), Bytes(data.begin() + 1, data.end())};
  if (value_id_of(record) != value.id) return std::nullopt;
  return record;
}

std::shared_ptr<dht::Value> to_value(std::uint64_t value_id, const StoredRecord& record) {
  dht::Blob data;
  data.reserve(1 + record.bytes.size());
  data.push_back(static_cast<std::uint8_t>(record.kind));
  data.insert(data.end(), record.bytes.begin(), record.bytes.end());
  return std::make_shared<dht::Value>(kRecordValueType, std::move(data), value_id);
}

// A filter that all records pass, for the sake of having one. It must not be by value type: OpenDHT
// 2.4.12 receives the updates of such a listen and never reports one (measured 2026-11-23).
dht::Where every_record() {
  dht::Where where;
  where.userType("");
  return where;
}

dht::Config make_config(const DhtConfig& config) {
  dht::Config made;
  made.node_id = to_hash(config.node_id);
  // Only a label; strangers are kept out by the sealed envelope. 0 would be the public network.
  made.network = std::max(load_be<std::uint32_t>(config.network.octets.data()), 1u);
  // Listens are refreshed every 5 min instead of every 30 s, and a failed search is not taken for an
  // outage; the supervisor knows better.
  made.public_stable = true;
  // Members only, and bounded by the store policy. Above its limit the store of 2.4.12 can loop for ever.
  made.max_store_size = -1;
  made.max_req_per_sec = -1;
  made.max_peer_req_per_sec = -1;
  return made;
}

}  // namespace

struct DhtInstance::Callbacks {
  MayStore may_store;
  std::deque<Outcome> outcomes;
  std::set<std::uint64_t> gets;
  bool is_closed = false;

  void add_found(std::optional<std::uint64_t> get, const LocationKey& key, const dht::Value& value) {
    if (auto record = to_record(value)) outcomes.push_back(Found{get, key, value.id, std::move(*record)});
  }
};

template <typename Call>
void DhtInstance::guarded(Call&& call) {
  try {
    call();
  } catch (const std::exception&) {
    is_broken_ = true;
  }
}

DhtInstance::DhtInstance(const DhtConfig& config, SendQueue& out, MayStore may_store)
    : callbacks_(std::make_shared<Callbacks>()) {
  callbacks_->may_store = std::move(may_store);
  dht_ = std::make_unique<dht::Dht>(std::make_unique<QueueSocket>(out, config.ipv4, config.ipv6), make_config(config),
                                    std::shared_ptr<dht::Logger>{});

  const auto store_policy = [callbacks = callbacks_](dht::InfoHash key, std::shared_ptr<dht::Value>& value,
                                                     const dht::InfoHash&, const dht::SockAddr&) {
    if (callbacks->is_closed || !value->user_type.empty() || value->owner || value->isEncrypted()) return false;
    return callbacks->may_store(to_key(key), value->id, value->data);
  };
  // A value's id is a hash of its content: there is nothing to edit.
  const auto edit_policy = [](dht::InfoHash, const std::shared_ptr<dht::Value>&, std::shared_ptr<dht::Value>&,
                              const dht::InfoHash&, const dht::SockAddr&) { return false; };
  dht_->registerType(dht::ValueType(kRecordValueType, "rove record", kStoreLifetime, store_policy, edit_policy));
}

DhtInstance::~DhtInstance() {
  // OpenDHT calls back from its destructor: every get is "done", every value of a listen "expired".
  callbacks_->is_closed = true;
  dht_.reset();
}

void DhtInstance::receive(Time now, const Endpoint& from, BytesView message) {
  guarded([&] {
    dht_->periodic(message.data(), message.size(), to_dht_address(from), now);
    dht_->updateStatus(AF_INET);
    dht_->updateStatus(AF_INET6);
  });
}

DhtInstance::Time DhtInstance::run(Time now) {
  Time next = now;
  guarded([&] {
    next = dht_->periodic(nullptr, 0, dht::SockAddr{}, now);
    dht_->updateStatus(AF_INET);
    dht_->updateStatus(AF_INET6);
  });
  if (next == Time::max()) return next;
  return std::max(next, now) + kPastDeadline;
}

void DhtInstance::ping(const Endpoint& node) {
  guarded([&] { dht_->pingNode(to_dht_address(node)); });
}

void DhtInstance::put(const LocationKey& key, std::uint64_t value_id, const StoredRecord& record, bool permanent) {
  guarded([&] {
    dht_->put(to_hash(key), to_value(value_id, record), dht::DoneCallback{}, dht::time_point::max(), permanent);
  });
}

void DhtInstance::cancel_put(const LocationKey& key, std::uint64_t value_id) {
  guarded([&] { dht_->cancelPut(to_hash(key), value_id); });
}

void DhtInstance::get(std::uint64_t number, const LocationKey& key, bool fresh) {
  callbacks_->gets.insert(number);
  const dht::GetCallback on_values = [callbacks = callbacks_, number,
                                      key](const std::vector<std::shared_ptr<dht::Value>>& values) {
    if (callbacks->is_closed || callbacks->gets.count(number) == 0) return false;
    for (const auto& value : values) callbacks->add_found(number, key, *value);
    return true;
  };
  const dht::DoneCallback on_done = [callbacks = callbacks_, number](
                                        bool ok, const std::vector<std::shared_ptr<dht::Node>>& nodes) {
    if (callbacks->is_closed || callbacks->gets.erase(number) == 0) return;
    callbacks->outcomes.push_back(Done{number, ok, !nodes.empty()});
  };
  // OpenDHT answers a get from a listen whose filter is no stricter than the get's. So a get without a
  // filter is never answered by our listens.
  guarded([&] {
    dht_->get(to_hash(key), on_values, on_done, dht::Value::Filter{}, fresh ? dht::Where{} : every_record());
  });
}

void DhtInstance::cancel_get(std::uint64_t number) {
  callbacks_->gets.erase(number);
}

void DhtInstance::listen(const LocationKey& key) {
  if (listens_.count(key) != 0) return;
  // False would end the listen. "Expired" says nothing: a record ends by its own not_after.
  const dht::ValueCallback on_values = [callbacks = callbacks_, key](
                                           const std::vector<std::shared_ptr<dht::Value>>& values, bool expired) {
    if (callbacks->is_closed || expired) return true;
    for (const auto& value : values) callbacks->add_found(std::nullopt, key, *value);
    return true;
  };
  guarded([&] { listens_[key] = dht_->listen(to_hash(key), on_values, dht::Value::Filter{}, every_record()); });
}

void DhtInstance::cancel_listen(const LocationKey& key) {
  const auto listen = listens_.find(key);
  if (listen == listens_.end()) return;
  guarded([&] { dht_->cancelListen(to_hash(key), listen->second); });
  listens_.erase(listen);
}

std::optional<DhtInstance::Outcome> DhtInstance::poll_outcome() {
  if (callbacks_->outcomes.empty()) return std::nullopt;
  Outcome outcome = std::move(callbacks_->outcomes.front());
  callbacks_->outcomes.pop_front();
  return outcome;
}

unsigned DhtInstance::good_nodes() const {
  return dht_->getNodesStats(AF_INET).good_nodes + dht_->getNodesStats(AF_INET6).good_nodes;
}

std::size_t DhtInstance::searches() const {
  return std::max(dht_->getNodesStats(AF_INET).searches, dht_->getNodesStats(AF_INET6).searches);
}

bool DhtInstance::is_stored(const LocationKey& key, std::uint64_t value_id) const {
  return dht_->getLocalById(to_hash(key), value_id) != nullptr;
}

std::vector<KnownDhtNode> DhtInstance::nodes() const {
  std::vector<KnownDhtNode> nodes;
  for (const dht::NodeExport& exported : dht_->exportNodes()) {
    const auto endpoint = to_endpoint(dht::SockAddr(exported.ss, exported.sslen));
    if (endpoint) nodes.push_back({to_key(exported.id), *endpoint});
  }
  return nodes;
}

}  // namespace rove
