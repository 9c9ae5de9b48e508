#include "core/forward/forwarder.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/forward/forwarder_impl.h"
#include "core/forward/source_check.h"
#include "core/wire/checksum.h"
#include "core/wire/shard.h"
#include "core/wire/superframe.h"
#include "core/wire/transport.h"

namespace rove {

void Forwarder::Impl::notify(WorkerEvent event) {
  if (events.has_room(EventQueue::Kind::Notice)) {
    events.push(EventQueue::Kind::Notice, std::move(event));
  } else {
    ++counters.events_dropped;
  }
}

void Forwarder::Impl::punt(BytesView frame) {
  if (!events.has_room(EventQueue::Kind::Frame)) return drop(DropReason::EventsFull);
  events.push(EventQueue::Kind::Frame, PuntedFrame{{frame.begin(), frame.end()}});
  ++counters.frames_punted;
}

void Forwarder::Impl::report_unproven(TimePoint now, WorkerSession& session, BytesView frame) {
  if (!session.budget().take_unproven(now)) return drop(DropReason::SpoofedSource);
  if (!events.has_room(EventQueue::Kind::Frame)) return drop(DropReason::EventsFull);
  events.push(EventQueue::Kind::Frame, UnprovenFrame{session.peer(), {frame.begin(), frame.end()}});
  ++counters.frames_unproven;
}

void Forwarder::Impl::seal_to(TimePoint now, const NodeId& peer, std::uint8_t flags, BytesView frame,
                              const FrameInfo& info, DatagramBatch& out) {
  WorkerSession* session = sessions.find_current(now, peer);
  if (session == nullptr || !sealer.seal(*session, flags, frame, info, out)) drop(DropReason::NoSession);
}

// Its answers to our probes are for control: by ARP to the TAP's own MAC, which is no VM's; an advertisement to all
// nodes, as who asked had no address (RFC 4861 §7.2.4).
void Forwarder::Impl::handle_muted(BytesView frame, const FrameInfo& info) {
  const bool to_vms = info.destination.is_group() || find_vm(info.destination) != nullptr;
  if (to_vms && info.kind != FrameKind::NeighborAdvertisement) return drop(DropReason::Muted);
  punt(frame);
}

void Forwarder::Impl::handle_frame(TimePoint now, MutableBytes frame, const TapOffload& offload, DatagramBatch& out) {
  ++counters.frames_in;
  counters.bytes_in += frame.size();
  const bool large = offload.segment_size != 0;
  const Result<FrameInfo> info = parse_frame(frame, large ? kSuperframeSizeMax : kFrameSizeMax);
  if (!info) return drop(DropReason::BadFrame);
  heard_vms->note(now, info->source);
  if (large) return handle_superframe(now, frame, *info, offload.segment_size, out);
  const bool needs_checksum = offload.needs_checksum && !complete_unusual_checksum(frame, *info, offload);
  if (WorkerSession* session = find_direct(now, *info)) {
    if (sealer.seal_or_pack(*session, needs_checksum, frame, *info, out)) {
      return note_sent(now, *session, info->destination);
    }
  }
  if (needs_checksum) (void)complete_checksum(frame);  // it has one that can be found
  handle_whole(now, frame, *info, out);
}

void Forwarder::Impl::handle_superframe(TimePoint now, MutableBytes frame, const FrameInfo& info,
                                        std::size_t segment_size, DatagramBatch& out) {
  ++counters.superframes_in;
  // A guest may have another idea of the path than the network has. (The size of UDP's is not ours to change.)
  const auto place = find_transport(frame, info);
  if (place && place->protocol == TransportProtocol::Tcp && place->payload - place->ip < snapshot->inner_mtu) {
    segment_size = std::min(segment_size, snapshot->inner_mtu - (place->payload - place->ip));
  }
  Result<Segmenter> segmenter = Segmenter::make(frame, info, segment_size);
  if (!segmenter) return drop(DropReason::BadFrame);
  if (WorkerSession* session = find_direct(now, info)) {
    const std::size_t failed = sealer.seal_segments(*session, shard_of_frame(frame), *segmenter, out);
    counters.drops[static_cast<std::size_t>(DropReason::NoSession)] += failed;
    return note_sent(now, *session, info.destination);
  }
  while (!segmenter->done()) {
    const MutableBytes segment = segmenter->next();
    (void)complete_checksum(segment);
    const Result<FrameInfo> own = parse_frame(segment);
    if (!own) return drop(DropReason::BadFrame);  // a segment size of a jumbo network
    handle_whole(now, segment, *own, out);
  }
}

// A checksum that is no TCP's or UDP's directly behind IP (a tunnel's, behind extension headers) cannot be told of in
// a datagram's flags. True: it is complete now.
bool Forwarder::Impl::complete_unusual_checksum(MutableBytes frame, const FrameInfo& info, const TapOffload& offload) {
  const auto place = find_transport(frame, info);
  if (place && place->start == offload.checksum_start && place->checksum_offset() == offload.checksum_offset) {
    return false;
  }
  const std::size_t at = std::size_t{offload.checksum_start} + offload.checksum_offset;
  if (at + 2 <= frame.size()) store_be(&frame[at], internet_checksum({frame.subspan(offload.checksum_start)}));
  return true;
}

// The session in which a frame from the TAP goes without further ado: from a VM of this host, with its own source, to
// one of a connected peer, and nobody waits for anything. What else there is, handle_whole() knows.
WorkerSession* Forwarder::Impl::find_direct(TimePoint now, const FrameInfo& info) {
  if (!advances.empty() || info.destination.is_group() || info.is_rarp()) return nullptr;
  const VmView* source = find_vm(info.source);
  const bool known =
      source != nullptr && !source->muted && source->place == VmView::Place::Local && has_own_source(info, *source);
  if (!known) return nullptr;
  const VmView* destination = find_vm(info.destination);
  if (destination == nullptr || destination->place == VmView::Place::Local || holds.concerns(*destination)) {
    return nullptr;
  }
  return sessions.find_current(now, destination->owner);
}

void Forwarder::Impl::note_sent(TimePoint now, WorkerSession& session, const MacAddress& destination) {
  if (routes_used.admit(now, destination)) notify(RouteUsed{destination});
  if (session.budget().silence().handle_sent(now, session.heard().last())) notify(PeerSilent{session.peer()});
}

// A frame from the TAP with a complete checksum.
void Forwarder::Impl::handle_whole(TimePoint now, BytesView frame, const FrameInfo& info, DatagramBatch& out) {
  const VmView* source = find_vm(info.source);
  if (source != nullptr && source->muted) return handle_muted(frame, info);
  if (!advances.empty()) show(now, info.source, source, out);
  if (info.destination.is_group() || info.is_rarp()) return punt(frame);

  const bool known = source != nullptr && source->place == VmView::Place::Local && has_own_source(info, *source);
  if (!known) return punt(frame);

  const VmView* destination = find_vm(info.destination);
  if (destination == nullptr) return punt(frame);
  if (destination->place == VmView::Place::Local) {
    // The bridge has delivered it already, unless the VM has left its port, or came so lately that this frame was
    // given to us before.
    if (destination->hold.unplugged) {
      (void)hold(info, *destination, NodeId{}, 0, frame);
    } else if (destination->detoured) {
      handle_detoured(frame, info, *destination);
    } else if (now < std::max(destination->hold.until_max, destination->home_until)) {
      send_home(0, frame, info, *destination);
    } else {
      flooded.push(now, info.destination, frame);
    }
    return;
  }
  if (!advances.empty() && keep_local(info, *destination, frame)) return;
  if (holds.concerns(*destination) && hold(info, *destination, NodeId{}, 0, frame)) return;
  WorkerSession* session = sessions.find_current(now, destination->owner);
  if (session == nullptr || !sealer.seal(*session, 0, frame, info, out)) return punt(frame);
  note_sent(now, *session, info.destination);
}

void Forwarder::Impl::handle_snapshot(TimePoint now, std::shared_ptr<const Snapshot> next) {
  ROVE_CHECK(next != nullptr && sealer.empty());
  const bool same_sessions = next->sessions_version != 0 && next->sessions_version == snapshot->sessions_version;
  if (!same_sessions) sessions.handle_snapshot(now, *next);
  snapshot = std::move(next);
  sealer.set_inner_mtu(snapshot->inner_mtu);
  if (!advances.empty()) review_advances(now);
  flooded.take_if(now, [&](const FloodedFrame& flood) {
    const VmView* vm = find_vm(flood.vm);
    const bool left = vm != nullptr && (vm->hold.unplugged || vm->place == VmView::Place::Remote);
    const Result<FrameInfo> info = parse_frame(flood.frame);
    return left && info && holds.concerns(*vm) && hold(*info, *vm, NodeId{}, 0, flood.frame);
  });
}

void Forwarder::Impl::review_advances(TimePoint now) {
  advances.review(now, [&](const MacAddress& mac, const NodeId& peer) -> AdvanceTable::Standing {
    using Place = AdvanceTable::Place;
    const VmView* vm = find_vm(mac);
    if (vm != nullptr && vm->place == VmView::Place::Local) {
      if (!vm->detoured) return {Place::Local, {}, {}};
      if (vm->hold.id == 0) return {Place::Detoured, now, now};
      return {Place::Detoured, vm->hold.until, vm->hold.until_max};
    }
    const bool expected = vm != nullptr && vm->expected && vm->owner == peer;
    return {expected ? Place::Expected : Place::Elsewhere, {}, {}};
  });
}

void Forwarder::Impl::handle_send(TimePoint now, const SendFrame& command, DatagramBatch& out) {
  ROVE_CHECK((command.flags & ~(kFlagNeedsChecksum | kFlagForwarded | kFlagHopsMask)) == 0);
  const Result<FrameInfo> info = parse_frame(command.frame);
  if (!info) return drop(DropReason::BadFrame);
  seal_to(now, command.peer, command.flags, command.frame, *info, out);
}

void Forwarder::Impl::handle_end_hold(const MacAddress& mac) {
  const VmView* vm = find_vm(mac);
  if (vm != nullptr && holds.concerns(*vm)) holds.handle_replay_end(mac, *vm);
}
Forwarder::Forwarder(const ForwarderConfig& config) : impl_(std::make_unique<Impl>(config)) {}
Forwarder::~Forwarder() = default;

void Forwarder::handle_frame(TimePoint now, MutableBytes frame, const TapOffload& offload, DatagramBatch& out) {
  impl_->handle_frame(now, frame, offload, out);
}

void Forwarder::flush(DatagramBatch& out) {
  impl_->sealer.flush(out);
}

void Forwarder::handle_datagram(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out,
                                DatagramBatch& relay) {
  impl_->handle_datagram(now, from, datagram, out, relay);
}

void Forwarder::handle_command(TimePoint now, WorkerCommand command, DatagramBatch& out) {
  ROVE_CHECK(!std::holds_alternative<WriteFrame>(command));
  if (NewSnapshot* next = std::get_if<NewSnapshot>(&command)) {
    impl_->handle_snapshot(now, std::move(next->snapshot));
  } else if (const SendFrame* send = std::get_if<SendFrame>(&command)) {
    impl_->handle_send(now, *send, out);
  } else if (const SendMarker* marker = std::get_if<SendMarker>(&command)) {
    impl_->send_marker(now, marker->peer, marker->marker, out);
  } else if (const EndHold* end = std::get_if<EndHold>(&command)) {
    impl_->handle_end_hold(end->vm);
  } else if (const Echo* echo = std::get_if<Echo>(&command)) {
    impl_->notify(Echoed{echo->vm});
  }
}

bool Forwarder::has_released(TimePoint caught_up) {
  if (!impl_->advances.empty()) impl_->advances.expire(caught_up);
  return !impl_->homebound.empty() || impl_->advances.has_released() || impl_->holds.has_released(caught_up);
}

std::optional<Forwarder::Released> Forwarder::release(TimePoint now, DatagramBatch& out) {
  if (!impl_->homebound.empty()) return impl_->release_home();
  if (impl_->advances.has_released()) return impl_->release_ahead(now, out);
  return impl_->release(now, out);
}

unsigned Forwarder::port_for(BytesView frame) const {
  const Result<FrameInfo> info = parse_frame(frame);
  const VmView* vm = info && !info->destination.is_group() ? impl_->find_vm(info->destination) : nullptr;
  return vm != nullptr && vm->place == VmView::Place::Local ? Impl::detour_port(*vm) : 0;
}

std::optional<TimePoint> Forwarder::poll_timeout() const {
  const auto advance = impl_->advances.poll_timeout();
  const auto hold = impl_->holds.poll_timeout();
  return !advance || (hold && *hold < *advance) ? hold : advance;
}

std::optional<WorkerEvent> Forwarder::poll_event() {
  return impl_->events.pop();
}

const ForwarderCounters& Forwarder::counters() const {
  return impl_->counters;
}

}  // namespace rove
