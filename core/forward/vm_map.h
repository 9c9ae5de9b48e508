// The VMs of a snapshot: a map whose copies share what did not change.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/time.h"

namespace rove {

// hash_bytes() of frames.
using FrameHashes = std::unordered_set<std::uint64_t>;

// A VM as the packet path sees it.
struct VmView {
  enum class Place : std::uint8_t { Local, Remote };
  Place place = Place::Local;
  NodeId owner{};                // Remote: who hosts it
  std::vector<IpAddress> ips{};  // of its current claim: what it may send from
  bool muted = false;            // Remote: another of the same MAC is here, and sends nothing
  bool expected = false;         // Remote: it is about to come here (`rove prepare`)
  bool sourceless = false;       // any source IP may be used (a router)
  // Who had it before us, and until when that node may forward to us. Also of a VM that moved on since: what comes
  // from its owner before us goes on to its owner after us.
  NodeId previous_owner{};
  TimePoint takeover_until{};
  // Remote: it was here until lately; frames from peers that still think so are forwarded until then.
  TimePoint forward_until{};
  // It moved just now: frames for it may have to wait for older ones (HoldTable). `until` when nothing is heard of
  // those, `until_max` at the latest.
  struct Hold {
    std::uint64_t id = 0;  // of this move; 0: none
    TimePoint until{};
    TimePoint until_max{};
    // Local: its hypervisor has left its port. Everything is held; if it does not turn up elsewhere, it was for it
    // here.
    bool unplugged = false;
  };
  Hold hold{};
  // Local or expected: its port in this host's bridge, by interface index; 0: not known.
  unsigned port = 0;
  // … and the bridge has been told to send to the TAP whatever this host's other VMs send to it, so that nothing can
  // overtake what waits for it: then all frames for it are written to `port`. After that, frames of other VMs here that
  // come by the TAP until `home_until` have not been to its port.
  bool detoured = false;
  TimePoint home_until{};
  // Local, and back from a host that it did not stay at: what was handed over there, and is still queued here. That
  // host may send it back.
  std::shared_ptr<const FrameHashes> handed_over{};
};

// Cut into shards, each immutable as soon as a copy of the map shares it: a copy costs some hundred reference counts,
// a change after it one shard, however many VMs there are. A map may be read on one thread while another changes the
// map that it was copied from. One thread changes, or copies from, any one map.
class VmMap {
 public:
  VmMap() = default;
  VmMap(const VmMap& other) : shards_(other.shards_), size_(other.size_) { other.own_.reset(); }
  VmMap& operator=(const VmMap& other) {
    shards_ = other.shards_;
    size_ = other.size_;
    own_.reset();
    other.own_.reset();
    return *this;
  }
  ~VmMap() = default;

  // Borrowed until the map is changed.
  [[nodiscard]] const VmView* find(const MacAddress& mac) const;
  [[nodiscard]] std::size_t size() const { return size_; }

  // Inserts a default VmView where there is none. Borrowed until the map is copied or changed again.
  VmView& operator[](const MacAddress& mac);
  void erase(const MacAddress& mac);
  void clear() { *this = VmMap{}; }

 private:
  static constexpr std::size_t kShards = 256;  // four VMs a shard with 1,000, sixteen with 4,096
  using Shard = std::unordered_map<MacAddress, VmView>;

  // By other bits than the shard's own table.
  [[nodiscard]] static std::size_t shard_of(const MacAddress& mac) { return std::hash<MacAddress>{}(mac) >> 56; }
  [[nodiscard]] Shard& own_shard(std::size_t index);

  std::array<std::shared_ptr<const Shard>, kShards> shards_{};
  // Shards that only this map holds. A reference count would tell too, but reading it orders nothing between threads.
  mutable std::bitset<kShards> own_{};
  std::size_t size_ = 0;
};

}  // namespace rove
