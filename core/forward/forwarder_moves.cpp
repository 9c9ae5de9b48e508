#include <algorithm>
#include <array>
#include <utility>

#include "core/forward/forwarder_impl.h"
#include "core/wire/shard.h"

namespace rove {
namespace {

// A hypervisor that waits for its VM takes one frame from the port, and may drop it when the VM runs (QEMU 7.2,
// net_vm_change_state_handler()). It is for nobody, so the device drops it before the guest has work with it.
Bytes make_filler() {
  constexpr std::size_t kSize = 60;
  Bytes frame(kSize);
  constexpr std::array<std::uint8_t, 14> kHead{0x02, 0, 0, 0, 0, 0x02, 0x02,
                                               0,    0, 0, 0, 1, 0x88, 0xb5};  // IEEE 802: local experiments
  std::copy(kHead.begin(), kHead.end(), frame.begin());
  return frame;
}

}  // namespace

// ---- for a VM that is expected here -----------------------------------------------------------

// A frame of the VM itself from the TAP: it is here. The bridge sends its frames to its port from now on.
void Forwarder::Impl::show(TimePoint now, const MacAddress& mac, const VmView* view, DatagramBatch& out) {
  if (!advances.show(now, mac) || view == nullptr) return;
  send_marker(now, view->owner, {MarkerKind::ReplayKept, mac, view->owner}, out);
}

// True: the frame is dealt with.
bool Forwarder::Impl::keep_local(const FrameInfo& info, const VmView& vm, BytesView frame) {
  switch (advances.keep_local(info.destination, frame)) {
    case AdvanceTable::Answer::Kept: ++counters.frames_kept_ahead; return true;
    case AdvanceTable::Answer::Deliver: give_home(0, frame, vm); return true;
    default: return false;
  }
}

// From another VM of this host to one that has come just now. The bridge has not delivered it.
void Forwarder::Impl::handle_detoured(BytesView frame, const FrameInfo& info, const VmView& vm) {
  if (!advances.empty() && keep_local(info, vm, frame)) return;
  if (holds.concerns(vm) && hold(info, vm, NodeId{}, 0, frame)) return;
  send_home(0, frame, info, vm);
}

bool Forwarder::Impl::keep_ahead(TimePoint now, WorkerSession& session, std::uint8_t flags, MutableBytes frame,
                                 const FrameInfo& info, const VmView* source, const VmView* destination,
                                 FrameBatch& out, DatagramBatch& relay) {
  if ((flags & kFlagForwarded) == 0) return false;
  const bool remote = destination != nullptr && destination->place == VmView::Place::Remote;
  if (!remote) return false;
  const bool local_source = source != nullptr && source->place == VmView::Place::Local;
  const auto answer = advances.keep_forwarded(info.destination, session.peer(), flags, frame);
  switch (answer) {
    case AdvanceTable::Answer::None: return false;
    case AdvanceTable::Answer::Full:
      send_marker(now, session.peer(), {MarkerKind::ReplayOff, info.destination, session.peer()}, relay);
      return true;
    case AdvanceTable::Answer::KeptTell:
      send_marker(now, session.peer(), {MarkerKind::ReplayKept, info.destination, session.peer()}, relay);
      [[fallthrough]];
    case AdvanceTable::Answer::Kept: ++counters.frames_kept_ahead; return true;
    case AdvanceTable::Answer::DeliverTell:
      send_marker(now, session.peer(), {MarkerKind::ReplayKept, info.destination, session.peer()}, relay);
      break;
    case AdvanceTable::Answer::Deliver: break;
  }
  if (local_source) {
    give_home(flags, frame, *destination);
  } else if (destination->detoured) {
    const bool needs_checksum = prepare_delivery(flags, frame, info);
    give_home(needs_checksum ? kFlagNeedsChecksum : 0, frame, *destination);  // behind the filler
  } else {
    deliver(flags, frame, info, destination, out);
  }
  return true;
}

std::optional<Forwarder::Released> Forwarder::Impl::release_ahead(TimePoint now, DatagramBatch& out) {
  std::optional<AdvanceFrame> kept = advances.take_released();
  if (!kept) return std::nullopt;
  HeldFrame& held = kept->held;
  const Result<FrameInfo> info = parse_frame(held.frame);
  if (!info) return std::nullopt;  // it was parsed before
  const VmView* source = find_vm(info->source);
  const VmView* vm = find_vm(held.vm);
  if (vm == nullptr) {
    drop(DropReason::Misdirected);
  } else if (kept->onward) {
    seal_to(now, vm->owner, held.flags, held.frame, *info, out);
  } else if (held.from.is_zero() || (source != nullptr && source->place == VmView::Place::Local)) {
    give_home(held.flags, held.frame, *vm);
  } else {
    const bool needs_checksum = prepare_delivery(held.flags, held.frame, *info);
    return Released{std::move(held.frame), needs_checksum, detour_port(*vm)};
  }
  return std::nullopt;
}

// ---- the order of frames for a VM that moved --------------------------------------------------

// False: it may go on at once.
bool Forwarder::Impl::hold(const FrameInfo& info, const VmView& vm, const NodeId& from, std::uint8_t flags,
                           BytesView frame) {
  if (!holds.keep(info.destination, vm, from, flags, frame)) return false;
  ++counters.frames_held;
  return true;
}

std::optional<Forwarder::Released> Forwarder::Impl::release(TimePoint now, DatagramBatch& out) {
  std::optional<HeldFrame> held = holds.take_released();
  if (!held) return std::nullopt;
  if (held->flags == kFlagMarker) {
    const Result<Marker> marker = decode_marker(held->frame);
    if (marker) pass_marker(now, *marker, out);
    return std::nullopt;
  }
  const Result<FrameInfo> info = parse_frame(held->frame);
  const VmView* vm = find_vm(held->vm);
  if (!info || vm == nullptr) {
    drop(DropReason::Misdirected);
  } else if (vm->place == VmView::Place::Local && held->from.is_zero()) {
    send_home(held->flags & kFlagNeedsChecksum, held->frame, *info, *vm);
  } else if (vm->place == VmView::Place::Local) {
    const bool needs_checksum = prepare_delivery(held->flags, held->frame, *info);
    return Released{std::move(held->frame), needs_checksum, detour_port(*vm)};
  } else if (!held->from.is_zero()) {
    const auto failure = send_on(now, held->flags, held->frame, *info, *vm, out);
    if (failure) drop(*failure);
  } else {
    seal_to(now, vm->owner, held->flags & kFlagNeedsChecksum, held->frame, *info, out);
  }
  return std::nullopt;
}

// From a VM of this host to another one: not by the TAP, or the bridge would learn that its source is behind it.
void Forwarder::Impl::send_home(std::uint8_t flags, BytesView frame, const FrameInfo& info, const VmView& vm) {
  if (vm.place != VmView::Place::Local) return drop(DropReason::BadForward);
  if ((flags & kFlagForwarded) != 0 && holds.concerns(vm)) note_forwarded(info.destination, vm);
  give_home(flags, frame, vm);
}

// Released before anything else.
void Forwarder::Impl::give_home(std::uint8_t flags, BytesView frame, const VmView& vm) {
  if (vm.port == 0) return drop(DropReason::NoPort);
  homebound.push_back({{frame.begin(), frame.end()}, (flags & kFlagNeedsChecksum) != 0, vm.port});
  ++counters.frames_homebound;
}

std::optional<Forwarder::Released> Forwarder::Impl::release_home() {
  Released frame = std::move(homebound.front());
  homebound.pop_front();
  return frame;
}

void Forwarder::Impl::handle_marker(TimePoint now, WorkerSession& session, unsigned shard, BytesView plaintext,
                                    DatagramBatch& relay) {
  const Result<Marker> marker = decode_marker(plaintext);
  if (!marker) return drop(DropReason::Malformed);
  if (shard_of(marker->vm) != shard) return drop(DropReason::BadLane);
  const VmView* vm = find_vm(marker->vm);
  if (vm == nullptr) return drop(DropReason::BadMarker);
  const bool local = vm->place == VmView::Place::Local;
  const bool own = marker->origin == session.peer();
  const bool from_previous = session.peer() == vm->previous_owner && now < vm->takeover_until;
  switch (marker->kind) {
    case MarkerKind::ReplayEnd:
      if (!local || !from_previous) return drop(DropReason::BadMarker);
      if (holds.concerns(*vm)) holds.handle_replay_end(marker->vm, *vm);
      advances.handle_forwarded(marker->vm);
      return;
    case MarkerKind::SwitchAhead:
      if (!local || !own) return drop(DropReason::BadMarker);
      if (holds.concerns(*vm)) holds.handle_switch_ahead(marker->vm, *vm, marker->origin);
      return;
    case MarkerKind::PathSwitch:
      if (local && from_previous && marker->origin == snapshot->own_id) {
        advances.handle_switched(marker->vm, session.peer());
        if (holds.concerns(*vm)) holds.handle_path_switch(marker->vm, *vm, NodeId{});
      } else if (local && from_previous && !own) {
        if (holds.concerns(*vm)) holds.handle_path_switch(marker->vm, *vm, marker->origin);
      } else if (local && own) {
        const bool tells = session.budget().admit(now, PeerBudget::Notice::EarlySwitch, marker->vm);
        if (tells) notify(EarlySwitch{session.peer(), marker->vm});
      } else if (!local && own && now < vm->forward_until) {
        // Behind the peer's frames, which may be waiting.
        const bool kept = holds.concerns(*vm) && holds.keep(marker->vm, *vm, session.peer(), kFlagMarker, plaintext);
        if (!kept) pass_marker(now, *marker, relay);
      } else {
        drop(DropReason::BadMarker);
      }
      return;
    case MarkerKind::ReplayAhead: {
      if (local && own && from_previous) return late_copies.begin(now, marker->vm, session.peer());
      const bool fits = !local && own && vm->expected && vm->owner == session.peer();
      if (!fits) return drop(DropReason::BadMarker);
      const bool kept = advances.begin(now, marker->vm, session.peer(), vm->detoured);
      if (kept && vm->detoured) give_home(0, make_filler(), *vm);
      return send_marker(now, session.peer(),
                         {kept ? MarkerKind::ReplayKept : MarkerKind::ReplayOff, marker->vm, marker->origin}, relay);
    }
    case MarkerKind::ReplayKept:
    case MarkerKind::ReplayOff: {
      const bool kept = marker->kind == MarkerKind::ReplayKept;
      if (!kept) late_copies.end(marker->vm, session.peer());
      if (kept && advances.handle_returned(marker->vm, session.peer())) return;
      if (!local) return advances.cancel(marker->vm, session.peer());
      // It may have left meanwhile.
      const auto notice = kept ? PeerBudget::Notice::AdvanceKept : PeerBudget::Notice::AdvanceOff;
      if (session.budget().admit(now, notice, marker->vm)) notify(AdvanceAnswered{session.peer(), marker->vm, kept});
      return;
    }
  }
}

void Forwarder::Impl::pass_marker(TimePoint now, const Marker& marker, DatagramBatch& out) {
  const VmView* vm = find_vm(marker.vm);
  if (vm == nullptr || vm->place == VmView::Place::Local) return drop(DropReason::BadMarker);
  send_marker(now, vm->owner, marker, out);
}

void Forwarder::Impl::send_marker(TimePoint now, const NodeId& peer, const Marker& marker, DatagramBatch& out) {
  WorkerSession* session = sessions.find_current(now, peer);
  if (session == nullptr) return drop(DropReason::NoSession);
  if (!sealer.seal_marker(*session, marker, out)) drop(DropReason::NoSession);
}
}  // namespace rove
