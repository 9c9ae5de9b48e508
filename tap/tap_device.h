// The TAP device in the VMs' bridge.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/forward/forwarder.h"
#include "core/forward/frame_batch.h"
#include "tap/file_descriptor.h"

namespace rove {

// What the kernel leaves to us, and takes from us, besides whole frames with complete checksums.
struct TapOffloads {
  bool checksum = false;  // TCP and UDP checksums are partial; all others depend on it
  bool tcp = false;       // superframes of TCP (TSO)
  bool udp = false;       // of UDP (USO, since Linux 6.2)
  bool operator==(const TapOffloads&) const = default;
};

// One queue of a TAP device, opened with the virtio-net header (10 octets) in front of each frame. Non-blocking.
class TapQueue {
 public:
  explicit TapQueue(FileDescriptor fd, const TapOffloads& offloads = {}) : fd_(std::move(fd)), offloads_(offloads) {}

  struct Frame {
    std::size_t size = 0;  // 0: there is none now
    TapOffload offload;
  };
  // The next frame into `buffer` (kSuperframeSizeMax octets). Throws std::system_error when the device is gone.
  [[nodiscard]] Frame read(MutableBytes buffer);
  // False when the kernel does not take it (device down, frame refused): counted by the caller.
  // `needs_checksum`: the frame's TCP or UDP checksum is that of the pseudo-header only; who delivers completes it.
  [[nodiscard]] bool write(BytesView frame, bool needs_checksum = false);
  [[nodiscard]] bool write_superframe(const FrameBatch::Entry& superframe);
  [[nodiscard]] const TapOffloads& offloads() const { return offloads_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
  TapOffloads offloads_;
};

struct TapOptions {
  std::string name = "rove0";
  std::size_t mtu = 1400;
  std::string bridge;  // attach to this bridge (created when it does not exist); empty: none
  // Those of them that the kernel has; what it has not is left out, which TapQueue::offloads() tells.
  TapOffloads offloads{};
  // One for each worker, with frames steered by shard (tap/steering.h), 1 to kShards.
  unsigned queues = 1;
};

// The open device. Created at start, gone when it is destroyed (together with its queue). A bridge that was created
// stays: VMs may be in it.
struct TapDevice {
  TapQueue queue;
  std::vector<TapQueue> more_queues{};  // with more than one worker: the second's and so on
  unsigned ifindex = 0;
  MacAddress mac{};
  // What VMs are asked from. Not `mac`: a bridge hands frames for a port's own address to the host's IP stack, and not
  // out of the port; for any other it learns from the question that it is behind the TAP.
  MacAddress probe_mac{};
  unsigned bridge_ifindex = 0;  // 0: none
  MacAddress bridge_mac{};
  bool bridge_created = false;
  std::string queues_problem{};  // why there is one queue although more were wanted; empty: there are as many as wanted
};

// Largest MTU of a TAP: its frames, with a VLAN tag, still fit kFrameSizeMax. Smallest: what IPv6 demands.
inline constexpr std::size_t kTapMtuMin = 1280;
inline constexpr std::size_t kTapMtuMax = 9000;

// Throws std::system_error or std::runtime_error whose message names the attempt, the object, the error and what to
// do ("open /dev/net/tun: Permission denied: run as root or give CAP_NET_ADMIN").
[[nodiscard]] TapDevice open_tap(const TapOptions& options, Random& random);
[[nodiscard]] TapDevice open_tap(const TapOptions& options);

}  // namespace rove
