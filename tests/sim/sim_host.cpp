#include "tests/sim/sim_host.h"

#include <algorithm>
#include <utility>

#include "core/base/counter_numbers.h"
#include "core/wire/frame_pack.h"
#include "core/wire/header.h"

namespace rove::sim {
namespace {

constexpr std::size_t kBatch = 256;
// From the bridge's word that a VM's port is gone to the port's own.
constexpr std::chrono::microseconds kCloseLatency{200};

MacAddress tap_mac_of(const Endpoint& endpoint) {
  MacAddress mac{{0x06, 0x00, 0, 0, 0, 0}};
  std::copy(endpoint.address.bytes().begin(), endpoint.address.bytes().begin() + 4, mac.octets.begin() + 2);
  return mac;
}

NodeIdentity make_identity(const TestNetwork& network, const TestNode& node) {
  return {network.anchor(), node.certificate, node.seed.clone(), network.key().clone()};
}

}  // namespace

SimHost::SimHost(VirtualTime& time, Underlay& underlay, const TestNetwork& network, const TestNode& identity,
                 const Endpoint& endpoint, std::uint64_t seed, LocationFactory make_location)
    : time_(time),
      underlay_(underlay),
      network_(network),
      identity_(identity),
      endpoint_(endpoint),
      random_(seed),
      make_location_(std::move(make_location)),
      bridge_(time,
              [this](const MacAddress& mac, Bridge::Port port, bool gone) {
                if (!gone && port != tap_port_) ports_[mac] = port;
                if (node_ == nullptr) return;
                node_->note_port(mac, gone || port == tap_port_ ? 0 : port);
                node_->handle_bridge_event(now(), {mac, port == tap_port_, gone});
                turn();
                if (gone && port != tap_port_) note_closed(mac, port);
              }),
      workers_(1 + static_cast<unsigned>(seed % 3)),
      snapshot_(std::make_shared<const Snapshot>()),
      sending_(kBatch),
      writing_(kBatch) {}

SimHost::~SimHost() {
  kill();
}

void SimHost::start() {
  NodeConfig config;
  config.subnets = network_.subnets();
  config.endpoints = {endpoint_};
  config.tap_mac = tap_mac_of(endpoint_);
  bridge_.set_own(config.tap_mac);
  config.probe_mac = config.tap_mac;
  config.probe_mac.octets[1] = 0x01;
  // What a daemon saves: its highest stamp, here the last one exactly.
  config.first_stamp = last_stamp_;
  config.replays_frames = true;
  config.aeads = static_cast<std::uint8_t>(AeadAlgorithm::ChaCha20Poly1305);
  tap_port_ = bridge_.add_port([this](const Bytes& frame) { handle_tap_frame(frame); });
  location_ = make_location_(*this);
  node_ = std::make_unique<Node>(std::move(config), make_identity(network_, identity_), location_->service(), random_);
  const auto heard_vms = std::make_shared<HeardVms>();
  for (unsigned i = 0; i < workers_; ++i) {
    forwarders_.push_back(std::make_unique<Forwarder>(ForwarderConfig{.worker = i, .heard_vms = heard_vms}));
  }
  underlay_.attach(endpoint_, [this](const Endpoint& from, const Bytes& datagram) { handle_datagram(from, datagram); });
  node_->handle_start(now());
  // A daemon reads its bridge's entries first.
  std::map<MacAddress, bool> entries;
  bridge_.for_each_entry([&](const MacAddress& mac, Bridge::Port port) { entries[mac] = port == tap_port_; });
  for (const auto& [mac, on_tap] : entries) {
    node_->note_port(mac, on_tap ? 0 : ports_[mac]);
    node_->handle_bridge_event(now(), {mac, on_tap, false});
  }
  turn();
}

void SimHost::kill() {
  if (node_ == nullptr) return;
  last_stamp_ = node_->status().last_stamp;
  streams_.clear();
  underlay_.detach(endpoint_);
  node_.reset();
  location_.reset();
  forwarders_.clear();
  snapshot_ = std::make_shared<const Snapshot>();
  lookups_.clear();
  pings_.clear();
  timer_at_.reset();
  ++timer_generation_;
  bridge_.remove_port(tap_port_);  // the device goes with its daemon, and its entries with the device
}

void SimHost::say_goodbye() {
  node_->shut_down(now());
  turn();
}

void SimHost::shut_down() {
  say_goodbye();
  kill();
}

Result<PreparedVm> SimHost::prepare(const MacAddress& mac, Bridge::Port port) {
  auto prepared = node_->prepare(now(), mac, port);
  turn();
  return prepared;
}

Result<void> SimHost::undo_prepare(const MacAddress& mac) {
  auto released = node_->release(now(), mac);
  turn();
  return released;
}

void SimHost::note_stopped(const MacAddress& mac) {
  node_->handle_stopped(now(), mac, true);
  turn();
}

void SimHost::note_running(const MacAddress& mac) {
  if (streams_.erase(mac) > 0) node_->handle_captured_ahead(now(), mac, {}, AheadState::Resumed);
  turn();
}

void SimHost::note_closed(const MacAddress& mac, Bridge::Port port) {
  time_.after(kCloseLatency, [this, mac, port] {
    if (node_ == nullptr || ports_[mac] != port) return;
    node_->handle_port_closed(now(), mac);
    turn();
  });
}

void SimHost::lookup(const VmAddress& address, bool refresh, LookupCallback callback) {
  lookups_.emplace_back(node_->start_lookup(now(), address, refresh), std::move(callback));
  turn();
}

void SimHost::ping(const NodeId& node, Duration patience, PingCallback callback) {
  pings_.emplace(node_->start_ping(now(), node, patience), std::move(callback));
  turn();
}

void SimHost::handle_location_ready() {
  if (node_ != nullptr) turn();
}

ForwarderCounters SimHost::packet_counters() const {
  ForwarderCounters sum;
  for (const auto& forwarder : forwarders_) add_counters(sum, forwarder->counters());
  return sum;
}

void SimHost::handle_datagram(const Endpoint& from, const Bytes& datagram) {
  if (node_ == nullptr) return;
  Bytes copy = datagram;
  in_turn_ = true;  // the frames that it carries may move entries of the bridge, which tells of it at once
  Forwarder& forwarder = forwarder_of(shard_of_datagram(copy).value_or(0));
  forwarder.handle_datagram(time_.steady(), from, copy, writing_, sending_);
  flush();
  release_from(forwarder);
  in_turn_ = false;
  turn();
}

void SimHost::handle_tap_frame(const Bytes& frame) {
  if (node_ == nullptr) return;
  Bytes copy = frame;
  Forwarder& forwarder = forwarder_of(shard_of_frame(copy));
  forwarder.handle_frame(time_.steady(), copy, {}, sending_);
  flush();
  release_from(forwarder);
  turn();
}

void SimHost::flush() {
  for (const FrameBatch::Entry& entry : writing_.frames()) {
    write({entry.frame.begin(), entry.frame.end()}, entry.port);
  }
  writing_.clear();
  for (const DatagramBatch::Slot& slot : sending_.slots()) {
    const BytesView bytes = slot.bytes();
    underlay_.send(endpoint_, slot.to, Bytes{bytes.begin(), bytes.end()});
  }
  sending_.clear();
}

void SimHost::release() {
  for (const auto& forwarder : forwarders_) release_from(*forwarder);
}

void SimHost::release_from(Forwarder& forwarder) {
  while (forwarder.has_released(time_.steady())) {
    auto frame = forwarder.release(time_.steady(), sending_);
    if (frame) write(std::move(frame->frame), frame->port);
    flush();
  }
}

void SimHost::write(Bytes frame, unsigned port) {
  if (port == 0) {
    bridge_.input(tap_port_, frame);
  } else {
    bridge_.write_port(port, frame);
  }
}

void SimHost::turn() {
  if (in_turn_) return;  // a bridge event of our own frame: the turn under way carries its outputs
  in_turn_ = true;
  while (turn_once()) {
  }
  in_turn_ = false;
  arm();
}

std::vector<PortFrame> SimHost::unread_after(const MacAddress& vm, std::size_t told) {
  std::vector<PortFrame> frames;
  std::size_t number = 0;
  for (const Bytes& frame : bridge_.unread(ports_[vm])) {
    if (MacAddress::from_bytes(frame.data()) == vm && number++ >= told) frames.push_back({frame, false});
  }
  return frames;
}

bool SimHost::turn_once() {
  bool moved = false;
  release();
  for (const auto& forwarder : forwarders_) {
    while (auto event = forwarder->poll_event()) {
      node_->handle_worker_event(now(), std::move(*event));
      moved = true;
    }
  }
  while (auto datagram = node_->poll_dht_datagram()) {
    location_->handle_datagram(now(), *datagram);
    moved = true;
  }
  location_->run(now());
  while (auto datagram = location_->poll_transmit()) {
    node_->handle_dht_transmit(now(), *datagram);
    moved = true;
  }
  node_->handle_location(now());
  while (auto datagram = node_->poll_transmit(now())) {
    for (Bytes& piece : cut(std::move(datagram->bytes), datagram->segment))
      underlay_.send(endpoint_, datagram->to, std::move(piece));
    moved = true;
  }
  while (const auto entry = node_->poll_bridge_entry()) {
    moved = true;
    bridge_.set_entry(entry->mac, entry->port == 0 ? tap_port_ : entry->port, entry->held);
  }
  while (auto command = node_->poll_command()) {
    moved = true;
    if (auto* write = std::get_if<WriteFrame>(&*command)) {
      this->write(write->frame, forwarder_of(shard_of(*command)).port_for(write->frame));
      continue;
    }
    const auto* fresh = std::get_if<NewSnapshot>(&*command);
    if (fresh == nullptr) {
      forwarder_of(shard_of(*command)).handle_command(time_.steady(), std::move(*command), sending_);
    } else {
      snapshot_ = fresh->snapshot;
      for (const auto& forwarder : forwarders_) forwarder->handle_command(time_.steady(), *fresh, sending_);
    }
    flush();
    release();
  }
  while (const auto request = node_->poll_advance_request()) {
    moved = true;
    if (!request->start) {
      streams_.erase(request->vm);
    } else if (!streams_.try_emplace(request->vm, 0U).second) {
      // What is still on its way through the bridge has gone to the port by then.
      time_.after(std::chrono::microseconds{50}, [this, vm = request->vm] {
        if (node_ == nullptr) return;
        turn();
        node_->handle_captured_ahead(now(), vm, {}, AheadState::UpToDate);
        turn();
      });
    }
  }
  while (const auto request = node_->poll_capture_request()) {
    moved = true;
    const auto stream = streams_.extract(request->vm);
    const std::size_t told = request->whole || stream.empty() ? 0 : stream.mapped();
    node_->handle_captured(now(), request->vm, unread_after(request->vm, told), 0);
  }
  for (auto& [vm, told] : streams_) {
    std::vector<PortFrame> frames = unread_after(vm, told);
    if (frames.empty()) continue;
    moved = true;
    told += frames.size();
    node_->handle_captured_ahead(now(), vm, std::move(frames), AheadState::More);
  }
  while (auto result = node_->poll_lookup()) {
    moved = true;
    const auto it = std::find_if(lookups_.begin(), lookups_.end(),
                                 [&result](const auto& entry) { return entry.first == result->ticket; });
    if (it == lookups_.end()) continue;  // asked by the test through node() itself
    const LookupCallback callback = std::move(it->second);
    lookups_.erase(it);
    callback(*result);
  }
  while (auto result = node_->poll_ping()) {
    moved = true;
    const auto waiting = pings_.extract(result->ticket);
    if (!waiting.empty()) waiting.mapped()(*result);
  }
  while (auto event = node_->poll_event()) events_.push_back(std::move(*event));
  return moved;
}

void SimHost::arm() {
  std::optional<TimePoint> next = node_->poll_timeout();
  if (const auto location = location_->poll_timeout(); location && (!next || *location < *next)) next = location;
  for (const auto& forwarder : forwarders_) {
    if (const auto held = forwarder->poll_timeout(); held && (!next || *held < *next)) next = held;
  }
  if (!next) return;
  // A deadline that has passed already must not stop the clock.
  const TimePoint at = std::max(*next, time_.steady() + std::chrono::microseconds{1});
  if (timer_at_ && *timer_at_ <= at) return;
  timer_at_ = at;
  time_.at(at, [this, generation = ++timer_generation_] {
    if (generation != timer_generation_ || node_ == nullptr) return;
    timer_at_.reset();
    node_->handle_timeout(now());
    turn();
  });
}

}  // namespace rove::sim
