// Forwarders with snapshots made by hand, joined by sessions, for the tests of this folder.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/forward/forwarder.h"
#include "core/wire/ethernet.h"
#include "core/wire/frame_pack.h"
#include "core/wire/header.h"
#include "core/wire/shard.h"
#include "tests/support/seeded_random.h"
#include "tests/support/test_frames.h"

namespace rove {

inline constexpr TimePoint kStart{std::chrono::hours{1}};
inline constexpr std::chrono::seconds kSessionLife{180};

// One host: its packet path, the snapshot that it will get, and what came out of the last call.
struct Host {
  explicit Host(std::uint8_t number, ForwarderConfig config = {}) : forwarder(config) {
    id.octets[0] = number;
    endpoint = Endpoint{ip_of("192.0.2." + std::to_string(number)), 7683};
    publish();
  }

  void publish() { forwarder.handle_command(now, NewSnapshot{std::make_shared<const Snapshot>(snapshot)}, sent); }

  void take_frame(BytesView frame, const TapOffload& offload = {}) {
    sent.clear();
    add_frame(frame, offload);
    forwarder.flush(sent);
  }
  // One of several of a batch: flush() is left to the caller.
  void add_frame(BytesView frame, const TapOffload& offload = {}) {
    taken.assign(frame.begin(), frame.end());
    forwarder.handle_frame(now, taken, offload, sent);
  }
  // `datagram` stays with the host: delivered frames lie in it.
  void take_datagram(const Endpoint& from, BytesView datagram) {
    received.assign(datagram.begin(), datagram.end());
    delivered.clear();
    relayed.clear();
    forwarder.handle_datagram(now, from, received, delivered, relayed);
  }
  void take_datagram_of(const Host& host) { take_datagram(host.endpoint, host.sent.slots()[0].bytes()); }

  [[nodiscard]] std::uint64_t drops(DropReason reason) const {
    return forwarder.counters().drops[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] std::uint64_t all_drops() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : forwarder.counters().drops) sum += count;
    return sum;
  }
  [[nodiscard]] std::vector<WorkerEvent> take_events() {
    std::vector<WorkerEvent> events;
    while (std::optional<WorkerEvent> event = forwarder.poll_event()) events.push_back(*std::move(event));
    return events;
  }
  template <typename Event>
  [[nodiscard]] std::vector<Event> take_events_of() {
    std::vector<Event> wanted;
    for (WorkerEvent& event : take_events()) {
      if (Event* match = std::get_if<Event>(&event)) wanted.push_back(std::move(*match));
    }
    return wanted;
  }

  NodeId id;
  Endpoint endpoint;
  TimePoint now = kStart;
  Snapshot snapshot;
  Forwarder forwarder;
  DatagramBatch sent{kSegmentsMax};
  FrameBatch delivered{kPackedFramesMax};
  DatagramBatch relayed{kPackedFramesMax};
  Bytes taken;
  Bytes received;
};

// Another MAC of the same shard.
inline MacAddress beside(MacAddress mac) {
  mac.octets[2] ^= 0x40;
  return mac;
}

// The two views of one session, the first's and the second's.
struct SessionPair {
  SessionView first;
  SessionView second;
};

// Makes sessions with serials and indices of its own.
class SessionMaker {
 public:
  [[nodiscard]] SessionPair make(const Host& first, const Host& second,
                                 AeadAlgorithm algorithm = AeadAlgorithm::ChaCha20Poly1305) {
    const auto forth = std::make_shared<const AeadKey>(AeadKey::generate(random_));
    const auto back = std::make_shared<const AeadKey>(AeadKey::generate(random_));
    ++last_;
    SessionPair pair;
    pair.first = {.serial = last_,
                  .peer = second.id,
                  .local_index = {0x10000 + last_},
                  .remote_index = {0x20000 + last_},
                  .algorithm = algorithm,
                  .seal_key = forth,
                  .open_key = back,
                  .endpoint = second.endpoint,
                  .expires = kStart + kSessionLife};
    pair.second = pair.first;
    pair.second.peer = first.id;
    std::swap(pair.second.local_index, pair.second.remote_index);
    std::swap(pair.second.seal_key, pair.second.open_key);
    pair.second.endpoint = first.endpoint;
    return pair;
  }

  // Makes a session, puts it into both snapshots as the current one and publishes them.
  SessionPair connect(Host& first, Host& second, AeadAlgorithm algorithm = AeadAlgorithm::ChaCha20Poly1305) {
    const SessionPair pair = make(first, second, algorithm);
    put(first, pair.first);
    put(second, pair.second);
    return pair;
  }

  static void put(Host& host, const SessionView& view) {
    host.snapshot.sessions[view.local_index] = view;
    host.snapshot.current[view.peer] = view.local_index;
    host.publish();
  }

 private:
  SeededRandom random_{42};
  std::uint32_t last_ = 0;
};

[[nodiscard]] inline VmView local_vm(std::vector<IpAddress> ips) {
  return {.place = VmView::Place::Local, .owner = {}, .ips = std::move(ips)};
}
[[nodiscard]] inline VmView remote_vm(const Host& owner, std::vector<IpAddress> ips) {
  return {.place = VmView::Place::Remote, .owner = owner.id, .ips = std::move(ips)};
}

// Two hosts with a session and a VM each, that know of each other.
struct Pair {
  explicit Pair(AeadAlgorithm algorithm = AeadAlgorithm::ChaCha20Poly1305, ForwarderConfig config_of_a = {},
                ForwarderConfig config_of_b = {})
      : a(1, config_of_a), b(2, config_of_b) {
    a.snapshot.vms[vm_a] = local_vm({ip_a, ip6_a});
    a.snapshot.vms[vm_b] = remote_vm(b, {ip_b, ip6_b});
    b.snapshot.vms[vm_b] = local_vm({ip_b, ip6_b});
    b.snapshot.vms[vm_a] = remote_vm(a, {ip_a, ip6_a});
    session = maker.connect(a, b, algorithm);
  }

  // From a's VM to b's.
  [[nodiscard]] Bytes frame(std::string_view text = "hello") const {
    return ipv4_frame(vm_b, vm_a, ip_a, ip_b, as_bytes(text));
  }
  [[nodiscard]] Bytes sealed(BytesView frame) {
    a.take_frame(frame);
    const BytesView datagram = a.sent.slots()[0].bytes();
    return {datagram.begin(), datagram.end()};
  }
  // Any plaintext and flags, sealed as a would, on a lane that a's forwarder does not use.
  [[nodiscard]] Bytes forged(std::uint8_t flags, BytesView plaintext, PacketCounter counter) const {
    Bytes datagram(plaintext.size() + kDataOverhead);
    store_header(datagram.data(), {.flags = flags, .receiver = session.first.remote_index, .counter = counter});
    Aead aead{session.first.algorithm, *session.first.seal_key};
    aead.seal(counter.value(), BytesView{datagram}.first(kHeaderSize), plaintext, datagram.data() + kHeaderSize);
    return datagram;
  }
  [[nodiscard]] Bytes forged(std::uint8_t flags, BytesView plaintext) {
    return forged(flags, plaintext, {.lane = other_lane(shard_in(flags, plaintext), 24), .count = forged_++});
  }
  // Another lane of the same shard; the 0th is the one that forwarders use.
  [[nodiscard]] static std::uint8_t other_lane(unsigned shard, unsigned number) {
    return static_cast<std::uint8_t>(lane_of(shard) + number * kShards);
  }
  [[nodiscard]] static unsigned shard_in(std::uint8_t flags, BytesView plaintext) {
    if ((flags & kFlagPacked) != 0) plaintext = plaintext.subspan(std::min(plaintext.size(), kPackedFrameOverhead));
    if (plaintext.size() < kEthernetHeaderSize) return 0;
    return (flags & kFlagMarker) != 0 ? shard_of_octets(plaintext[4], plaintext[5], plaintext[6])
                                      : shard_of_frame(plaintext);
  }

  const MacAddress vm_a = mac_of("02:00:5e:10:00:0a");
  const MacAddress vm_b = mac_of("02:00:5e:10:00:0b");
  const IpAddress ip_a = ip_of("10.77.0.10");
  const IpAddress ip_b = ip_of("10.77.0.11");
  const IpAddress ip6_a = ip_of("fd00::a");
  const IpAddress ip6_b = ip_of("fd00::b");
  SessionMaker maker;
  Host a;
  Host b;
  SessionPair session;
  const unsigned shard = shard_of(vm_b);  // of frames from a to b
  std::uint64_t forged_ = 0;
};

}  // namespace rove
