#include "tests/support/dht_network.h"

#include <algorithm>

#include "core/crypto/hash.h"

namespace rove {
namespace {

constexpr std::uint16_t kPort = 7683;
constexpr std::size_t kSeeds = 3;
// Between nodes that join: the first pings are answered by then.
constexpr std::chrono::milliseconds kJoinInterval{500};

}  // namespace

DhtNetwork::DhtNetwork(DhtNetworkOptions options)
    : options_(options),
      clock_(options.seed),
      random_(options.seed),
      identities_(options.seed),
      keys_(derive_naming_key(identities_.key())) {}

DhtNetwork::~DhtNetwork() = default;

std::size_t DhtNetwork::add_node() {
  return add_node({});
}

std::size_t DhtNetwork::add_node(const std::function<void(DhtConfig&)>& change) {
  const std::size_t node = nodes_.size();
  (void)identities_.add_node("node" + std::to_string(node));
  nodes_.emplace_back();
  start(node, change);
  return node;
}

void DhtNetwork::grow(std::size_t size) {
  while (nodes_.size() < size) {
    (void)add_node();
    run_for(kJoinInterval);
  }
}

void DhtNetwork::kill(std::size_t node) {
  nodes_.at(node).engine.reset();
  nodes_.at(node).events.clear();
}

void DhtNetwork::start(std::size_t node, const std::function<void(DhtConfig&)>& change) {
  DhtConfig config = make_config(node);
  if (change) change(config);
  nodes_.at(node).engine = std::make_unique<DhtEngine>(std::move(config));
  wake(node);
}

void DhtNetwork::cut(std::size_t node, bool is_cut) {
  nodes_.at(node).is_cut = is_cut;
}

DhtConfig DhtNetwork::make_config(std::size_t node) const {
  const LocationKey id = keys_.dht_node_id(identity(node).key());
  DhtConfig config{id, identities_.id(), identities_.anchor(), derive_naming_key(identities_.key()), {}, {}, {}};
  for (std::size_t seed = 0; seed < kSeeds; ++seed) config.bootstrap.push_back(endpoint(seed));
  config.local_endpoints = {endpoint(node)};
  config.ipv6 = options_.ipv6;
  return config;
}

Endpoint DhtNetwork::endpoint(std::size_t node) const {
  const std::array<std::uint8_t, 4> octets{10, 1, static_cast<std::uint8_t>(node >> 8),
                                           static_cast<std::uint8_t>(node)};
  return {IpAddress::v4(octets.data()), kPort};
}

std::optional<std::size_t> DhtNetwork::find_node(const Endpoint& endpoint) const {
  const BytesView octets = endpoint.address.bytes();
  if (octets.size() != 4 || octets[0] != 10 || octets[1] != 1 || endpoint.port != kPort) return std::nullopt;
  const std::size_t node = load_be<std::uint16_t>(&octets[2]);
  return node < nodes_.size() ? std::optional{node} : std::nullopt;
}

void DhtNetwork::send(std::size_t from, DhtTransmit datagram) {
  if (tap_) tap_(from, datagram.to, datagram.bytes);
  const auto to = find_node(datagram.to);
  if (!to || nodes_[from].is_cut || nodes_[*to].is_cut || random_.fraction() < options_.loss) return;
  flights_.push({clock_.steady() + options_.delay, ++sent_, *to, endpoint(from), std::move(datagram.bytes)});
}

void DhtNetwork::inject(const Endpoint& from, std::size_t to, Bytes message) {
  flights_.push({clock_.steady() + options_.delay, ++sent_, to, from, std::move(message)});
}

void DhtNetwork::wake(std::size_t node) {
  nodes_.at(node).wake = clock_.steady();
}

std::optional<LocationEvent> DhtNetwork::poll_event(std::size_t node) {
  auto& events = nodes_.at(node).events;
  if (events.empty()) return std::nullopt;
  LocationEvent event = std::move(events.front());
  events.pop_front();
  return event;
}

void DhtNetwork::run_node(std::size_t number) {
  Node& node = nodes_[number];
  node.wake = node.engine->run(clock_.now().wall);
  while (auto datagram = node.engine->poll_transmit()) send(number, std::move(*datagram));
  while (auto event = node.engine->poll_event()) node.events.push_back(std::move(*event));
}

bool DhtNetwork::step(Time until) {
  std::size_t next = nodes_.size();
  Time time = until;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].engine && nodes_[i].wake <= time && (next == nodes_.size() || nodes_[i].wake < time)) {
      next = i;
      time = nodes_[i].wake;
    }
  }
  if (!flights_.empty() && flights_.top().arrival <= time) {
    const Flight flight = flights_.top();
    flights_.pop();
    clock_.advance_to(std::max(clock_.steady(), flight.arrival));
    Node& node = nodes_[flight.to];
    if (!node.engine || node.is_cut) return true;
    node.engine->handle_datagram(flight.from, flight.message, clock_.now().wall);
    run_node(flight.to);
    return true;
  }
  if (next == nodes_.size()) {
    clock_.advance_to(std::max(clock_.steady(), until));
    return false;
  }
  clock_.advance_to(std::max(clock_.steady(), time));
  run_node(next);
  return true;
}

void DhtNetwork::run_for(Duration duration) {
  const Time until = clock_.steady() + duration;
  while (step(until)) {
  }
}

bool DhtNetwork::run_until(const std::function<bool()>& done, Duration limit) {
  const Time until = clock_.steady() + limit;
  while (!done()) {
    if (!step(until)) return done();
  }
  return true;
}

}  // namespace rove
