#include "core/forward/forwarder.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <variant>

#include "core/base/check.h"
#include "core/forward/advance_table.h"
#include "core/forward/event_queue.h"
#include "core/forward/flooded_frames.h"
#include "core/forward/frame_sealer.h"
#include "core/forward/hold_table.h"
#include "core/forward/late_copies.h"
#include "core/forward/session_table.h"
#include "core/forward/silence.h"
#include "core/forward/source_check.h"
#include "core/forward/throttle.h"
#include "core/wire/checksum.h"
#include "core/wire/control_message.h"
#include "core/wire/ethernet.h"
#include "core/wire/frame_pack.h"
#include "core/wire/header.h"
#include "core/wire/marker.h"
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

constexpr std::chrono::seconds kRouteUsedPeriod{5};
// Remote VMs reported as used within kRouteUsedPeriod; further ones wait for the next.
constexpr std::size_t kRouteUsedMax = 8192;
constexpr std::chrono::milliseconds kTakeoverFramePeriod{100};
// VMs that came here lately and get frames within the period; of further ones the timeline hears later.
constexpr std::size_t kTakeoverFramesMax = 1024;
constexpr std::chrono::seconds kSessionUnknownPeriod{1};
// Addresses that speak of unknown sessions. Anybody can invent addresses: when full, new ones go unreported.
constexpr std::size_t kSessionUnknownMax = 1024;

unsigned hops_of(std::uint8_t flags) {
  return (flags & kFlagHopsMask) >> kFlagHopsShift;
}

std::uint8_t hops_flag(unsigned hops) {
  return static_cast<std::uint8_t>(hops << kFlagHopsShift);
}

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

struct Forwarder::Impl {
  explicit Impl(const ForwarderConfig& forwarder_config)
      : config(forwarder_config), heard_vms(config.heard_vms ? config.heard_vms : std::make_shared<HeardVms>()) {}

  // ---- results that are no delivery -------------------------------------------------------------

  void drop(DropReason reason) {
    ++counters.drops[static_cast<std::size_t>(reason)];
    if (receiving != nullptr) receiving->traffic().count_dropped();
  }

  void notify(WorkerEvent event) {
    if (events.has_room(EventQueue::Kind::Notice)) {
      events.push(EventQueue::Kind::Notice, std::move(event));
    } else {
      ++counters.events_dropped;
    }
  }

  void punt(BytesView frame) {
    if (!events.has_room(EventQueue::Kind::Frame)) return drop(DropReason::EventsFull);
    events.push(EventQueue::Kind::Frame, PuntedFrame{{frame.begin(), frame.end()}});
    ++counters.frames_punted;
  }

  void report_unproven(TimePoint now, WorkerSession& session, BytesView frame) {
    if (!session.budget().take_unproven(now)) return drop(DropReason::SpoofedSource);
    if (!events.has_room(EventQueue::Kind::Frame)) return drop(DropReason::EventsFull);
    events.push(EventQueue::Kind::Frame, UnprovenFrame{session.peer(), {frame.begin(), frame.end()}});
    ++counters.frames_unproven;
  }

  [[nodiscard]] const VmView* find_vm(const MacAddress& mac) const { return snapshot->vms.find(mac); }

  // ---- sealing ----------------------------------------------------------------------------------

  void seal_to(TimePoint now, const NodeId& peer, std::uint8_t flags, BytesView frame, const FrameInfo& info,
               DatagramBatch& out) {
    WorkerSession* session = sessions.find_current(now, peer);
    if (session == nullptr || !sealer.seal(*session, flags, frame, info, out)) drop(DropReason::NoSession);
  }

  // ---- from the TAP -----------------------------------------------------------------------------

  // Its answers to our probes are for control: by ARP to the TAP's own MAC, which is no VM's; an advertisement to all
  // nodes, as who asked had no address (RFC 4861 §7.2.4).
  void handle_muted(BytesView frame, const FrameInfo& info) {
    const bool to_vms = info.destination.is_group() || find_vm(info.destination) != nullptr;
    if (to_vms && info.kind != FrameKind::NeighborAdvertisement) return drop(DropReason::Muted);
    punt(frame);
  }

  void handle_frame(TimePoint now, MutableBytes frame, const TapOffload& offload, DatagramBatch& out) {
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

  void handle_superframe(TimePoint now, MutableBytes frame, const FrameInfo& info, std::size_t segment_size,
                         DatagramBatch& out) {
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
  static bool complete_unusual_checksum(MutableBytes frame, const FrameInfo& info, const TapOffload& offload) {
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
  [[nodiscard]] WorkerSession* find_direct(TimePoint now, const FrameInfo& info) {
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

  void note_sent(TimePoint now, WorkerSession& session, const MacAddress& destination) {
    if (routes_used.admit(now, destination)) notify(RouteUsed{destination});
    if (session.budget().silence().handle_sent(now, session.heard().last())) notify(PeerSilent{session.peer()});
  }

  // A frame from the TAP with a complete checksum.
  void handle_whole(TimePoint now, BytesView frame, const FrameInfo& info, DatagramBatch& out) {
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

  // ---- from the network -------------------------------------------------------------------------

  void handle_datagram(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out,
                       DatagramBatch& relay) {
    if (datagram.empty()) return drop(DropReason::UnknownType);
    switch (static_cast<DatagramType>(datagram[0])) {
      case DatagramType::Data: return handle_data(now, from, datagram, out, relay);
      case DatagramType::Control: return pass_on(from, datagram, kDataOverhead, kControlSizeMax);
      case DatagramType::Sealed: return pass_on(from, datagram, kSealedOverhead, kSealedSizeMax);
    }
    drop(DropReason::UnknownType);
  }

  void pass_on(const Endpoint& from, BytesView datagram, std::size_t size_min, std::size_t size_max) {
    if (datagram.size() < size_min || datagram.size() > size_max) return drop(DropReason::Malformed);
    if (!events.has_room(EventQueue::Kind::Datagram)) return drop(DropReason::EventsFull);
    events.push(EventQueue::Kind::Datagram, ControlDatagram{from, {datagram.begin(), datagram.end()}});
  }

  void handle_data(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out, DatagramBatch& relay) {
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

  void handle_data_of(TimePoint now, WorkerSession& session, const Endpoint& from, const Header& header,
                      MutableBytes datagram, FrameBatch& out, DatagramBatch& relay) {
    if (session.is_expired(now)) return drop(DropReason::SessionExpired);
    MutableBytes landing;
    if (config.joins_tcp && is_joinable(header.flags) && datagram.size() >= kLandedSizeMin) {
      landing = out.land(session.local_index(), datagram.size() - kDataOverhead);
    }
    const bool landed = !landing.empty();
    const WorkerSession::Opened opened =
        session.open(header, datagram, landed ? landing.data() : datagram.data() + kHeaderSize);
    if (opened.drop) {
      if (landed) out.give_up();
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
      const MutableBytes frame = opened.plaintext;
      if (!landed) return handle_inner(now, session, shard, header.flags, frame, out, relay);
      if (join(session, shard, frame, out)) return;
      return handle_single(now, session, shard, header.flags, out.settle(frame), out, relay);
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

  // One frame of an opened datagram: what a receiver demands of it (docs/protocol.md §2), in that order.
  void handle_inner(TimePoint now, WorkerSession& session, unsigned shard, std::uint8_t flags, MutableBytes frame,
                    FrameBatch& out, DatagramBatch& relay) {
    if (is_joinable(flags) && join(session, shard, frame, out)) return;
    handle_single(now, session, shard, flags, frame, out, relay);
  }

  // True: it continues the frame before it, and so has that one's addresses, which have been looked at.
  bool join(const WorkerSession& session, unsigned shard, BytesView frame, FrameBatch& out) {
    if (frame.size() < kEthernetHeaderSize || shard_of_frame(frame) != shard) return false;
    if (!out.append(session.local_index(), frame)) return false;
    ++counters.frames_joined;
    count_delivered(frame);
    return true;
  }

  void handle_single(TimePoint now, WorkerSession& session, unsigned shard, std::uint8_t flags, MutableBytes frame,
                     FrameBatch& out, DatagramBatch& relay) {
    if (frame.size() < kEthernetHeaderSize) return drop(DropReason::BadFrame);
    if (shard_of_frame(frame) != shard) return drop(DropReason::BadLane);
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
  void note_forwarded(const MacAddress& mac, const VmView& vm) {
    holds.handle_forwarded(mac, vm);
    advances.handle_forwarded(mac);
  }

  void note_takeover(TimePoint now, const WorkerSession& session, std::uint8_t flags, const FrameInfo& info) {
    const bool forwarded = (flags & kFlagForwarded) != 0;
    if (!(forwarded ? takeovers_forwarded : takeovers_direct).admit(now, info.destination)) return;
    notify(TakeoverFrame{session.peer(), info.destination, forwarded});
  }

  // The peer had the VM until lately, as both that VM's new owner and its owners in between know.
  [[nodiscard]] static bool is_rightly_forwarded(TimePoint now, const NodeId& peer, const VmView* destination) {
    return destination != nullptr && destination->previous_owner == peer && now < destination->takeover_until;
  }

  // A frame for a VM that is not here: sent on while it left only lately, and never written to the TAP.
  void handle_misdirected(TimePoint now, WorkerSession& session, std::uint8_t flags, BytesView frame,
                          const FrameInfo& info, const VmView& vm, DatagramBatch& relay) {
    const bool held = now < vm.forward_until && holds.concerns(vm) && hold(info, vm, session.peer(), flags, frame);
    const std::optional<DropReason> failure = held ? std::nullopt : send_on(now, flags, frame, info, vm, relay);
    if (session.budget().admit(now, PeerBudget::Notice::Misdirected, info.destination)) {
      notify(MisdirectedFrame{session.peer(), info.destination, !failure});
    }
    if (failure) drop(*failure);
  }

  std::optional<DropReason> send_on(TimePoint now, std::uint8_t flags, BytesView frame, const FrameInfo& info,
                                    const VmView& vm, DatagramBatch& relay) {
    if (now >= vm.forward_until) return DropReason::Misdirected;
    const unsigned hops = hops_of(flags) + 1;
    if (hops > kHopsMax) return DropReason::TooManyHops;
    const auto onward = static_cast<std::uint8_t>((flags & kFlagNeedsChecksum) | kFlagForwarded | hops_flag(hops));
    WorkerSession* to = sessions.find_current(now, vm.owner);
    if (to == nullptr || !sealer.seal(*to, onward, frame, info, relay)) return DropReason::NoSession;
    ++counters.frames_forwarded;
    return std::nullopt;
  }

  void deliver(std::uint8_t flags, MutableBytes frame, const FrameInfo& info, const VmView* to, FrameBatch& out) {
    const bool needs_checksum = prepare_delivery(flags, frame, info);
    out.push(frame, needs_checksum, to != nullptr ? detour_port(*to) : 0);
  }

  // A frame whose checksum is partial, and that came straight from its sender.
  [[nodiscard]] static bool is_joinable(std::uint8_t flags) {
    return (flags & ~(kFlagSuperframe | kFlagLast)) == kFlagNeedsChecksum;
  }

  void open_join(const WorkerSession& session, MutableBytes frame, const FrameInfo& info, FrameBatch& out) const {
    if (!config.joins_tcp) return;
    const auto join = SegmentJoin::begin(frame, info);
    if (!join || (join->place().protocol == TransportProtocol::Udp && !config.joins_udp)) return;
    out.open_join(session.local_index(), *join);
  }

  [[nodiscard]] static unsigned detour_port(const VmView& vm) { return vm.detoured ? vm.port : 0; }

  // Returns whether the checksum is still to be completed.
  bool prepare_delivery(std::uint8_t flags, MutableBytes frame, const FrameInfo& info) {
    const bool needs_checksum = (flags & kFlagNeedsChecksum) != 0;
    if (const auto clamp = find_mss_clamp(frame, info, snapshot->inner_mtu)) {
      apply_mss_clamp(frame, *clamp, needs_checksum);
    }
    count_delivered(frame);
    return needs_checksum;
  }

  void count_delivered(BytesView frame) {
    ++counters.frames_out;
    counters.bytes_out += frame.size();
  }

  // ---- for a VM that is expected here -----------------------------------------------------------

  // A frame of the VM itself from the TAP: it is here. The bridge sends its frames to its port from now on.
  void show(TimePoint now, const MacAddress& mac, const VmView* view, DatagramBatch& out) {
    if (!advances.show(now, mac) || view == nullptr) return;
    send_marker(now, view->owner, {MarkerKind::ReplayKept, mac, view->owner}, out);
  }

  // True: the frame is dealt with.
  bool keep_local(const FrameInfo& info, const VmView& vm, BytesView frame) {
    switch (advances.keep_local(info.destination, frame)) {
      case AdvanceTable::Answer::Kept: ++counters.frames_kept_ahead; return true;
      case AdvanceTable::Answer::Deliver: give_home(0, frame, vm); return true;
      default: return false;
    }
  }

  // From another VM of this host to one that has come just now. The bridge has not delivered it.
  void handle_detoured(BytesView frame, const FrameInfo& info, const VmView& vm) {
    if (!advances.empty() && keep_local(info, vm, frame)) return;
    if (holds.concerns(vm) && hold(info, vm, NodeId{}, 0, frame)) return;
    send_home(0, frame, info, vm);
  }

  bool keep_ahead(TimePoint now, WorkerSession& session, std::uint8_t flags, MutableBytes frame, const FrameInfo& info,
                  const VmView* source, const VmView* destination, FrameBatch& out, DatagramBatch& relay) {
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

  std::optional<Released> release_ahead(TimePoint now, DatagramBatch& out) {
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
  bool hold(const FrameInfo& info, const VmView& vm, const NodeId& from, std::uint8_t flags, BytesView frame) {
    if (!holds.keep(info.destination, vm, from, flags, frame)) return false;
    ++counters.frames_held;
    return true;
  }

  std::optional<Released> release(TimePoint now, DatagramBatch& out) {
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
  void send_home(std::uint8_t flags, BytesView frame, const FrameInfo& info, const VmView& vm) {
    if (vm.place != VmView::Place::Local) return drop(DropReason::BadForward);
    if ((flags & kFlagForwarded) != 0 && holds.concerns(vm)) note_forwarded(info.destination, vm);
    give_home(flags, frame, vm);
  }

  // Released before anything else.
  void give_home(std::uint8_t flags, BytesView frame, const VmView& vm) {
    if (vm.port == 0) return drop(DropReason::NoPort);
    homebound.push_back({{frame.begin(), frame.end()}, (flags & kFlagNeedsChecksum) != 0, vm.port});
    ++counters.frames_homebound;
  }

  [[nodiscard]] std::optional<Released> release_home() {
    Released frame = std::move(homebound.front());
    homebound.pop_front();
    return frame;
  }

  void handle_marker(TimePoint now, WorkerSession& session, unsigned shard, BytesView plaintext, DatagramBatch& relay) {
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

  void pass_marker(TimePoint now, const Marker& marker, DatagramBatch& out) {
    const VmView* vm = find_vm(marker.vm);
    if (vm == nullptr || vm->place == VmView::Place::Local) return drop(DropReason::BadMarker);
    send_marker(now, vm->owner, marker, out);
  }

  void send_marker(TimePoint now, const NodeId& peer, const Marker& marker, DatagramBatch& out) {
    WorkerSession* session = sessions.find_current(now, peer);
    if (session == nullptr) return drop(DropReason::NoSession);
    if (!sealer.seal_marker(*session, marker, out)) drop(DropReason::NoSession);
  }

  // ---- from the control thread ------------------------------------------------------------------

  void handle_snapshot(TimePoint now, std::shared_ptr<const Snapshot> next) {
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

  void review_advances(TimePoint now) {
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

  void handle_send(TimePoint now, const SendFrame& command, DatagramBatch& out) {
    ROVE_CHECK((command.flags & ~(kFlagNeedsChecksum | kFlagForwarded | kFlagHopsMask)) == 0);
    const Result<FrameInfo> info = parse_frame(command.frame);
    if (!info) return drop(DropReason::BadFrame);
    seal_to(now, command.peer, command.flags, command.frame, *info, out);
  }

  void handle_end_hold(const MacAddress& mac) {
    const VmView* vm = find_vm(mac);
    if (vm != nullptr && holds.concerns(*vm)) holds.handle_replay_end(mac, *vm);
  }

  const ForwarderConfig config;
  ForwarderCounters counters;
  EventQueue events{config.events_max};
  FrameSealer sealer{config.packs, events, counters};
  AdvanceTable advances;
  HoldTable holds;
  LateCopies late_copies;
  FloodedFrames flooded;
  std::deque<Released> homebound;
  SessionTable sessions{config.worker};
  WorkerSession* receiving = nullptr;  // whose datagram is being handled
  std::shared_ptr<const Snapshot> snapshot = std::make_shared<const Snapshot>();
  const std::shared_ptr<HeardVms> heard_vms;
  VmSilence vm_silence;
  Throttle<MacAddress> routes_used{kRouteUsedPeriod, kRouteUsedMax};
  Throttle<MacAddress> takeovers_forwarded{kTakeoverFramePeriod, kTakeoverFramesMax};
  Throttle<MacAddress> takeovers_direct{kTakeoverFramePeriod, kTakeoverFramesMax};
  Throttle<Endpoint> unknown_sessions{kSessionUnknownPeriod, kSessionUnknownMax};
};

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
