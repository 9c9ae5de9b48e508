// A few PeerSets on a virtual network in virtual time, and what tests ask of them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/crypto/aead.h"
#include "core/crypto/hash.h"
#include "core/peer/handshake_message.h"
#include "core/peer/peer_set.h"
#include "core/wire/header.h"
#include "tests/sim/underlay.h"
#include "tests/sim/virtual_time.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_network.h"

namespace rove {

using namespace std::chrono_literals;  // NOLINT(google-*): a test reads better with 10s

// How a host differs from the node that its certificate names.
struct HostTraits {
  std::optional<Certificate> certificate{};  // shown instead of the node's own
  const TrustAnchor* anchor = nullptr;       // believed in instead of the network's
  const NodeId* sealed_as = nullptr;         // named as the sender of envelopes
  std::optional<SignedNodeRecord> record{};  // instead of the node's own
  std::optional<RingSecret> ring{};          // instead of the network's
  std::uint8_t aeads = 2;
};

class Lab;

// One daemon's PeerSet with its shell: opens envelopes, carries datagrams, runs timers.
class Host {
 public:
  Host(Lab& lab, const TestNode& node, const Endpoint& endpoint, std::uint64_t seed, HostTraits traits);
  ~Host() { kill(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void start();
  void kill();
  // Goes on sending and receiving elsewhere, without telling the PeerSet.
  void move_to(const Endpoint& endpoint);

  void connect(const Host& other) { connect(other, {other.endpoint()}); }
  void connect(const Host& other, const std::vector<Endpoint>& endpoints) {
    peers().connect(now(), other.node().key(), endpoints);
    turn();
  }
  void disconnect(const Host& other, CloseReason reason = CloseReason::GoingDown) {
    peers().disconnect(now(), other.id(), reason);
    turn();
  }
  // A message that can be told from others.
  bool send(const Host& to, std::uint32_t number);
  void handle_datagram(const Endpoint& from, const Bytes& datagram);
  void turn();

  [[nodiscard]] PeerSet& peers() { return *peers_; }
  [[nodiscard]] const PeerSet& peers() const { return *peers_; }
  [[nodiscard]] SealedChannel& sealed() { return *sealed_; }
  [[nodiscard]] const TestNode& node() const { return node_; }
  [[nodiscard]] const NodeId& id() const { return node_.id(); }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] bool is_up(const Host& other) const { return peers_->is_up(other.id()); }
  [[nodiscard]] Snapshot snapshot() const;
  // What send() sent: the numbers that came, in the order of arrival.
  [[nodiscard]] const std::vector<std::uint32_t>& received() const { return received_; }
  template <typename Event>
  [[nodiscard]] std::vector<Event> events() const {
    std::vector<Event> found;
    for (const PeerEvent& event : events_) {
      if (const auto* wanted = std::get_if<Event>(&event)) found.push_back(*wanted);
    }
    return found;
  }
  void forget_events() { events_.clear(); }

  // Sees every datagram that leaves; false: it does not leave.
  std::function<bool(const Endpoint& to, const Bytes& datagram)> on_send;
  // Whether what its kernel is to cut arrives anywhere.
  bool cuts = true;

 private:
  [[nodiscard]] Now now() const;

  Lab& lab_;
  const TestNode& node_;
  Endpoint endpoint_;
  HostTraits traits_;
  SeededRandom random_;
  std::unique_ptr<SealedChannel> sealed_;
  std::unique_ptr<PeerSet> peers_;
  std::uint64_t last_stamp_ = 0;
  std::optional<TimePoint> timer_at_;
  std::uint64_t generation_ = 0;
  std::vector<PeerEvent> events_;
  std::vector<std::uint32_t> received_;
};

class Lab {
 public:
  explicit Lab(std::uint64_t seed = 1) : network(seed), random_(seed), time(kTestNow), underlay(time, random_) {}

  Host& add_host(const std::string& name, HostTraits traits = {}) {
    return add_host(network.add_node(name), std::move(traits));
  }
  Host& add_host(const TestNode& node, HostTraits traits = {}) {
    const auto number = std::to_string(++hosts_made_);
    hosts_.push_back(std::make_unique<Host>(*this, node, endpoint_of("192.0.2." + number + ":7683"), random_.u64(),
                                            std::move(traits)));
    return *hosts_.back();
  }
  // Two hosts, the one with the lower node id first.
  [[nodiscard]] std::pair<Host*, Host*> add_ordered_pair() {
    Host* a = &add_host("a");
    Host* b = &add_host("b");
    if (b->id() < a->id()) std::swap(a, b);
    return {a, b};
  }
  void run(Duration duration) { time.run_for(duration); }
  [[nodiscard]] Now now() const { return time.now(); }

  TestNetwork network;

 private:
  SeededRandom random_;

 public:
  sim::VirtualTime time;
  sim::Underlay underlay;

 private:
  std::vector<std::unique_ptr<Host>> hosts_;
  int hosts_made_ = 0;
};

inline Host::Host(Lab& lab, const TestNode& node, const Endpoint& endpoint, std::uint64_t seed, HostTraits traits)
    : lab_(lab), node_(node), endpoint_(endpoint), traits_(std::move(traits)), random_(seed) {
  if (!traits_.certificate) traits_.certificate = node.certificate;
  start();
}

inline void Host::start() {
  const TrustAnchor& anchor = traits_.anchor != nullptr ? *traits_.anchor : lab_.network.anchor();
  const RingSecret ring = traits_.ring ? traits_.ring->clone() : derive_first_ring_secret(lab_.network.key());
  sealed_ = std::make_unique<SealedChannel>(traits_.sealed_as != nullptr ? *traits_.sealed_as : node_.id(), 0, ring,
                                            last_stamp_);
  peers_ = std::make_unique<PeerSet>(PeerSetConfig{1400, traits_.aeads}, anchor, *traits_.certificate, node_.seed,
                                     *sealed_, random_);
  peers_->set_own_record(traits_.record ? *traits_.record : lab_.network.node_record(node_, {endpoint_}, 1));
  move_to(endpoint_);
}

inline void Host::kill() {
  lab_.underlay.detach(endpoint_);
  if (sealed_ != nullptr) last_stamp_ = sealed_->last_stamp();
  peers_.reset();
  sealed_.reset();
  timer_at_.reset();
  ++generation_;
  events_.clear();
  received_.clear();
}

inline void Host::move_to(const Endpoint& endpoint) {
  lab_.underlay.detach(endpoint_);
  endpoint_ = endpoint;
  lab_.underlay.attach(endpoint_,
                       [this](const Endpoint& from, const Bytes& datagram) { handle_datagram(from, datagram); });
}

inline Now Host::now() const {
  return lab_.now();
}

inline bool Host::send(const Host& to, std::uint32_t number) {
  MacAddress mac{{0x02, 0x00}};
  store_be(mac.octets.data() + 2, number);
  const bool sent = peers_->send(now(), to.id(), ClaimRequestMessage{VmAddress{mac}});
  turn();
  return sent;
}

[[nodiscard]] inline bool has_cookie(const OpenedEnvelope& init) {
  const auto message = decode_init(init.body);
  return message && message->cookie;
}

inline void Host::handle_datagram(const Endpoint& from, const Bytes& datagram) {
  const bool is_sealed = !datagram.empty() && datagram[0] == static_cast<std::uint8_t>(DatagramType::Sealed);
  if (!is_sealed) {
    peers_->handle_control(now(), from, datagram);
    turn();
    return;
  }
  const Result<OpenedEnvelope> envelope = sealed_->open(now(), datagram);
  if (!envelope) return;
  const auto observe = std::exchange(on_send, nullptr);
  std::size_t answered = 0;
  on_send = [&](const Endpoint& to, const Bytes& answer) {
    if (to == from) answered += answer.size();
    return observe == nullptr || observe(to, answer);
  };
  peers_->handle_sealed(now(), from, datagram.size(), *envelope);
  turn();
  on_send = observe;
  // docs/protocol.md §3, for every test. A response proves its sender's address, and so does a cookie: the lab's
  // hosts never make one up.
  if (envelope->kind == SealedKind::HandshakeInit && !has_cookie(*envelope)) REQUIRE(answered <= 3 * datagram.size());
}

inline void Host::turn() {
  while (auto event = peers_->poll_event()) {
    if (const auto* message = std::get_if<PeerMessage>(&*event)) {
      if (const auto* request = std::get_if<ClaimRequestMessage>(&message->message)) {
        received_.push_back(load_be<std::uint32_t>(request->address.mac().octets.data() + 2));
      }
    }
    events_.push_back(std::move(*event));
  }
  while (auto datagram = peers_->poll_transmit(now())) {
    if (datagram->segment != 0 && !cuts) continue;
    for (Bytes& piece : cut(std::move(datagram->bytes), datagram->segment)) {
      if (on_send && !on_send(datagram->to, piece)) continue;
      lab_.underlay.send(endpoint_, datagram->to, std::move(piece));
    }
  }
  const std::optional<TimePoint> deadline = peers_->poll_timeout();
  if (!deadline || (timer_at_ && *timer_at_ <= *deadline)) return;
  timer_at_ = deadline;
  lab_.time.at(*deadline, [this, at = *deadline, generation = generation_] {
    if (generation != generation_ || timer_at_ != at) return;
    timer_at_.reset();
    peers_->handle_timeout(now());
    const std::optional<TimePoint> next = peers_->poll_timeout();
    REQUIRE((!next || *next > lab_.time.steady()));  // else the loop would spin
    turn();
  });
}

inline Snapshot Host::snapshot() const {
  Snapshot snapshot;
  peers_->fill(snapshot);
  return snapshot;
}

// Whether the packet path can carry data from `a` to `b`: sealed in a's current session, opened at b.
[[nodiscard]] inline bool carries_data(const Host& a, const Host& b, TimePoint now) {
  const Snapshot sending = a.snapshot();
  const Snapshot receiving = b.snapshot();
  const auto current = sending.current.find(b.id());
  if (current == sending.current.end()) return false;
  const SessionView& from = sending.sessions.at(current->second);
  const auto to = receiving.sessions.find(from.remote_index);
  if (to == receiving.sessions.end() || to->second.peer != a.id() || to->second.algorithm != from.algorithm)
    return false;
  if (now >= from.expires || now >= to->second.expires) return false;
  const std::array<std::uint8_t, 4> text{1, 2, 3, 4};
  Bytes buffer(text.size() + kAeadTagSize);
  Aead{from.algorithm, *from.seal_key}.seal(7, {}, text, buffer.data());
  return Aead{to->second.algorithm, *to->second.open_key}.open(7, {}, buffer, buffer.data());
}

// Both can send to the other, by control and by data.
[[nodiscard]] inline bool are_joined(const Lab& lab, const Host& a, const Host& b) {
  return a.is_up(b) && b.is_up(a) && carries_data(a, b, lab.time.steady()) && carries_data(b, a, lab.time.steady());
}

}  // namespace rove
