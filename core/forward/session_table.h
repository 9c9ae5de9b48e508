// The sessions of one worker: keys set up, its lanes' counters, replay windows, throttles. Fed by snapshots.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/crypto/aead.h"
#include "core/forward/counters.h"
#include "core/forward/lane_counter.h"
#include "core/forward/peer_traffic.h"
#include "core/forward/silence.h"
#include "core/forward/snapshot.h"
#include "core/forward/throttle.h"
#include "core/wire/header.h"
#include "core/wire/replay_window.h"
#include "core/wire/shard.h"

namespace rove {

// Replay windows of a session, 1 KiB each. Datagrams of further lanes are dropped (bad_lane).
inline constexpr std::size_t kLanesPerSessionMax = 16;

// What a peer may cost the control thread, and whether it answers, over all its sessions.
class PeerBudget {
 public:
  // Frames with an unproven source, per period: as many as the control thread holds for one question
  // (docs/protocol.md §2). Further ones count as spoofed.
  static constexpr unsigned kUnprovenMax = 64;
  static constexpr std::chrono::milliseconds kPeriod{100};
  // What is told of a VM once within a period, and of how many VMs: a peer sends to, or moves, at most a few within it.
  // Each by itself: a move has several of them within a round trip, and the next step waits for each.
  enum class Notice : std::uint8_t { Misdirected, EarlySwitch, AdvanceKept, AdvanceOff };
  static constexpr std::size_t kNotices = 4;
  static constexpr std::size_t kNoticeVmsMax = 256;

  [[nodiscard]] bool take_unproven(TimePoint now);
  [[nodiscard]] bool admit(TimePoint now, Notice notice, const MacAddress& vm) {
    return notices_[static_cast<std::size_t>(notice)].admit(now, vm);
  }
  [[nodiscard]] Silence& silence() { return silence_; }

 private:
  TimePoint period_end_ = TimePoint::min();
  unsigned unproven_ = 0;
  std::array<Throttle<MacAddress>, kNotices> notices_{
      {{kPeriod, kNoticeVmsMax}, {kPeriod, kNoticeVmsMax}, {kPeriod, kNoticeVmsMax}, {kPeriod, kNoticeVmsMax}}};
  Silence silence_;
};

// One session as one worker uses it. Counter and replay windows live as long as its serial is in the snapshots.
class WorkerSession {
 public:
  // SessionHeard goes out so often while the address stays, and at most so often when it changes with every datagram.
  static constexpr std::chrono::seconds kHeardPeriod{1};
  static constexpr std::chrono::milliseconds kHeardChangePeriod{10};

  // `worker`: whose it is, by number.
  WorkerSession(const SessionView& view, unsigned worker, PeerBudget& budget);

  // A later snapshot's view of the same serial: the addresses may have changed.
  void handle_view(const SessionView& view);

  [[nodiscard]] const NodeId& peer() const { return peer_; }
  [[nodiscard]] SessionIndex local_index() const { return local_index_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  // Whether what the kernel cuts arrives there.
  [[nodiscard]] bool takes_segments() const { return takes_segments_; }
  [[nodiscard]] TimePoint expires() const { return expires_; }
  [[nodiscard]] bool is_expired(TimePoint now) const { return now >= expires_; }
  [[nodiscard]] PeerBudget& budget() { return budget_; }
  [[nodiscard]] PeerTrafficMeter& traffic() { return meter_; }
  [[nodiscard]] Heard& heard() { return traffic_->heard(); }

  // Writes header, ciphertext and tag, plaintext.size() + kDataOverhead octets; `plaintext` may lie at to +
  // kHeaderSize. `shard`: what the plaintext is of, one of this worker's. False when its lane is used up.
  [[nodiscard]] bool seal(unsigned shard, std::uint8_t flags, std::uint8_t index, BytesView plaintext,
                          std::uint8_t* to);
  // This shard's lane nears its end, and that was not reported yet.
  [[nodiscard]] bool is_worn(unsigned shard) const { return sent_.at(shard).is_worn(); }
  void set_worn_reported(unsigned shard) { sent_.at(shard).set_worn_reported(); }

  struct Opened {
    MutableBytes plaintext;  // lies at `to`
    std::optional<DropReason> drop;
  };
  // Opens to `to`, which may be where the ciphertext lies: BadLane, Replayed or Undecryptable, or the plaintext.
  // Allocates on a lane's first datagram.
  [[nodiscard]] Opened open(const Header& header, BytesView datagram, std::uint8_t* to);

  // Whether the control thread should hear that valid data came from there.
  [[nodiscard]] bool take_heard(TimePoint now, const Endpoint& from);

 private:
  struct Lane {
    std::uint8_t number;
    ReplayWindow window;
  };
  [[nodiscard]] Lane* find_lane(std::uint8_t number);

  NodeId peer_;
  SessionIndex local_index_;
  SessionIndex remote_index_;
  Endpoint endpoint_;
  bool takes_segments_;
  TimePoint expires_;
  PeerBudget& budget_;
  std::shared_ptr<PeerTraffic> traffic_;
  PeerTrafficMeter& meter_;  // the worker's of it

  Aead sealing_;
  Aead opening_;
  std::array<LaneCounter, kShards> sent_{};  // of the worker's own shards
  std::vector<Lane> lanes_;

  std::optional<Endpoint> heard_from_;
  TimePoint heard_at_{};
};

// One worker thread. Bounded by the snapshots' sessions. A serial that leaves the snapshots may not come back while
// its keys are valid: its counter would start again, and repeat nonces. That would be a bug of the control thread
// and is ROVE_CHECKed.
class SessionTable {
 public:
  explicit SessionTable(unsigned worker) : worker_(worker) {}

  // Takes over the sessions of `snapshot`: sets up new ones, keeps those that it has, drops the others.
  void handle_snapshot(TimePoint now, const Snapshot& snapshot);

  [[nodiscard]] WorkerSession* find(SessionIndex local_index) const;
  // The session to seal with; nullptr when there is none or it is expired.
  [[nodiscard]] WorkerSession* find_current(TimePoint now, const NodeId& peer) const;

 private:
  WorkerSession& adopt(const SessionView& view);

  unsigned worker_;
  std::unordered_map<NodeId, std::unique_ptr<PeerBudget>> budgets_;
  std::unordered_map<std::uint64_t, std::unique_ptr<WorkerSession>> sessions_;  // by serial
  std::unordered_map<SessionIndex, WorkerSession*> by_index_;
  std::unordered_map<NodeId, WorkerSession*> current_;
  // The last one that was found: datagrams come in runs.
  mutable SessionIndex found_index_{};
  mutable WorkerSession* found_ = nullptr;
  std::map<std::uint64_t, TimePoint> retired_;  // serials that left before they expired, with their expiry
};

}  // namespace rove
