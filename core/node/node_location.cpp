// The location service and the directory: records that come in, questions that go out, watches.
#include <algorithm>
#include <utility>

#include "core/node/node_impl.h"

namespace rove {

void Node::Impl::handle_location(Now now) {
  while (auto event = location.poll_event()) {
    if (const auto* found = std::get_if<RecordFound>(&*event)) {
      handle_found(now, *found);
    } else if (const auto* done = std::get_if<LookupDone>(&*event)) {
      handle_lookup_done(now, *done);
    } else if (const auto* status = std::get_if<LocationStatus>(&*event)) {
      if (status->connected != location_status.connected) {
        report(now, status->connected ? NodeEvent::Kind::LocationConnected : NodeEvent::Kind::LocationDisconnected,
               NodeId{}, std::nullopt, "nodes=" + std::to_string(status->nodes));
        if (status->connected) look_for_addresses();
      }
      location_status = *status;
    }
  }
}

// A VM that was found in the bridge when nobody could be asked, and that says nothing: its earlier claim has them.
void Node::Impl::look_for_addresses() {
  for (const auto& [mac, vm] : vms.vms()) {
    if (vm.is_live() && vm.claim.claim.ips.empty()) (void)location.lookup(keys.of(VmAddress{mac}), true);
  }
}

void Node::Impl::handle_found(Now now, const RecordFound& found) {
  switch (found.record.kind) {
    case RecordKind::NodeRecord: offer_node_record(now, found.record.bytes, NodeId{}); return;
    case RecordKind::Certificate: offer_certificate(now, found.record.bytes); return;
    case RecordKind::Claim: break;
  }
  if (found.lookup) {
    for (OperatorLookup& lookup : operator_lookups) {
      if (lookup.lookup != *found.lookup) continue;
      if (auto claim = decode_claim(found.record.bytes, network)) {
        lookup.found.emplace(claim->id, std::move(*claim));
      } else {
        const bool forged = claim.error() == make_error_code(Error::BadSignature);
        lookup.add_step(now.steady,
                        {.kind = LookupStep::Kind::Answer,
                         .from = "dht",
                         .node = {},
                         .sequence = {},
                         .verified = false,
                         .verdict = forged ? "refused: its signature does not verify" : "refused: no claim"});
      }
    }
  }
  accept_claim(now, found.record.bytes, LookupSource::Dht, NodeId{});
}

void Node::Impl::handle_lookup_done(Now now, const LookupDone& done) {
  if (const auto arrival = arrival_lookups.find(done.lookup); arrival != arrival_lookups.end()) {
    const MacAddress mac = arrival->second;
    arrival_lookups.erase(arrival);
    // A claim that waits for its certificate may still name the addresses: then the arrival's own time runs.
    const auto it = arrivals.find(mac);
    if (it != arrivals.end() && it->second.certain && !directory.has_held_claim(VmAddress{mac})) {
      it->second.deadline = now.steady;
      finish_arrivals(now);
    }
  }
  if (const auto address = resolver.find_by_lookup(done.lookup)) {
    const SignedClaim* claim = claims.find(*address);
    const bool hopeful = (claim != nullptr && claim->claim.owner != own_key) || directory.has_held_claim(*address);
    if (!hopeful) {
      release_negative(now, *address);
    } else if (is_ready(now, *address)) {
      release_held(now, *address);
    }
  }
  for (OperatorLookup& lookup : operator_lookups) {
    if (lookup.lookup != done.lookup) continue;
    lookup.done = true;
    lookup.reached = done.reached;
    lookup.add_step(now.steady, {.kind = LookupStep::Kind::Done,
                                 .from = "dht",
                                 .node = {},
                                 .sequence = {},
                                 .verified = {},
                                 .verdict = done.reached ? "no more answers" : "no other node answers"});
    const bool waits = std::any_of(lookup.found.begin(), lookup.found.end(), [&](const auto& entry) {
      return directory.find_certificate(now.wall, node_id_of(entry.second.claim.owner)) == nullptr;
    });
    lookup.deadline = waits ? std::min(lookup.deadline, now.steady + kCertificateWait) : now.steady;
  }
  finish_lookups(now);
}

void Node::Impl::offer_node_record(Now now, BytesView encoded, const NodeId& bringer) {
  auto record = decode_node_record(encoded, network);
  if (!record) {
    ++counters.node_records_bad;
    return;
  }
  const NodeId node = node_id_of(record->record.node);
  if (node == own_id) return;
  const SignedNodeRecord* known = directory.find_record(node);
  const bool moved = known == nullptr || known->record.endpoints != record->record.endpoints;
  if (!directory.offer_record(now, *record)) return;
  // News of a place goes round; a mere refresh comes to everybody from its own node.
  if (moved) {
    for (const PeerInfo& peer : peers.peers()) {
      if (peer.up && peer.id != bringer && peer.id != node) {
        peers.send(now, peer.id, NodeRecordsMessage{{record->encoded}});
      }
    }
  }
  const bool over = record->record.not_after < now.wall;
  if (!over && (peers.find_peer(node) || peers.peers().size() < kMeshMax || record_asked.contains(node))) {
    record_asked.erase(node);
    peers.connect(now, record->record.node, record->record.endpoints);
  }
}

void Node::Impl::offer_certificate(Now now, BytesView der) {
  const auto certificate = directory.offer_certificate(now, der);
  if (!certificate) {
    ++counters.certificates_bad;
    return;
  }
  location.add_certificate((*certificate)->id(), (*certificate)->der());
  trace_certificate(now, (*certificate)->id());
  process_held_claims(now, (*certificate)->id());
}

void Node::Impl::process_held_claims(Now now, const NodeId& owner) {
  const auto certificate = directory.find_certificate(now.wall, owner);
  if (certificate == nullptr) return;
  for (const SignedClaim& claim : directory.take_held_claims(owner)) {
    judge_claim(now, claim, *certificate, LookupSource::Dht, NodeId{});
  }
  finish_lookups(now);
}

void Node::Impl::ask_questions() {
  while (const auto address = resolver.poll_question()) {
    resolver.set_lookup(*address, location.lookup(keys.of(*address), true));
  }
}

void Node::Impl::ask_certificate(Now now, const NodeId& owner, const NodeId& bringer) {
  if (!bringer.is_zero()) peers.send(now, bringer, CertificateRequestMessage{owner});
  (void)location.lookup(keys.of_certificate(owner), false);  // what comes back is a certificate, whoever asked
}

void Node::Impl::reach(Now now, const NodeId& node) {
  if (node == own_id || peers.is_up(node)) return;
  if (const SignedNodeRecord* record = directory.find_record(node)) {
    peers.connect(now, record->record.node, record->record.endpoints);
    return;
  }
  const auto asked = record_asked.find(node);
  if (asked != record_asked.end() && now.steady - asked->second < kRecordAskInterval) return;
  if (record_asked.size() >= kDirectoryMax) record_asked.clear();
  record_asked[node] = now.steady;
  (void)location.lookup(keys.of_node_record(node), false);  // what comes back is a record, whoever asked
}

void Node::Impl::note_route_used(Now now, const MacAddress& vm) {
  claims.touch(VmAddress{vm});
  const auto it = watches.find(vm);
  if (it != watches.end()) {
    it->second = now.steady;
    return;
  }
  if (watches.size() >= kWatchesMax || vms.is_live(vm)) return;
  watches[vm] = now.steady;
  location.watch(keys.of(VmAddress{vm}));
}

void Node::Impl::expire_watches(Now now) {
  for (auto it = watches.begin(); it != watches.end();) {
    if (now.steady - it->second < kWatchTime) {
      ++it;
      continue;
    }
    location.unwatch(keys.of(VmAddress{it->first}));
    it = watches.erase(it);
  }
}

bool Node::Impl::is_fresh(Now now, const VmAddress& address, const Claim& claim) const {
  if (peers.is_up(node_id_of(claim.owner))) return true;
  const auto confirmed = claims.confirmed_at(address);
  return confirmed && now.steady - *confirmed <= kFreshTime;
}

// Whether frames for this address can be dealt with: a MAC needs a session with its owner, an IP a fresh claim.
bool Node::Impl::is_ready(Now now, const VmAddress& address) const {
  const SignedClaim* claim = claims.find(address);
  if (claim == nullptr || claim->claim.owner == own_key) return false;
  return address.is_mac() ? peers.is_up(node_id_of(claim->claim.owner)) : is_fresh(now, address, claim->claim);
}

void Node::Impl::settle(Now now, const Claim& claim) {
  std::vector<VmAddress> addresses{VmAddress{claim.mac}};
  for (const IpAddress& ip : claim.ips) addresses.emplace_back(ip);
  for (const VmAddress& address : addresses) {
    if (!resolver.is_waiting(address)) continue;
    if (is_ready(now, address)) {
      release_held(now, address);
    } else if (claim.owner != own_key && claim.state == ClaimState::Live) {
      reach(now, node_id_of(claim.owner));
    }
  }
}

}  // namespace rove
