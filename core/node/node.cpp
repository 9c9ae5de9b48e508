// Construction, dispatch of inputs, outputs, status. node_impl.h says what stands in which file.
#include "core/node/node.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/location/sequence_clock.h"
#include "core/node/node_impl.h"
#include "core/wire/header.h"

namespace rove {
namespace {

NodeIdentity check_identity(NodeIdentity identity) {
  init_crypto();
  ROVE_CHECK(identity.certificate.key() == node_key_of(identity.seed));
  return identity;
}

}  // namespace

std::string_view to_string(NodeEvent::Kind kind) {
  switch (kind) {
    case NodeEvent::Kind::PeerUp: return "peer-up";
    case NodeEvent::Kind::PeerDown: return "peer-down";
    case NodeEvent::Kind::PeerUnreachable: return "peer-unreachable";
    case NodeEvent::Kind::PeerSegmentation: return "peer-segmentation";
    case NodeEvent::Kind::VmClaimed: return "vm-claimed";
    case NodeEvent::Kind::VmMovedAway: return "vm-moved-away";
    case NodeEvent::Kind::VmMovedHere: return "vm-moved-here";
    case NodeEvent::Kind::VmReleased: return "vm-released";
    case NodeEvent::Kind::VmReclaimed: return "vm-reclaimed";
    case NodeEvent::Kind::VmForwardingEnded: return "vm-forwarding-ended";
    case NodeEvent::Kind::LocationConnected: return "location-connected";
    case NodeEvent::Kind::LocationDisconnected: return "location-disconnected";
    case NodeEvent::Kind::ClaimRefused: return "claim-refused";
    case NodeEvent::Kind::VmSignal: return "vm-signal";
    case NodeEvent::Kind::VmClaimPushed: return "vm-claim-pushed";
    case NodeEvent::Kind::VmClaimAcknowledged: return "vm-claim-acknowledged";
    case NodeEvent::Kind::VmFrameForwarded: return "vm-frame-forwarded";
    case NodeEvent::Kind::VmFrameDirect: return "vm-frame-direct";
    case NodeEvent::Kind::VmRedirected: return "vm-redirected";
    case NodeEvent::Kind::VmPrepared: return "vm-prepared";
    case NodeEvent::Kind::VmPrepareEnded: return "vm-prepare-ended";
    case NodeEvent::Kind::VmReplayed: return "vm-replayed";
    case NodeEvent::Kind::VmConflict: return "vm-conflict";
    case NodeEvent::Kind::VmConflictEnded: return "vm-conflict-ended";
  }
  return "unknown";
}

Node::Impl::Impl(NodeConfig config_, NodeIdentity identity_, LocationService& location_, Random& random_)
    : config(std::move(config_)),
      identity(check_identity(std::move(identity_))),
      location(location_),
      random(random_),
      own_key(identity.certificate.key()),
      own_id(identity.certificate.id()),
      network(identity.anchor.network_id()),
      own_certificate(std::make_shared<const Certificate>(identity.certificate)),
      keys(derive_naming_key(identity.network_key)),
      sealed(own_id, 0, derive_first_ring_secret(identity.network_key), config.first_stamp),
      peers(PeerSetConfig{static_cast<std::uint16_t>(config.inner_mtu), config.aeads}, identity.anchor,
            identity.certificate, identity.seed, sealed, random),
      directory(identity.anchor),
      flood_bucket(kFloodRate, kFloodBurst),
      search_bucket(kSearchRate, kSearchBurst),
      highest_sequence(config.highest_sequence) {}

void Node::Impl::start(Now now) {
  started = now.steady;
  first_sequence = next_sequence(highest_sequence, now.wall, sequence_tag_of(own_id));
  claims_expire_at = now.steady + kExpireInterval;
  directory.set_certificate(now, own_certificate);
  location.add_certificate(own_id, own_certificate->der());
  location.publish(keys.of_certificate(own_id), 0, {RecordKind::Certificate, own_certificate->der()});
  publish_own_record(now);
  location.watch(keys.of_members());
  snapshot_dirty = true;
}

void Node::Impl::publish_own_record(Now now) {
  NodeRecord record;
  record.node = own_key;
  record.endpoints = config.endpoints;
  if (record.endpoints.size() > kEndpointsMax) record.endpoints.resize(kEndpointsMax);
  record.sequence = next_sequence(own_record.record.sequence, now.wall, sequence_tag_of(own_id));
  record.not_after = now.wall + kNodeRecordLifetime;
  own_record = sign_node_record(std::move(record), network, identity.seed);
  own_record_refresh = now.steady + kNodeRecordRefresh;
  peers.set_own_record(own_record);
  // The slot is the publisher's name for the record: our key under the members' key, which all share.
  const std::uint64_t slot = load_be<std::uint64_t>(own_id.octets.data());
  location.publish(keys.of_node_record(own_id), slot, {RecordKind::NodeRecord, own_record.encoded});
  location.publish(keys.of_members(), slot, {RecordKind::NodeRecord, own_record.encoded});
  for (const PeerInfo& peer : peers.peers()) {
    if (peer.up) peers.send(now, peer.id, NodeRecordsMessage{{own_record.encoded}});
  }
}

void Node::Impl::dispatch(Now now, WorkerEvent event) {
  if (auto* punted = std::get_if<PuntedFrame>(&event)) {
    handle_frame(now, punted->frame);
  } else if (auto* frame = std::get_if<UnprovenFrame>(&event)) {
    handle_unproven(now, frame->peer, frame->frame);
  } else if (auto* datagram = std::get_if<ControlDatagram>(&event)) {
    const bool is_sealed =
        !datagram->datagram.empty() && datagram->datagram[0] == static_cast<std::uint8_t>(DatagramType::Sealed);
    if (is_sealed) {
      handle_sealed(now, datagram->from, datagram->datagram);
    } else {
      peers.handle_control(now, datagram->from, datagram->datagram);
    }
  } else if (auto* misdirected = std::get_if<MisdirectedFrame>(&event)) {
    if (misdirected->forwarded) note_step(now, misdirected->vm, MoveStep::Forwarded, misdirected->peer);
    redirect(now, misdirected->peer, misdirected->vm);
  } else if (auto* arrived = std::get_if<TakeoverFrame>(&event)) {
    note_step(now, arrived->vm, arrived->forwarded ? MoveStep::Forwarded : MoveStep::Direct, arrived->peer);
  } else if (auto* early = std::get_if<EarlySwitch>(&event)) {
    handle_early_switch(now, *early);
  } else if (const auto* answered = std::get_if<AdvanceAnswered>(&event)) {
    handle_advance_answered(*answered);
  } else if (auto* echoed = std::get_if<Echoed>(&event)) {
    handle_echo(now, echoed->vm);
  } else if (auto* used = std::get_if<RouteUsed>(&event)) {
    note_route_used(now, used->vm);
  } else if (auto* heard = std::get_if<SessionHeard>(&event)) {
    peers.handle_session_heard(now, heard->local_index, heard->from);
  } else if (auto* worn = std::get_if<SessionWorn>(&event)) {
    peers.handle_session_worn(now, worn->local_index);
  } else if (auto* vm = std::get_if<VmSilent>(&event)) {
    handle_vm_silent(now, vm->vm);
  } else if (auto* peer = std::get_if<PeerSilent>(&event)) {
    handle_peer_silent(now, peer->peer);
  }
  // SessionUnknown: the peer that we lost is found again by our own start (members, handshakes); it is only counted.
}

void Node::Impl::handle_sealed(Now now, const Endpoint& from, BytesView datagram) {
  const auto envelope = sealed.open(now, datagram);
  if (!envelope) {
    const bool replayed = envelope.error() == Error::Replayed || envelope.error() == Error::Stale;
    ++(replayed ? counters.sealed_replayed : counters.sealed_refused);
    return;
  }
  if (envelope->sender == own_id) return;  // our own, reflected
  if (envelope->kind != SealedKind::Dht) {
    if (is_shut_down) return;
    peers.handle_sealed(now, from, datagram.size(), *envelope);
    return;
  }
  budget.handle_received(now.steady, from, datagram.size());
  if (dht_datagrams.size() >= kOutputsMax) {
    ++counters.outputs_dropped;
    return;
  }
  dht_datagrams.push_back({from, envelope->body});
}

void Node::Impl::pump(Now now) {
  while (auto event = peers.poll_event()) handle_peer_event(now, std::move(*event));
  review_detours(now);
  ask_questions();
  send_pushes(now);
  if (peers.take_sessions_changed()) sessions_dirty = snapshot_dirty = true;
}

void Node::Impl::handle_peer_event(Now now, PeerEvent event) {
  if (const auto* up = std::get_if<PeerUp>(&event)) {
    handle_peer_up(now, *up);
  } else if (const auto* down = std::get_if<PeerDown>(&event)) {
    pusher.forget_peer(down->peer);
    restart_pings(now, down->peer);
    silent_peers.erase(down->peer);
    end_conflicts_with(now, down->peer);
    end_advances_to(down->peer);
    std::erase_if(unproven, [down](const Unproven& held) { return held.peer == down->peer; });
    report(now, NodeEvent::Kind::PeerDown, down->peer, std::nullopt, down->closed ? "reason=closed" : "reason=silent");
  } else if (const auto* lost = std::get_if<PeerUnreachable>(&event)) {
    report(now, NodeEvent::Kind::PeerUnreachable, lost->peer, std::nullopt, "");
    const SignedNodeRecord* record = directory.find_record(lost->peer);
    // It goes on trying while the node may come back; a record that ran out says that it left for good.
    if (record == nullptr || record->record.not_after + kWallClockSkewMax < now.wall) {
      peers.disconnect(now, lost->peer, CloseReason::GoingDown);
    }
  } else if (const auto* segments = std::get_if<PeerSegments>(&event)) {
    report(now, NodeEvent::Kind::PeerSegmentation, segments->peer, std::nullopt,
           segments->arrive ? "works=yes" : "works=no");
  } else if (const auto* message = std::get_if<PeerMessage>(&event)) {
    handle_message(now, message->peer, message->message);
  } else if (const auto* pong = std::get_if<PeerPong>(&event)) {
    handle_pong(*pong);
  }
}

void Node::Impl::handle_peer_up(Now now, const PeerUp& up) {
  directory.set_certificate(now, up.certificate);
  location.add_certificate(up.peer, up.certificate->der());
  const bool newer = directory.offer_record(now, up.record);
  // Also when it called us: whoever starts anew is called by those that miss it, forgets that it called them before,
  // and then neither would call again.
  if (peers.peers().size() <= kMeshMax) peers.connect(now, up.record.record.node, up.record.record.endpoints);
  if (const auto peer = peers.find_peer(up.peer)) budget.set_proven(now.steady, peer->endpoint);
  report(now, NodeEvent::Kind::PeerUp, up.peer, std::nullopt, "");
  probe_waiting(now, up.peer);

  // Membership travels over sessions too, so that it does not hang on the location service.
  NodeRecordsMessage known;
  for (const NodeId& node : directory.nodes()) {
    const SignedNodeRecord* record = directory.find_record(node);
    if (node == up.peer || node == own_id || record == nullptr) continue;
    if (record->record.not_after < now.wall) continue;
    if (encoded_size(known) + record->encoded.size() + 2 > kControlPlaintextMax) {
      peers.send(now, up.peer, known);
      known.records.clear();
    }
    known.records.push_back(record->encoded);
  }
  if (!known.records.empty()) peers.send(now, up.peer, known);
  if (newer) {
    for (const PeerInfo& peer : peers.peers()) {
      if (peer.up && peer.id != up.peer) peers.send(now, peer.id, NodeRecordsMessage{{up.record.encoded}});
    }
  }

  // The question is on its way before the push below, so the answer is what it knew from before our start.
  if (started && now.steady - *started < kRecoveryTime) {
    for (const auto& [mac, vm] : vms.vms()) {
      if (vm.is_live()) peers.send(now, up.peer, ClaimRequestMessage{VmAddress{mac}});
    }
  }
  // Whatever happened while we were apart: it learns what we hold now. What it was told in vain, before it started
  // anew, would have to wait for its next repetition.
  pusher.restart(now.steady, up.peer);
  for (const auto& [mac, vm] : vms.vms()) {
    if (vm.is_forwarding() || vm.is_muted() || vm.is_expected()) continue;
    if (!pusher.push(now.steady, up.peer, vm.claim)) ++counters.pushes_limited;
  }
  // Should it have started anew: what it claimed before. Also what another has withdrawn since: the VM may have been
  // with the peer all the same, and nobody but the peer can ask it.
  std::vector<Bytes> theirs;
  claims.for_each_of(up.certificate->key(), [&](const SignedClaim& claim) {
    if (theirs.size() < kReturnedClaimsMax) theirs.push_back(claim.encoded);
  });
  for (Bytes& record : theirs) peers.send(now, up.peer, ClaimsMessage{{std::move(record)}});
  process_held_claims(now, up.peer);
  resume_preparations_with(now, up.peer);
  for (const VmAddress& address : resolver.waiting()) {
    if (is_ready(now, address)) release_held(now, address);
  }
}

void Node::Impl::handle_message(Now now, const NodeId& peer, const ControlMessage& message) {
  if (const auto* claims_message = std::get_if<ClaimsMessage>(&message)) {
    ClaimAckMessage acknowledgement;
    for (const Bytes& record : claims_message->records) acknowledgement.ids.push_back(record_id_of(record));
    peers.send(now, peer, acknowledgement);
    for (const Bytes& record : claims_message->records) accept_claim(now, record, LookupSource::Peer, peer);
    retry_unproven(now, peer);
  } else if (const auto* ack = std::get_if<ClaimAckMessage>(&message)) {
    for (const RecordId& id : ack->ids) {
      if (const auto vm = pusher.handle_ack(peer, id)) note_step(now, *vm, MoveStep::Acknowledged, peer);
    }
  } else if (const auto* request = std::get_if<ClaimRequestMessage>(&message)) {
    const SignedClaim* known = claims.find_any(request->address);
    if (known == nullptr) {
      peers.send(now, peer, ClaimNoneMessage{request->address});
    } else {
      peers.send(now, peer, ClaimsMessage{{known->encoded}});
    }
  } else if (const auto* records = std::get_if<NodeRecordsMessage>(&message)) {
    for (const Bytes& record : records->records) offer_node_record(now, record, peer);
  } else if (const auto* wanted = std::get_if<CertificateRequestMessage>(&message)) {
    if (const auto certificate = directory.find_certificate(now.wall, wanted->node)) {
      peers.send(now, peer, CertificateMessage{certificate->der()});
    }
  } else if (const auto* certificate = std::get_if<CertificateMessage>(&message)) {
    offer_certificate(now, certificate->der);
  } else if (const auto* wanted_vm = std::get_if<SearchMessage>(&message)) {
    handle_search(now, peer, *wanted_vm);
  } else if (const auto* check = std::get_if<ConflictCheckMessage>(&message)) {
    handle_conflict_check(now, peer, *check);
  } else if (const auto* evidence = std::get_if<ConflictEvidenceMessage>(&message)) {
    handle_conflict_evidence(now, peer, *evidence);
  } else if (const auto* expected = std::get_if<PrepareMessage>(&message)) {
    handle_prepare(now, peer, *expected);
  } else if (const auto* correspondents = std::get_if<CorrespondentsMessage>(&message)) {
    handle_correspondents(now, peer, *correspondents);
  }
  // ClaimNone: what waits for a claim goes on waiting for the location service, until its own time is over.
}

void Node::Impl::handle_timeout(Now now) {
  peers.handle_timeout(now);
  if (own_record_refresh <= now.steady) publish_own_record(now);
  handle_vm_timers(now);
  expire_replays(now);
  expire_advances(now);
  finish_silences(now);
  run_comparisons(now);
  run_preparations(now);
  run_stale_checks(now);
  finish_arrivals(now);
  expire_unproven(now);
  expire_watches(now);
  resolver.handle_timeout(now.steady);
  finish_lookups(now);
  expire_pings(now);
  if (claims_expire_at <= now.steady) {
    claims_expire_at = now.steady + kExpireInterval;
    if (claims.expire(now.wall)) refresh_all_views();
  }
  while (const auto mac = take_due(publications, now.steady)) {
    const LocalVm* vm = vms.find(*mac);
    if (vm != nullptr && vm->is_live()) publish(vm->claim);
  }
  while (const auto mac = take_due(presence_checks, now.steady)) {
    const LocalVm* vm = vms.find(*mac);
    // To all of the bridge, which has been told that the VM is behind our TAP.
    if (vm != nullptr && vm->is_forwarding()) ask_presence(std::nullopt, vm->claim.claim.ips);
  }
  while (const auto mac = take_due(injections, now.steady)) {
    const LocalVm* vm = vms.find(*mac);
    if (vm != nullptr && vm->is_forwarding()) inject_move(*mac);
  }
}

std::optional<MacAddress> Node::Impl::take_due(std::deque<Injection>& queue, TimePoint now) {
  if (queue.empty() || queue.front().at > now) return std::nullopt;
  return take_front(queue)->mac;
}

void Node::Impl::emit(WorkerCommand command) {
  if (commands.size() >= kOutputsMax) {
    ++counters.outputs_dropped;
    return;
  }
  commands.push_back(std::move(command));
}

void Node::Impl::report(Now now, NodeEvent::Kind kind, const NodeId& peer, std::optional<MacAddress> vm,
                        std::string detail) {
  const std::string name = peer.is_zero() ? std::string{} : directory.name_of(peer);
  NodeEvent event{kind, now.steady, name, vm, std::move(detail)};
  timeline.handle_event(now.wall, event);
  if (events.size() >= kEventsMax) {
    ++counters.outputs_dropped;
    return;
  }
  events.push_back(std::move(event));
}

std::shared_ptr<const Snapshot> Node::Impl::make_snapshot() {
  if (views_evicted != claims.evicted()) refresh_all_views();
  if (sessions_dirty) {
    sessions_dirty = false;
    session_part.sessions.clear();
    session_part.current.clear();
    peers.fill(session_part);
    ++session_part.sessions_version;
  }
  auto snapshot = std::make_shared<Snapshot>(session_part);
  snapshot->own_id = own_id;
  snapshot->vms = views;
  snapshot->subnets = config.subnets;
  snapshot->inner_mtu = config.inner_mtu;
  return snapshot;
}

void Node::Impl::refresh_view(const MacAddress& mac) {
  snapshot_dirty = true;
  const SignedClaim* claim = claims.find(VmAddress{mac});
  const LocalVm* vm = vms.find(mac);
  if (vm != nullptr && (vm->machine.state() == VmState::Absent || vm->is_expected())) vm = nullptr;
  // A claim of ours counts only with the VM here; one from before a restart says nothing.
  if (claim != nullptr && claim->claim.owner == own_key) claim = nullptr;
  if (vm == nullptr && claim == nullptr) {
    views.erase(mac);
    return;
  }
  VmView view;
  if (claim != nullptr) {
    view.place = VmView::Place::Remote;
    view.owner = node_id_of(claim->claim.owner);
    view.ips = claim->claim.ips;
  }
  if (const auto preparation = preparations.find(mac); preparation != preparations.end()) {
    view.expected = vm == nullptr || !vm->is_live();
  }
  if (vm != nullptr) {
    // Also of a VM that moved on: what its owner before us forwards to us, we forward once more.
    view.previous_owner = vm->previous_owner;
    view.takeover_until = vm->takeover_until;
    if (vm->is_muted()) {
      view.place = VmView::Place::Remote;
      if (const auto conflict = conflicts.find(mac); conflict != conflicts.end()) view.owner = conflict->second.other;
      view.muted = true;
    } else if (vm->is_forwarding()) {
      view.place = VmView::Place::Remote;
      view.owner = vm->forward_to;
      view.forward_until = vm->forward_until();
    } else {
      view.place = VmView::Place::Local;
      view.owner = {};
      view.ips = vm->claim.claim.ips;
    }
  }
  add_replay_view(mac, view);
  add_detour_view(mac, view);
  views[mac] = std::move(view);
}

void Node::Impl::refresh_all_views() {
  views.clear();
  views_evicted = claims.evicted();
  std::vector<MacAddress> macs;
  claims.for_each_live([&macs](const SignedClaim& claim) { macs.push_back(claim.claim.mac); });
  for (const auto& [mac, vm] : vms.vms()) macs.push_back(mac);
  for (const MacAddress& mac : macs) refresh_view(mac);
  snapshot_dirty = true;
}

std::optional<TimePoint> Node::Impl::next_timeout() const {
  std::optional<TimePoint> next = earlier(peers.poll_timeout(), resolver.poll_timeout());
  next = earlier(next, pusher.poll_timeout());
  next = earlier(next, vms.poll_timeout());
  next = earlier(next, earlier(silent_vms.poll_timeout(), silent_peers.poll_timeout()));
  next = earlier(next, earlier(replay_timeout(), conflict_timeout()));
  next = earlier(next, detour_timeout());
  next = earlier(next, std::min(own_record_refresh, claims_expire_at));
  if (!injections.empty()) next = earlier(next, injections.front().at);
  for (const StaleCheck& check : stale_checks) next = earlier(next, check.at);
  if (!publications.empty()) next = earlier(next, publications.front().at);
  if (!presence_checks.empty()) next = earlier(next, presence_checks.front().at);
  if (!unproven.empty()) next = earlier(next, unproven.front().deadline);
  for (const auto& [mac, preparation] : preparations) {
    next = earlier(next, std::min(preparation.next, preparation.until));
    if (claims.find(VmAddress{mac}) != nullptr && !detours.contains(mac)) next = earlier(next, preparation.next_probe);
  }
  for (const auto& [mac, arrival] : arrivals) next = earlier(next, arrival.deadline);
  for (const OperatorLookup& lookup : operator_lookups) next = earlier(next, lookup.deadline);
  for (const OperatorPing& ping : operator_pings) next = earlier(next, ping.deadline);
  for (const auto& [mac, used] : watches) next = earlier(next, used + kWatchTime);
  return next;
}

NodeStatus Node::Impl::status() const {
  NodeStatus status;
  status.name = own_certificate->name();
  status.id = own_id;
  status.network = network;
  status.network_name = identity.anchor.network_name();
  status.endpoints = config.endpoints;
  for (const PeerInfo& peer : peers.peers()) {
    ++status.peers_known;
    if (peer.up) ++status.peers_up;
  }
  status.sessions = session_part.sessions.size();
  status.vms_local = vms.live_count();
  status.vms_cached = claims.size();
  status.location = location_status;
  for (const auto& [mac, conflict] : conflicts) {
    status.conflicts.push_back({mac, directory.name_of(conflict.other), conflict.muted});
  }
  status.peer_counters = peers.counters();
  status.moves = timeline.histograms();
  status.last_stamp = sealed.last_stamp();
  status.highest_sequence = highest_sequence;
  const NodeCounters& c = counters;
  status.counters = {
      {"claims_received", c.claims_received},
      {"claims_accepted", c.claims_accepted},
      {"claims_malformed", c.claims_malformed},
      {"claims_bad_signature", c.claims_bad_signature},
      {"claims_not_allowed", c.claims_not_allowed},
      {"claims_older", c.claims_older},
      {"claims_expired", c.claims_expired},
      {"claims_from_the_future", c.claims_from_the_future},
      {"claims_table_full", c.claims_table_full},
      {"claims_published", c.claims_published},
      {"claims_refused_here", c.claims_refused_here},
      {"addresses_not_allowed", c.addresses_not_allowed},
      {"pushes_sent", c.pushes_sent},
      {"pushes_limited", c.pushes_limited},
      {"pushes_abandoned", pusher.abandoned()},
      {"redirects_sent", c.redirects_sent},
      {"searches", c.searches},
      {"searches_limited", c.searches_limited},
      {"conflicts", conflicts.size()},  // now
      {"conflict_checks", c.conflict_checks},
      {"conflict_checks_refused", c.conflict_checks_refused},
      {"conflicts_found", c.conflicts_found},
      {"prepares_refused", c.prepares_refused},
      {"correspondents_refused", c.correspondents_refused},
      {"moves_in", c.moves_in},
      {"moves_away", c.moves_away},
      {"neighbor_answers", c.neighbor_answers},
      {"floods", c.floods},
      {"floods_limited", c.floods_limited},
      {"frames_bad", c.frames_bad},
      {"frames_replayed", c.frames_replayed},
      {"frames_replayed_ahead", c.frames_replayed_ahead},
      {"frames_not_replayed", c.frames_not_replayed},
      {"bridge_refusals", c.bridge_refusals},
      {"replays_late", c.replays_late},
      {"frames_stale", c.frames_stale},
      {"held_dropped", resolver.held_dropped()},
      {"unproven_held", c.unproven_held},
      {"unproven_dropped", c.unproven_dropped},
      {"unproven_delivered", c.unproven_delivered},
      {"resolving_limited", c.resolving_limited},
      {"vms_limited", c.vms_limited},
      {"sealed_refused", c.sealed_refused},
      {"sealed_replayed", c.sealed_replayed},
      {"node_records_bad", c.node_records_bad},
      {"certificates_bad", c.certificates_bad},
      {"dht_over_budget", c.dht_over_budget},
      {"outputs_dropped", c.outputs_dropped},
  };
  return status;
}

// ---- the public face ----------------------------------------------------------------------------

Node::Node(NodeConfig config, NodeIdentity identity, LocationService& location, Random& random)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(identity), location, random)) {}

Node::~Node() = default;

void Node::handle_start(Now now) {
  impl_->start(now);
  impl_->pump(now);
}

void Node::handle_worker_event(Now now, WorkerEvent event) {
  impl_->dispatch(now, std::move(event));
  impl_->pump(now);
}

void Node::handle_bridge_event(Now now, const BridgeEvent& event) {
  if (event.on_tap || impl_->is_own_mac(event.mac)) return;
  if (event.gone) {
    const VmAction action = impl_->vms.handle(now.steady, event.mac, VmEvent::Unplugged);
    if (action == VmAction::Forget) impl_->leave_conflict(now, event.mac, "reason=gone-here");
    impl_->handle_vm_unplugged(now, event.mac);
  } else {
    impl_->end_unplugged(event.mac);
    const bool settled = impl_->started && now.steady - *impl_->started >= kBridgeSettleTime;
    if (impl_->vms.handle(now.steady, event.mac, VmEvent::Signal) == VmAction::Claim) {
      impl_->note_signal(now, event.mac, SignalKind::Bridge);
      impl_->arrive(now, event.mac, std::nullopt, settled);
    }
  }
  impl_->pump(now);
}

void Node::handle_dht_transmit(Now now, const DhtDatagram& datagram) {
  const std::size_t size = datagram.bytes.size() + kSealedOverhead;
  if (!impl_->budget.take(now.steady, datagram.peer, size)) {
    ++impl_->counters.dht_over_budget;
    return;
  }
  if (impl_->transmits.size() >= kOutputsMax) {
    ++impl_->counters.outputs_dropped;
    return;
  }
  impl_->transmits.push_back({datagram.peer, impl_->sealed.seal(now, impl_->random, SealedKind::Dht, datagram.bytes)});
}

void Node::handle_location(Now now) {
  impl_->handle_location(now);
  impl_->pump(now);
}

void Node::handle_timeout(Now now) {
  impl_->handle_timeout(now);
  impl_->pump(now);
}

void Node::handle_endpoints(Now now, std::vector<Endpoint> endpoints) {
  if (endpoints == impl_->config.endpoints) return;
  impl_->config.endpoints = std::move(endpoints);
  impl_->publish_own_record(now);
  impl_->pump(now);
}

Result<std::uint64_t> Node::claim(Now now, const MacAddress& mac, const std::vector<IpAddress>& ips) {
  if (mac.is_group() || mac.is_zero() || impl_->is_own_mac(mac)) return fail(Error::Malformed);
  std::vector<IpAddress> wanted = ips;
  if (wanted.empty()) wanted = impl_->addresses_for_arrival(mac, std::nullopt);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  for (const IpAddress& ip : wanted) {
    if (!impl_->may_claim_ip(ip)) return fail(Error::NotAllowed);
  }
  const auto v4 = std::count_if(wanted.begin(), wanted.end(), [](const IpAddress& ip) { return ip.is_v4(); });
  if (v4 > static_cast<std::ptrdiff_t>(kClaimAddressesMax) ||
      static_cast<std::ptrdiff_t>(wanted.size()) - v4 > static_cast<std::ptrdiff_t>(kClaimAddressesMax)) {
    return fail(Error::TooLarge);
  }
  LocalVm* vm = impl_->vms.find(mac);
  if (vm != nullptr && vm->is_muted()) return fail(Error::WrongState);
  const bool same = vm != nullptr && vm->is_live() && vm->claim.claim.ips == wanted;
  impl_->note_signal(now, mac, SignalKind::Operator);
  impl_->cancel_advance(mac);
  if (!same) impl_->claim_here(now, mac, std::move(wanted));
  vm = impl_->vms.find(mac);
  if (vm == nullptr || !vm->is_live()) return fail(Error::NotAllowed);
  vm->machine.pin();
  impl_->pump(now);
  return vm->claim.claim.sequence;
}

Result<void> Node::release(Now now, const MacAddress& mac) {
  const LocalVm* vm = impl_->vms.find(mac);
  if (vm == nullptr) return fail(Error::Unknown);
  // Idempotent, and never takes away what another node owns by now.
  if (vm->is_live()) impl_->release_vm(now, mac, "reason=operator");
  if (impl_->preparations.erase(mac) > 0) impl_->refresh_view(mac);
  if (impl_->vms.is_expected(mac) && impl_->vms.handle(now.steady, mac, VmEvent::Released) == VmAction::Forget) {
    impl_->forget_expected(now, mac, "reason=operator");
  }
  if (impl_->vms.is_muted(mac)) {
    (void)impl_->vms.handle(now.steady, mac, VmEvent::Released);  // leaves nothing but the entry
    impl_->leave_conflict(now, mac, "reason=operator");
  }
  impl_->pump(now);
  return {};
}

LookupTicket Node::start_lookup(Now now, const VmAddress& address, bool refresh) {
  const LookupTicket ticket = impl_->start_lookup(now, address, refresh);
  impl_->pump(now);
  return ticket;
}

void Node::shut_down(Now now) {
  impl_->is_shut_down = true;
  std::vector<MacAddress> live;
  for (const auto& [mac, vm] : impl_->vms.vms()) {
    if (vm.is_live()) live.push_back(mac);
  }
  for (const MacAddress& mac : live) impl_->release_vm(now, mac, "reason=shutdown");
  impl_->send_pushes(now);
  // Messages queued before the goodbye leave before it.
  while (auto datagram = impl_->peers.poll_transmit(now)) impl_->transmits.push_back(std::move(*datagram));
  impl_->peers.disconnect_all(now, CloseReason::GoingDown);
}

std::optional<OutgoingDatagram> Node::poll_transmit(Now now) {
  if (auto datagram = take_front(impl_->transmits)) return datagram;
  return impl_->peers.poll_transmit(now);
}

std::optional<WorkerCommand> Node::poll_command() {
  if (impl_->snapshot_dirty) {
    impl_->snapshot_dirty = false;
    return NewSnapshot{impl_->make_snapshot()};
  }
  return take_front(impl_->commands);
}

std::optional<DhtDatagram> Node::poll_dht_datagram() {
  return take_front(impl_->dht_datagrams);
}
std::optional<LookupResult> Node::poll_lookup() {
  return take_front(impl_->lookup_results);
}
std::optional<NodeEvent> Node::poll_event() {
  return take_front(impl_->events);
}
std::optional<TimePoint> Node::poll_timeout() const {
  return impl_->next_timeout();
}
NodeStatus Node::status() const {
  return impl_->status();
}
std::vector<PeerInfo> Node::peers() const {
  return impl_->peers.peers();
}

std::vector<VmStatus> Node::vms(Now now) const {
  std::vector<VmStatus> out;
  for (const auto& [mac, vm] : impl_->vms.vms()) {
    if (vm.machine.state() == VmState::Absent) continue;
    VmStatus status;
    status.mac = mac;
    status.ips = vm.claim.claim.ips;
    status.state = vm.machine.state();
    status.pinned = vm.machine.is_pinned();
    status.sequence = vm.claim.claim.sequence;
    status.age = now.steady - vm.machine.since();
    if (vm.is_forwarding()) status.forward_to = vm.forward_to;
    if (vm.is_expected()) {
      const SignedClaim* known = impl_->claims.find(VmAddress{mac});
      status.ips = known == nullptr ? std::vector<IpAddress>{} : known->claim.ips;
      status.sequence = known == nullptr ? 0 : known->claim.sequence;
      status.time_left = *vm.machine.deadline(VmTimer::Expected) - now.steady;
    }
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace rove
