// Forwarder's inside, shared by its source files only:
//   forwarder.cpp           frames from the TAP, commands of the control thread
//   forwarder_network.cpp   datagrams from the network
//   forwarder_moves.cpp     VMs that are expected or have moved: what is kept, held and released; markers
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "core/forward/advance_table.h"
#include "core/forward/event_queue.h"
#include "core/forward/flooded_frames.h"
#include "core/forward/forwarder.h"
#include "core/forward/frame_sealer.h"
#include "core/forward/hold_table.h"
#include "core/forward/late_copies.h"
#include "core/forward/session_table.h"
#include "core/forward/silence.h"
#include "core/forward/throttle.h"
#include "core/wire/ethernet.h"
#include "core/wire/header.h"
#include "core/wire/marker.h"

namespace rove {

inline constexpr std::chrono::seconds kRouteUsedPeriod{5};
// Remote VMs reported as used within kRouteUsedPeriod; further ones wait for the next.
inline constexpr std::size_t kRouteUsedMax = 8192;
inline constexpr std::chrono::milliseconds kTakeoverFramePeriod{100};
// VMs that came here lately and get frames within the period; of further ones the timeline hears later.
inline constexpr std::size_t kTakeoverFramesMax = 1024;
inline constexpr std::chrono::seconds kSessionUnknownPeriod{1};
// Addresses that speak of unknown sessions. Anybody can invent addresses: when full, new ones go unreported.
inline constexpr std::size_t kSessionUnknownMax = 1024;

struct Forwarder::Impl {
  explicit Impl(const ForwarderConfig& forwarder_config)
      : config(forwarder_config), heard_vms(config.heard_vms ? config.heard_vms : std::make_shared<HeardVms>()) {}

  // ---- results that are no delivery (forwarder.cpp)
  void drop(DropReason reason) {
    ++counters.drops[static_cast<std::size_t>(reason)];
    if (receiving != nullptr) receiving->traffic().count_dropped();
  }
  void notify(WorkerEvent event);
  void punt(BytesView frame);
  void report_unproven(TimePoint now, WorkerSession& session, BytesView frame);
  [[nodiscard]] const VmView* find_vm(const MacAddress& mac) const { return snapshot->vms.find(mac); }

  // ---- sealing (forwarder.cpp)
  void seal_to(TimePoint now, const NodeId& peer, std::uint8_t flags, BytesView frame, const FrameInfo& info,
               DatagramBatch& out);

  // ---- from the TAP (forwarder.cpp)
  void handle_muted(BytesView frame, const FrameInfo& info);
  void handle_frame(TimePoint now, MutableBytes frame, const TapOffload& offload, DatagramBatch& out);
  void handle_superframe(TimePoint now, MutableBytes frame, const FrameInfo& info, std::size_t segment_size,
                         DatagramBatch& out);
  static bool complete_unusual_checksum(MutableBytes frame, const FrameInfo& info, const TapOffload& offload);
  [[nodiscard]] WorkerSession* find_direct(TimePoint now, const FrameInfo& info);
  void note_sent(TimePoint now, WorkerSession& session, const MacAddress& destination);
  void handle_whole(TimePoint now, BytesView frame, const FrameInfo& info, DatagramBatch& out);

  // ---- from the network (forwarder_network.cpp)
  void handle_datagram(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out,
                       DatagramBatch& relay);
  void pass_on(const Endpoint& from, BytesView datagram, std::size_t size_min, std::size_t size_max);
  void handle_data(TimePoint now, const Endpoint& from, MutableBytes datagram, FrameBatch& out, DatagramBatch& relay);
  void handle_data_of(TimePoint now, WorkerSession& session, const Endpoint& from, const Header& header,
                      MutableBytes datagram, FrameBatch& out, DatagramBatch& relay);
  std::uint8_t* place_for(const WorkerSession& session, const Header& header, MutableBytes datagram,
                          FrameBatch& out) const;
  void handle_inner(TimePoint now, WorkerSession& session, unsigned shard, std::uint8_t flags, MutableBytes frame,
                    FrameBatch& out, DatagramBatch& relay);
  void note_forwarded(const MacAddress& mac, const VmView& vm);
  void note_takeover(TimePoint now, const WorkerSession& session, std::uint8_t flags, const FrameInfo& info);
  [[nodiscard]] static bool is_rightly_forwarded(TimePoint now, const NodeId& peer, const VmView* destination);
  void handle_misdirected(TimePoint now, WorkerSession& session, std::uint8_t flags, BytesView frame,
                          const FrameInfo& info, const VmView& vm, DatagramBatch& relay);
  std::optional<DropReason> send_on(TimePoint now, std::uint8_t flags, BytesView frame, const FrameInfo& info,
                                    const VmView& vm, DatagramBatch& relay);
  void deliver(std::uint8_t flags, MutableBytes frame, const FrameInfo& info, const VmView* to, FrameBatch& out);
  // A frame whose checksum is partial, and that came straight from its sender.
  [[nodiscard]] static bool is_joinable(std::uint8_t flags) {
    return (flags & ~(kFlagSuperframe | kFlagLast)) == kFlagNeedsChecksum;
  }
  void open_join(const WorkerSession& session, MutableBytes frame, const FrameInfo& info, FrameBatch& out) const;
  [[nodiscard]] static unsigned detour_port(const VmView& vm) { return vm.detoured ? vm.port : 0; }
  bool prepare_delivery(std::uint8_t flags, MutableBytes frame, const FrameInfo& info);
  void count_delivered(BytesView frame) {
    ++counters.frames_out;
    counters.bytes_out += frame.size();
  }

  // ---- for a VM that is expected here (forwarder_moves.cpp)
  void show(TimePoint now, const MacAddress& mac, const VmView* view, DatagramBatch& out);
  bool keep_local(const FrameInfo& info, const VmView& vm, BytesView frame);
  void handle_detoured(BytesView frame, const FrameInfo& info, const VmView& vm);
  bool keep_ahead(TimePoint now, WorkerSession& session, std::uint8_t flags, MutableBytes frame, const FrameInfo& info,
                  const VmView* source, const VmView* destination, FrameBatch& out, DatagramBatch& relay);
  std::optional<Released> release_ahead(TimePoint now, DatagramBatch& out);

  // ---- the order of frames for a VM that moved (forwarder_moves.cpp)
  bool hold(const FrameInfo& info, const VmView& vm, const NodeId& from, std::uint8_t flags, BytesView frame);
  std::optional<Released> release(TimePoint now, DatagramBatch& out);
  void send_home(std::uint8_t flags, BytesView frame, const FrameInfo& info, const VmView& vm);
  void give_home(std::uint8_t flags, BytesView frame, const VmView& vm);
  [[nodiscard]] std::optional<Released> release_home();
  void handle_marker(TimePoint now, WorkerSession& session, unsigned shard, BytesView plaintext, DatagramBatch& relay);
  void pass_marker(TimePoint now, const Marker& marker, DatagramBatch& out);
  void send_marker(TimePoint now, const NodeId& peer, const Marker& marker, DatagramBatch& out);

  // ---- from the control thread (forwarder.cpp)
  void handle_snapshot(TimePoint now, std::shared_ptr<const Snapshot> next);
  void review_advances(TimePoint now);
  void handle_send(TimePoint now, const SendFrame& command, DatagramBatch& out);
  void handle_end_hold(const MacAddress& mac);

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

}  // namespace rove
