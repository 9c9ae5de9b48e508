// VMs that moved without a word: nothing announced them, or nobody lived to hear it.
//
// Frames go to a VM here and it says nothing → it is asked → no answer: it is searched for. Frames go to a peer and
// nothing comes back → it is asked → no answer: all VMs there that are in use are searched for. A search asks every
// peer, and every peer asks its own bridge; the VM's answer is the evidence on which its new host claims it.
#include <algorithm>

#include "core/forward/silence.h"
#include "core/node/node_impl.h"
#include "core/wire/neighbor.h"

namespace rove {

void Node::Impl::handle_vm_silent(Now now, const MacAddress& mac) {
  const LocalVm* vm = vms.find(mac);
  if (vm == nullptr || !vm->is_live()) return;
  if (silent_vms.handle_silent(now.steady, mac, kVmAnswerTime)) ask_presence(mac, vm->claim.claim.ips);
}

void Node::Impl::handle_vm_unplugged(Now now, const MacAddress& mac) {
  arrivals.erase(mac);    // it left before it was claimed
  silent_vms.erase(mac);  // no trust, no waiting: it left its place
  if (vms.is_live(mac)) hold_unplugged(now, mac);
  handle_vm_silent(now, mac);
}

void Node::Impl::handle_peer_silent(Now now, const NodeId& peer) {
  const auto info = peers.find_peer(peer);
  if (!info || !info->up || now.steady - info->last_heard < kSilentAfter) return;
  const Duration round_trip = info->rtt.value_or(Duration{0});
  const Duration answer_time = std::max<Duration>(kPeerAnswerTimeMin, 3 * round_trip);
  if (silent_peers.handle_silent(now.steady, peer, answer_time)) peers.ping(now, peer);
}

void Node::Impl::finish_silences(Now now) {
  for (const auto& due : silent_vms.take_due(now.steady)) {
    const LocalVm* vm = vms.find(due.key);
    if (vm == nullptr || !vm->is_live()) {
      silent_vms.erase(due.key);
      continue;
    }
    search(now, due.key, vm->claim.claim.ips, NodeId{});
  }
  for (const auto& due : silent_peers.take_due(now.steady)) {
    const auto info = peers.find_peer(due.key);
    if (info && info->last_heard >= due.asked_at) {
      silent_peers.handle_heard(now.steady, due.key);
      continue;
    }
    std::size_t searched = 0;
    for (const auto& [mac, used] : watches) {
      const SignedClaim* claim = claims.find(VmAddress{mac});
      if (claim == nullptr || node_id_of(claim->claim.owner) != due.key) continue;
      if (++searched > kSearchesAtOnce) break;
      ask_presence(std::nullopt, claim->claim.ips);
      search(now, mac, claim->claim.ips, due.key);
    }
  }
}

void Node::Impl::search(Now now, const MacAddress& mac, const std::vector<IpAddress>& ips, const NodeId& silent) {
  ++counters.searches;
  for (const PeerInfo& peer : peers.peers()) {
    if (peer.up && peer.id != silent) peers.send(now, peer.id, SearchMessage{mac, ips});
  }
  // Its new host may have claimed it while we were not to be told.
  (void)location.lookup(keys.of(VmAddress{mac}), true);  // any claim that is found is judged, whoever asked
}

void Node::Impl::handle_search(Now now, const NodeId& peer, const SearchMessage& message) {
  if (const LocalVm* vm = vms.find(message.mac); vm != nullptr && vm->is_live()) {
    peers.send(now, peer, ClaimsMessage{{vm->claim.encoded}});
    return;
  }
  if (!search_bucket.take(now.steady)) {
    ++counters.searches_limited;
    return;
  }
  // To all of the bridge: it still believes that the VM is behind our TAP, and would not send it anywhere.
  ask_presence(std::nullopt, message.ips);
}

// A probe shows no sender address, so that no cache learns anything from it. The answer goes to a MAC that the bridge
// has just learned behind our TAP.
void Node::Impl::ask_presence(const std::optional<MacAddress>& at, const std::vector<IpAddress>& ips) {
  for (const IpAddress& ip : ips) {
    if (!may_claim_ip(ip)) continue;
    const Neighbor nobody{config.probe_mac, ip.is_v4() ? IpAddress{} : *parse_ip("::")};
    emit(WriteFrame{ip.is_v4() ? make_arp_request(nobody, ip, at.value_or(MacAddress::broadcast()))
                               : make_neighbor_solicitation(nobody, ip, at)});
  }
}

}  // namespace rove
