// The TAP device in the VMs' bridge.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/random.h"
#include "tap/file_descriptor.h"

namespace rove {

// One queue of a TAP device, opened with the virtio-net header (10 octets) in front of each frame.
// Non-blocking. Offloads are off: the kernel gives whole frames with complete checksums.
class TapQueue {
 public:
  explicit TapQueue(FileDescriptor fd) : fd_(std::move(fd)) {}

  // The next frame into `buffer` (kFrameSizeMax octets at least); 0 when there is none now.
  // Throws std::system_error when the device is gone.
  [[nodiscard]] std::size_t read(MutableBytes buffer);
  // False when the kernel does not take it (device down, frame refused): counted by the caller.
  // `needs_checksum`: the frame's TCP or UDP checksum is that of the pseudo-header only; who delivers completes it.
  [[nodiscard]] bool write(BytesView frame, bool needs_checksum = false);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
};

struct TapOptions {
  std::string name = "rove0";
  std::size_t mtu = 1400;
  std::string bridge;  // attach to this bridge (created when it does not exist); empty: none
};

// The open device. Created at start, gone when it is destroyed (together with its queue). A bridge that was created
// stays: VMs may be in it.
struct TapDevice {
  TapQueue queue;
  unsigned ifindex = 0;
  MacAddress mac;
  // What VMs are asked from. Not `mac`: a bridge hands frames for a port's own address to the host's IP stack, and not
  // out of the port; for any other it learns from the question that it is behind the TAP.
  MacAddress probe_mac;
  unsigned bridge_ifindex = 0;  // 0: none
  MacAddress bridge_mac;
  bool bridge_created = false;
};

// Largest MTU of a TAP: its frames, with a VLAN tag, still fit kFrameSizeMax. Smallest: what IPv6 demands.
inline constexpr std::size_t kTapMtuMin = 1280;
inline constexpr std::size_t kTapMtuMax = 9000;

// Throws std::system_error or std::runtime_error whose message names the attempt, the object, the error and what to
// do ("open /dev/net/tun: Permission denied: run as root or give CAP_NET_ADMIN").
[[nodiscard]] TapDevice open_tap(const TapOptions& options, Random& random);
[[nodiscard]] TapDevice open_tap(const TapOptions& options);

}  // namespace rove
