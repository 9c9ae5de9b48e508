// Counters of the packet path. Every datagram and frame that is not delivered shows up in exactly one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rove {

enum class DropReason : std::uint8_t {
  UnknownType,     // first byte is no kind of datagram
  Malformed,       // header or packing does not have the documented layout
  BadLane,         // lane and type disagree, or lane and frame
  UnknownSession,  // no session with that index
  SessionExpired,  // older than 180 s
  Undecryptable,   // the tag does not verify
  Replayed,        // counter seen before or too old
  BadFrame,        // not a frame we take: size, group source, zero source
  SpoofedSource,   // source is not known as the peer's, and too many of that kind for the control thread to ask about
  BadForward,      // forwarded by a node that is not the previous owner, to a group, or from a VM that is here
  TooManyHops,     // forwarded twice already
  NoSession,       // no session to the VM's host at the moment
  EventsFull,      // the control thread does not keep up
  Misdirected,     // for a VM that lives elsewhere, and not lately here
  BadMarker,       // a marker of the wrong peer, or for a VM that it does not fit
  Returned,        // sent back by the host that a VM came back from, and still queued here
  Muted,           // from the later one of two VMs with the same MAC
  NoPort,          // from a VM of this host to another whose port is not known
};
inline constexpr std::size_t kDropReasons = 18;

[[nodiscard]] std::string_view to_string(DropReason reason);

struct ForwarderCounters {
  std::uint64_t frames_in = 0;   // from the TAP
  std::uint64_t frames_out = 0;  // for the TAP
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t superframes_in = 0;  // of frames_in
  std::uint64_t frames_joined = 0;   // of frames_out: given to the TAP as part of a superframe, but for its first
  std::uint64_t frames_packed = 0;   // sent in a datagram with others
  std::uint64_t datagrams_sealed = 0;
  std::uint64_t datagrams_opened = 0;
  std::uint64_t frames_forwarded = 0;   // sent on to a VM that left
  std::uint64_t frames_held = 0;        // waited for older frames of a VM that moved
  std::uint64_t frames_kept_ahead = 0;  // for a VM that is expected here, until it came or went on elsewhere
  std::uint64_t frames_homebound = 0;   // for a VM's port, past the bridge
  std::uint64_t frames_punted = 0;      // from the TAP, left to the control thread
  std::uint64_t frames_unproven = 0;    // from a peer, left to the control thread
  std::uint64_t events_dropped = 0;     // notices that stand for no frame, when the queue of events was full
  std::array<std::uint64_t, kDropReasons> drops{};
};

}  // namespace rove
