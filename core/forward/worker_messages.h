// Messages between the control thread (Node) and a worker (Forwarder). Values only: they cross threads
// through bounded mailboxes; the simulator hands them over directly.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/forward/snapshot.h"
#include "core/wire/marker.h"

namespace rove {

// ---- worker → control -------------------------------------------------------------------------

// A frame from the TAP that the packet path does not decide on: group destinations, ARP, ND, RARP,
// a source that is no local VM with that IP, a destination without a route or session.
struct PuntedFrame {
  Bytes frame;
};
// A frame from a session whose source MAC/IP the snapshot does not know as the peer's.
struct UnprovenFrame {
  NodeId peer;
  Bytes frame;
};
// A control or sealed datagram.
struct ControlDatagram {
  Endpoint from;
  Bytes datagram;
};
// A peer sent a frame for a VM that lives elsewhere now. `forwarded`: it was sent on (the VM left lately);
// else it was dropped. At most one per peer, VM and 100 ms.
struct MisdirectedFrame {
  NodeId peer;
  MacAddress vm;
  bool forwarded = false;
};
// A frame came from a peer for a VM that moved here lately (VmView::takeover_until): by way of its old host, or
// straight from the peer. At most one of each kind per VM and 100 ms.
struct TakeoverFrame {
  NodeId peer;
  MacAddress vm;
  bool forwarded = false;
};
// A peer switches away from this host as a VM's place, and the VM has not left yet for all we know.
struct EarlySwitch {
  NodeId peer;
  MacAddress vm;
};
// A peer at which this host's VM is expected keeps what is handed over ahead, or (`kept` is false) has no room for it.
struct AdvanceAnswered {
  NodeId peer;
  MacAddress vm;
  bool kept = false;
};
// Everything that was commanded before this Echo has been done, and all frames that were in the TAP's queue then have
// been handled.
struct Echoed {
  MacAddress vm;
};
// Frames went to this remote VM lately. At most one per VM and 5 s.
struct RouteUsed {
  MacAddress vm;
};
// Valid data came in this session from this address: the first time, when the address changed, and
// otherwise at most once per second.
struct SessionHeard {
  SessionIndex local_index;
  Endpoint from;
};
// A session's lane went past kRekeyAfterMessages.
struct SessionWorn {
  SessionIndex local_index;
};
// Data came for a session that does not exist here (a peer that missed our restart). At most one per
// address and second. Nothing is sent to it; the control thread may re-open to a peer known there.
struct SessionUnknown {
  Endpoint from;
};
// Frames go to this local VM, and it sent none for kSilentAfter: it may have moved without a word.
struct VmSilent {
  MacAddress vm;
};
// Frames go to this peer, and no data came from it for kSilentAfter: its host may be gone.
struct PeerSilent {
  NodeId peer;
};

using WorkerEvent =
    std::variant<PuntedFrame, UnprovenFrame, ControlDatagram, MisdirectedFrame, TakeoverFrame, EarlySwitch,
                 AdvanceAnswered, Echoed, RouteUsed, SessionHeard, SessionWorn, SessionUnknown, VmSilent, PeerSilent>;

// ---- control → worker -------------------------------------------------------------------------

struct NewSnapshot {
  std::shared_ptr<const Snapshot> snapshot;
};
// Seal a frame in the peer's current session and send it. `flags`: needs-checksum, forwarded and hops only.
struct SendFrame {
  NodeId peer;
  std::uint8_t flags = 0;
  Bytes frame;
};
// Write a frame to the TAP.
struct WriteFrame {
  Bytes frame;
};

// Seal a marker in the peer's current session and send it, behind all frames before it.
struct SendMarker {
  NodeId peer;
  Marker marker;
};
// What waits for this VM's replay, at its old host, may go.
struct EndHold {
  MacAddress vm;
};
struct Echo {
  MacAddress vm;  // MacAddress{}: none, of every worker
};

using WorkerCommand = std::variant<NewSnapshot, SendFrame, WriteFrame, SendMarker, EndHold, Echo>;

// Of several workers a command is that one's whose VM it is about (core/wire/shard.h). A NewSnapshot is for all of
// them, and so is an Echo of no VM: not to be asked here.
[[nodiscard]] unsigned shard_of(const WorkerCommand& command);

}  // namespace rove
