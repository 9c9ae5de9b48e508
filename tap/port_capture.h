// Keeps what goes to the VMs of this host, so that a VM that moves leaves nothing unread behind: one thread that
// follows the VMs' ports.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/replay/port_ring.h"

namespace rove {

// Ports that are followed at the same time, a socket each; VMs behind further ones move as without replay.
inline constexpr std::size_t kCapturedPortsMax = 1024;

// What a VM's hypervisor has not read.
struct CapturedFrames {
  MacAddress vm;
  std::vector<PortFrame> frames;  // oldest first
  std::uint64_t missing = 0;      // more of them that are no longer known
  bool ahead = false;             // of a stream(), which goes on
  AheadState state = AheadState::More;
};

struct PortCaptureCounters {
  std::uint64_t ports = 0;  // followed now
  std::uint64_t ports_refused = 0;
  std::uint64_t transits = 0;  // VMs now whose frames are watched on their way through the bridge
  std::uint64_t frames_seen = 0;
  std::uint64_t frames_lost = 0;         // the capture did not keep up
  std::uint64_t frames_found = 0;        // the kernel dropped them at a port that was being closed; handed on
  std::uint64_t stops = 0;               // of VMs whose hypervisor told how many frames it delivered
  std::uint64_t stops_used = 0;          // … and these settled what was handed on
  std::uint64_t frames_streamed = 0;     // told ahead
  std::uint64_t frames_undelivered = 0;  // read, but not given to the guest, by what these told; handed on
  std::uint64_t messages_lost = 0;       // a mailbox was full
};

// All methods: control thread. The work is done on a thread of its own, which blocks all signals.
class PortCapture {
 public:
  // AtLeastOnce: rather a frame twice than not at all.
  enum class Mode : std::uint8_t { Exact, AtLeastOnce };

  // `wake` is called from the thread when poll_captured() or poll_closed() has something new; thread-safe, and does not
  // block or throw. Throws std::system_error without CAP_NET_RAW.
  // rove's TAP in the VMs' bridge: what comes out there is taken care of. What it asks VMs itself is for no new host.
  struct OwnPort {
    unsigned ifindex = 0;
    MacAddress probe_mac;
  };

  PortCapture(Mode mode, const OwnPort& own_port, std::function<void()> wake);
  ~PortCapture();
  PortCapture(const PortCapture&) = delete;
  PortCapture& operator=(const PortCapture&) = delete;

  // The bridge says that the MAC is behind this port, or it is to come there (`expected`). Ports that are no TAP
  // devices are left alone.
  void follow(const MacAddress& vm, unsigned ifindex, bool expected = false);
  // The bridge forgot it, and it is not coming back here.
  void forget(const MacAddress& vm);
  // The VM's hypervisor has stopped it, and had given it the frames up to this one, as its port counts them; nullopt:
  // that follows in a moment, for which a request waits. Whatever was read since is to be handed on.
  void note_stop(const MacAddress& vm, std::optional<std::uint64_t> delivered);
  // After note_stop() with a number: tells at once, and then frame by frame, what its hypervisor will not read; nothing
  // when the number says nothing. Started again, it tells when it is up to date. Ends with `start` false or a request.
  void stream(const MacAddress& vm, bool start);
  // Wants what the VM's hypervisor has not read; poll_captured() brings it, with no frames when its port is not known.
  // Unless `whole`, what a stream has told is left out.
  void request(const MacAddress& vm, bool whole = true);

  [[nodiscard]] std::optional<CapturedFrames> poll_captured();
  // A VM whose hypervisor has just closed its port's device: the kernel drops what goes there without a trace.
  [[nodiscard]] std::optional<MacAddress> poll_closed();
  [[nodiscard]] PortCaptureCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rove
