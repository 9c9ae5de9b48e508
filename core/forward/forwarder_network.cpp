#include <optional>

#include "core/forward/forwarder_impl.h"
#include "core/forward/source_check.h"
#include "core/wire/control_message.h"
#include "core/wire/frame_pack.h"
#include "core/wire/mss_clamp.h"
#include "core/wire/sealed.h"
#include "core/wire/shard.h"
#include "core/wire/superframe.h"
#include "core/wire/transport.h"

namespace rove {
namespace {

constexpr unsigned kHopsMax = 2;  // docs/protocol.md §2

// Largest `sealed` datagram that is passed on: a handshake message with the largest certificate and record
// (docs/protocol.md §4) and room for what a later version adds. Larger ones count as malformed.
constexpr std::size_t kSealedSizeMax = 4096;
constexpr std::size_t kControlSizeMax = kControlPlaintextMax + kDataOverhead;

// What is smaller is opened in place: to copy its payload, should it continue something, costs next to nothing.
constexpr std::size_t kLandedSizeMin = 512;

unsigned hops_of(std::uint8_t flags) {
  return (flags & kFlagHopsMask) >> kFlagHopsShift;
}

std::uint8_t hops_flag(unsigned hops) {
  return static_cast<std::uint8_t>(hops << kFlagHopsShift);
}

}  // namespace

void Forwarder::Impl::handle_datagram(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out,
                                      DatagramBatch& relay) {
  if (datagram.empty()) return drop(DropReason::UnknownType);
  switch (static_cast<DatagramType>(datagram[0])) {
    case DatagramType::Data: return handle_data(now, from, datagram, out, relay);
    case DatagramType::Control: return pass_on(from, datagram, kDataOverhead, kControlSizeMax);
    case DatagramType::Sealed: return pass_on(from, datagram, kSealedOverhead, kSealedSizeMax);
  }
  drop(DropReason::UnknownType);
}

void Forwarder::Impl::pass_on(const Endpoint& from, BytesView datagram, std::size_t size_min, std::size_t size_max) {
  if (datagram.size() < size_min || datagram.size() > size_max) return drop(DropReason::Malformed);
  if (!events.has_room(EventQueue::Kind::Datagram)) return drop(DropReason::EventsFull);
  events.push(EventQueue::Kind::Datagram, ControlDatagram{from, {datagram.begin(), datagram.end()}});
}

void Forwarder::Impl::handle_data(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out,
                                  DatagramBatch& relay) {
  if (datagram.size() < kDataOverhead || datagram.size() > kDatagramSizeMax) return drop(DropReason::Malformed);
  if (!lane_fits(DatagramType::Data, datagram[kLaneAt])) return drop(DropReason::BadLane);
  const Result<Header> header = parse_header(datagram);
  if (!header) return drop(DropReason::Malformed);

  WorkerSession* session = sessions.find(header->receiver);
  if (session == nullptr) {
    drop(DropReason::UnknownSession);
    if (unknown_sessions.admit(now, from)) notify(SessionUnknown{from});
    return;
  }
  receiving = session;
  handle_data_of(now, *session, from, *header, datagram, out, relay);
  receiving = nullptr;
}

void Forwarder::Impl::handle_data_of(TimePoint now, WorkerSession& session, const Endpoint& from, const Header& header,
                                     MutableBytes datagram, FrameBatch& out, DatagramBatch& relay) {
  if (session.is_expired(now)) return drop(DropReason::SessionExpired);
  const WorkerSession::Opened opened = session.open(header, datagram, place_for(session, header, datagram, out));
  if (opened.drop) {
    out.give_up();
    return drop(*opened.drop);
  }
  ++counters.datagrams_opened;
  session.heard().note(now);
  if (session.take_heard(now, from)) notify(SessionHeard{session.local_index(), from});

  const unsigned shard = shard_of_lane(header.counter.lane);
  if (header.flags == kFlagMarker) {
    session.traffic().count_received(0, datagram.size());
    out.end_join();  // it may change what waits
    return handle_marker(now, session, shard, opened.plaintext, relay);
  }
  if ((header.flags & kFlagPacked) == 0) {
    session.traffic().count_received(1, datagram.size());
    return handle_inner(now, session, shard, header.flags, opened.plaintext, out, relay);
  }
  const Result<PackedFrames> frames = PackedFrames::parse(opened.plaintext);
  if (!frames) return drop(DropReason::Malformed);
  std::size_t count = 0;
  for (const PackedFrame packed : *frames) {
    const std::size_t at = static_cast<std::size_t>(packed.frame.data() - opened.plaintext.data());
    const std::uint8_t flags = static_cast<std::uint8_t>((header.flags & (kFlagForwarded | kFlagHopsMask)) |
                                                         (packed.needs_checksum ? kFlagNeedsChecksum : 0));
    handle_inner(now, session, shard, flags, opened.plaintext.subspan(at, packed.frame.size()), out, relay);
    ++count;
  }
  session.traffic().count_received(count, datagram.size());
}

// Where to open a datagram: to where its frame may continue the last one, or in place.
std::uint8_t* Forwarder::Impl::place_for(const WorkerSession& session, const Header& header, MutableBytes datagram,
                                         FrameBatch& out) const {
  MutableBytes landing;
  if (config.joins_tcp && is_joinable(header.flags) && datagram.size() >= kLandedSizeMin) {
    landing = out.land(session.local_index(), datagram.size() - kDataOverhead);
  }
  return landing.empty() ? datagram.data() + kHeaderSize : landing.data();
}

// One frame of an opened datagram: what a receiver demands of it (docs/protocol.md §2), in that order.
void Forwarder::Impl::handle_inner(TimePoint now, WorkerSession& session, unsigned shard, std::uint8_t flags,
                                   MutableBytes frame, FrameBatch& out, DatagramBatch& relay) {
  const bool is_short = frame.size() < kEthernetHeaderSize;
  if (is_short || shard_of_frame(frame) != shard) {
    out.give_up();
    return drop(is_short ? DropReason::BadFrame : DropReason::BadLane);
  }
  // One that continues the frame before it has that one's addresses, which have been looked at.
  if (is_joinable(flags) && out.append(session.local_index(), frame)) {
    ++counters.frames_joined;
    return count_delivered(frame);
  }
  frame = out.settle(frame);
  const Result<FrameInfo> info = parse_frame(frame);
  if (!info) return drop(DropReason::BadFrame);
  if (hops_of(flags) > kHopsMax) return drop(DropReason::TooManyHops);

  const VmView* source = find_vm(info->source);
  const VmView* destination = info->destination.is_group() ? nullptr : find_vm(info->destination);
  if (!advances.empty() && keep_ahead(now, session, flags, frame, *info, source, destination, out, relay)) return;
  if ((flags & kFlagForwarded) != 0) {
    if (!is_rightly_forwarded(now, session.peer(), destination)) return drop(DropReason::BadForward);
    if (destination->handed_over != nullptr && destination->handed_over->contains(hash_bytes(frame))) {
      return drop(DropReason::Returned);
    }
    if (!late_copies.empty() && late_copies.is_copy(now, info->destination, session.peer(), hash_bytes(frame))) {
      return drop(DropReason::Returned);
    }
    if (source != nullptr && source->place == VmView::Place::Local) {
      if (destination->hold.unplugged && hold(*info, *destination, NodeId{}, flags, frame)) return;
      return send_home(flags, frame, *info, *destination);
    }
  } else {
    const bool proven = source != nullptr && source->place == VmView::Place::Remote &&
                        source->owner == session.peer() && has_own_source(*info, *source);
    if (!proven) return report_unproven(now, session, frame);
  }
  if (destination != nullptr && destination->place == VmView::Place::Remote) {
    return handle_misdirected(now, session, flags, frame, *info, *destination, relay);
  }
  if (destination != nullptr && now < destination->takeover_until) note_takeover(now, session, flags, *info);
  if (destination != nullptr && holds.concerns(*destination)) {
    // What comes by the old host is older than what comes straight from its sender.
    if ((flags & kFlagForwarded) != 0 && !destination->hold.unplugged) {
      note_forwarded(info->destination, *destination);
    } else if (hold(*info, *destination, session.peer(), flags, frame)) {
      return;
    }
  }
  deliver(flags, frame, *info, destination, out);
  if (is_joinable(flags) && destination != nullptr && !holds.concerns(*destination) && !destination->detoured) {
    open_join(session, frame, *info, out);
  }
  if (destination != nullptr && vm_silence.handle_sent(now, info->destination, heard_vms->last(info->destination))) {
    notify(VmSilent{info->destination});
  }
}

// The old host of a VM that has come sends what there is for it.
void Forwarder::Impl::note_forwarded(const MacAddress& mac, const VmView& vm) {
  holds.handle_forwarded(mac, vm);
  advances.handle_forwarded(mac);
}

void Forwarder::Impl::note_takeover(TimePoint now, const WorkerSession& session, std::uint8_t flags,
                                    const FrameInfo& info) {
  const bool forwarded = (flags & kFlagForwarded) != 0;
  if (!(forwarded ? takeovers_forwarded : takeovers_direct).admit(now, info.destination)) return;
  notify(TakeoverFrame{session.peer(), info.destination, forwarded});
}

// The peer had the VM until lately, as both that VM's new owner and its owners in between know.
bool Forwarder::Impl::is_rightly_forwarded(TimePoint now, const NodeId& peer, const VmView* destination) {
  return destination != nullptr && destination->previous_owner == peer && now < destination->takeover_until;
}

// A frame for a VM that is not here: sent on while it left only lately, and never written to the TAP.
void Forwarder::Impl::handle_misdirected(TimePoint now, WorkerSession& session, std::uint8_t flags, BytesView frame,
                                         const FrameInfo& info, const VmView& vm, DatagramBatch& relay) {
  const bool held = now < vm.forward_until && holds.concerns(vm) && hold(info, vm, session.peer(), flags, frame);
  const std::optional<DropReason> failure = held ? std::nullopt : send_on(now, flags, frame, info, vm, relay);
  if (session.budget().admit(now, PeerBudget::Notice::Misdirected, info.destination)) {
    notify(MisdirectedFrame{session.peer(), info.destination, !failure});
  }
  if (failure) drop(*failure);
}

std::optional<DropReason> Forwarder::Impl::send_on(TimePoint now, std::uint8_t flags, BytesView frame,
                                                   const FrameInfo& info, const VmView& vm, DatagramBatch& relay) {
  if (now >= vm.forward_until) return DropReason::Misdirected;
  const unsigned hops = hops_of(flags) + 1;
  if (hops > kHopsMax) return DropReason::TooManyHops;
  const auto onward = static_cast<std::uint8_t>((flags & kFlagNeedsChecksum) | kFlagForwarded | hops_flag(hops));
  WorkerSession* to = sessions.find_current(now, vm.owner);
  if (to == nullptr || !sealer.seal(*to, onward, frame, info, relay)) return DropReason::NoSession;
  ++counters.frames_forwarded;
  return std::nullopt;
}

void Forwarder::Impl::deliver(std::uint8_t flags, MutableBytes frame, const FrameInfo& info, const VmView* to,
                              FrameBatch& out) {
  const bool needs_checksum = prepare_delivery(flags, frame, info);
  out.push(frame, needs_checksum, to != nullptr ? detour_port(*to) : 0);
}

void Forwarder::Impl::open_join(const WorkerSession& session, MutableBytes frame, const FrameInfo& info,
                                FrameBatch& out) const {
  if (!config.joins_tcp) return;
  const auto join = SegmentJoin::begin(frame, info);
  if (!join || (join->place().protocol == TransportProtocol::Udp && !config.joins_udp)) return;
  out.open_join(session.local_index(), *join);
}

// Returns whether the checksum is still to be completed.
bool Forwarder::Impl::prepare_delivery(std::uint8_t flags, MutableBytes frame, const FrameInfo& info) {
  const bool needs_checksum = (flags & kFlagNeedsChecksum) != 0;
  if (const auto clamp = find_mss_clamp(frame, info, snapshot->inner_mtu)) {
    apply_mss_clamp(frame, *clamp, needs_checksum);
  }
  count_delivered(frame);
  return needs_checksum;
}
}  // namespace rove
