// VMs that are about to come: an operator, or the hypervisor's hook, says so ahead.
//
// The VM's claim tells its addresses and its host → a session with that → `prepare`: who talks with it? → sessions with
// those. Nothing is claimed before the VM's first sign; then the claim goes to its old host and to these, even where
// the old host's daemon cannot tell them any more.
#include <algorithm>
#include <utility>

#include "core/node/node_impl.h"

namespace rove {
namespace {

// Sends the records in as few messages as they fit in.
template <typename Message>
void send_records(Now now, PeerSet& peers, const NodeId& peer, const std::vector<Bytes>& records) {
  Message message;
  for (const Bytes& record : records) {
    if (encoded_size(message) + record.size() + 2 > kControlPlaintextMax) {
      peers.send(now, peer, message);
      message.records.clear();
    }
    message.records.push_back(record);
  }
  if (!message.records.empty()) peers.send(now, peer, message);
}

}  // namespace

// ---- the new host -------------------------------------------------------------------------------

void Node::Impl::prepare_vm(Now now, const MacAddress& mac, unsigned port) {
  if (vms.handle_prepare(now.steady, mac) != VmAction::Prepare) return;
  const auto [it, is_new] = preparations.try_emplace(mac);
  it->second.until = now.steady + kExpectedTime;
  it->second.next = now.steady;
  it->second.interval = kPrepareRepeat;
  if (port != 0) begin_detour(mac, port);
  refresh_view(mac);
  if (is_new) {
    const SignedClaim* known = claims.find(VmAddress{mac});
    report(now, NodeEvent::Kind::VmPrepared, known == nullptr ? NodeId{} : node_id_of(known->claim.owner), mac, "");
  }
  run_preparations(now);
}

void Node::Impl::run_preparations(Now now) {
  for (auto it = preparations.begin(); it != preparations.end();) {
    if (it->second.until > now.steady) {
      ++it;
      continue;
    }
    const MacAddress mac = it->first;
    it = preparations.erase(it);
    refresh_view(mac);
  }
  for (auto& [mac, preparation] : preparations) {
    if (preparation.next <= now.steady) ask_about_expected(now, mac, preparation);
    const SignedClaim* claim = claims.find(VmAddress{mac});
    // At a known port somebody watches its hypervisor; there a question would only make the guest, which has everything
    // else to do in that moment, answer it first.
    if (claim == nullptr || detours.contains(mac) || preparation.next_probe > now.steady) continue;
    preparation.next_probe = now.steady + preparation.probe_interval;
    preparation.probe_interval = std::min<Duration>(2 * preparation.probe_interval, kExpectedAskIntervalMax);
    ask_presence(std::nullopt, claim->claim.ips);
  }
}

void Node::Impl::ask_about_expected(Now now, const MacAddress& mac, Preparation& preparation) {
  preparation.next = now.steady + kPrepareSearchInterval;
  const SignedClaim* claim = claims.find(VmAddress{mac});
  if (claim == nullptr) {
    (void)location.lookup(keys.of(VmAddress{mac}), true);  // any claim that is found is judged, whoever asked
    for (const PeerInfo& peer : peers.peers()) {
      if (peer.up) peers.send(now, peer.id, ClaimRequestMessage{VmAddress{mac}});
    }
    return;
  }
  const NodeId owner = node_id_of(claim->claim.owner);
  if (owner == own_id) return;
  if (!peers.is_up(owner)) return reach(now, owner);
  preparation.asked = owner;
  preparation.next = now.steady + preparation.interval;
  preparation.interval = std::min<Duration>(2 * preparation.interval, kPrepareRefresh);
  peers.send(now, owner, PrepareMessage{mac});
}

// Its host, or a session with that, was waited for.
void Node::Impl::resume_preparation(Now now, const MacAddress& mac) {
  const auto it = preparations.find(mac);
  if (it == preparations.end()) return;
  it->second.next = now.steady;
  it->second.interval = kPrepareRepeat;
  run_preparations(now);
}

void Node::Impl::resume_preparations_with(Now now, const NodeId& peer) {
  for (auto& [mac, preparation] : preparations) {
    const SignedClaim* claim = claims.find(VmAddress{mac});
    if (claim == nullptr || node_id_of(claim->claim.owner) != peer) continue;
    preparation.next = now.steady;
    preparation.interval = kPrepareRepeat;
  }
  run_preparations(now);
}

void Node::Impl::handle_correspondents(Now now, const NodeId& peer, const CorrespondentsMessage& message) {
  const auto it = preparations.find(message.mac);
  if (it == preparations.end() || it->second.asked != peer) {
    ++counters.correspondents_refused;
    return;
  }
  Preparation& preparation = it->second;
  // One answer to each question: a host that goes on and on cannot make us look for nodes without end.
  preparation.asked.reset();
  preparation.next = now.steady + kPrepareRefresh;
  preparation.interval = kPrepareRepeat;
  preparation.correspondents = message.nodes;
  for (const NodeId& node : message.nodes) reach(now, node);
}

std::vector<NodeId> Node::Impl::take_correspondents(const MacAddress& mac) {
  const auto preparation = preparations.extract(mac);
  return preparation.empty() ? std::vector<NodeId>{} : std::move(preparation.mapped().correspondents);
}

// It was prepared for while it was still being forwarded, and that is over: now it is expected as any other.
void Node::Impl::expect_return(Now now, const MacAddress& mac) {
  const auto preparation = preparations.find(mac);
  if (preparation == preparations.end()) return;
  (void)vms.handle_prepare(now.steady, mac);
  preparation->second.until = now.steady + kExpectedTime;
  refresh_view(mac);
  const SignedClaim* known = claims.find(VmAddress{mac});
  report(now, NodeEvent::Kind::VmPrepared, known == nullptr ? NodeId{} : node_id_of(known->claim.owner), mac, "");
}

// It is Absent again.
void Node::Impl::forget_expected(Now now, const MacAddress& mac, std::string reason) {
  preparations.erase(mac);
  refresh_view(mac);
  const LocalVm* vm = vms.find(mac);
  // A `gone` of an earlier stay here has its own time.
  if (vm != nullptr && !vm->machine.deadline(VmTimer::Gone)) {
    if (!vm->claim.encoded.empty()) withdraw(vm->claim);
    vms.erase(mac);
  }
  report(now, NodeEvent::Kind::VmPrepareEnded, NodeId{}, mac, std::move(reason));
}

// ---- the present host ---------------------------------------------------------------------------

void Node::Impl::handle_prepare(Now now, const NodeId& peer, const PrepareMessage& message) {
  LocalVm* vm = vms.find(message.mac);
  if (vm == nullptr || !vm->is_live()) {
    // Where it is now, if we know better than who asks.
    const SignedClaim* known = claims.find_any(VmAddress{message.mac});
    if (known != nullptr) peers.send(now, peer, ClaimsMessage{{known->encoded}});
    return;
  }
  // Only those to whom it could move may know who talks with it.
  const auto certificate = directory.find_certificate(now.wall, peer);
  const bool may_claim = certificate != nullptr && certificate->allows_all(vm->claim.claim.ips);
  if (may_claim) note_expected_by(now, *vm, peer);
  if (!may_claim || !search_bucket.take(now.steady)) {
    ++counters.prepares_refused;
    return;
  }
  std::vector<std::pair<TimePoint, MacAddress>> used;
  for (const auto& [mac, when] : watches) used.emplace_back(when, mac);
  std::sort(used.begin(), used.end(), [](const auto& a, const auto& b) { return a > b; });

  CorrespondentsMessage answer{message.mac, {}};
  std::vector<Bytes> claim_records{vm->claim.encoded};
  std::vector<Bytes> node_records;
  for (const auto& [when, mac] : used) {
    const SignedClaim* claim = claims.find(VmAddress{mac});
    if (claim == nullptr || claim->claim.owner == own_key) continue;
    if (claim_records.size() <= kCorrespondentsMax) claim_records.push_back(claim->encoded);
    const NodeId owner = node_id_of(claim->claim.owner);
    const bool known = std::find(answer.nodes.begin(), answer.nodes.end(), owner) != answer.nodes.end();
    if (owner == peer || known || answer.nodes.size() >= kCorrespondentsMax) continue;
    answer.nodes.push_back(owner);
    if (const SignedNodeRecord* record = directory.find_record(owner)) node_records.push_back(record->encoded);
  }
  // Who only sends to it leaves no trace here; who was heard last may be one of them.
  std::vector<PeerInfo> others = peers.peers();
  std::sort(others.begin(), others.end(),
            [](const PeerInfo& a, const PeerInfo& b) { return a.last_heard > b.last_heard; });
  for (const PeerInfo& other : others) {
    const bool known = std::find(answer.nodes.begin(), answer.nodes.end(), other.id) != answer.nodes.end();
    if (!other.up || other.id == peer || known || answer.nodes.size() >= kCorrespondentsMax) continue;
    answer.nodes.push_back(other.id);
    if (const SignedNodeRecord* record = directory.find_record(other.id)) node_records.push_back(record->encoded);
  }
  // Who the nodes are goes first: their records then find the wish to reach them.
  peers.send(now, peer, answer);
  send_records<NodeRecordsMessage>(now, peers, peer, node_records);
  send_records<ClaimsMessage>(now, peers, peer, claim_records);
}

// ---- the operator -------------------------------------------------------------------------------

Result<PreparedVm> Node::prepare(Now now, const MacAddress& mac, unsigned port) {
  if (mac.is_group() || mac.is_zero() || impl_->is_own_mac(mac)) return fail(Error::Malformed);
  const SignedClaim* known = impl_->claims.find(VmAddress{mac});
  const bool is_foreign = known != nullptr && known->claim.owner != impl_->own_key;
  if (is_foreign && !impl_->own_certificate->allows_all(known->claim.ips)) return fail(Error::NotAllowed);
  const LocalVm* vm = impl_->vms.find(mac);
  if (vm != nullptr && vm->is_muted()) return fail(Error::WrongState);
  const bool is_limited = (vm == nullptr && impl_->vms.full()) ||
                          (impl_->preparations.size() >= kPreparationsMax && !impl_->preparations.contains(mac));
  if (is_limited && !impl_->vms.is_live(mac)) {
    ++impl_->counters.vms_limited;
    return fail(Error::LimitReached);
  }
  impl_->prepare_vm(now, mac, impl_->config.replays_frames ? port : 0);
  impl_->pump(now);

  vm = impl_->vms.find(mac);
  PreparedVm prepared;
  prepared.state = vm->machine.state();
  if (vm->is_expected()) prepared.time_left = *vm->machine.deadline(VmTimer::Expected) - now.steady;
  if (is_foreign) prepared.host = impl_->directory.name_of(node_id_of(known->claim.owner));
  return prepared;
}

}  // namespace rove
