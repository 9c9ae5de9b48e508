// Frames that the packet path does not decide on.
//
// From the TAP: parse → is the sender here? (claims it, if new) → request for a neighbour: answered from a fresh
// claim, else asked for → group: to all → unicast: to its node, or held until that is known.
// From a peer: a source it has not proven yet: held, the peer is asked for its claim, delivered or dropped.
#include <algorithm>
#include <utility>

#include "core/forward/source_check.h"
#include "core/node/node_impl.h"
#include "core/wire/neighbor.h"

namespace rove {
namespace {

// The IP that a frame of a local VM shows as the VM's own: never a group's, a probe's, or one to be routed.
std::optional<IpAddress> shown_ip(const FrameInfo& info) {
  std::optional<IpAddress> ip = info.source_ip;
  // An advertisement may be sent from the link-local address for a global one.
  if (info.kind == FrameKind::NeighborAdvertisement && info.nd_target) ip = info.nd_target;
  if (!ip || ip->is_unspecified() || ip->is_multicast() || ip->is_link_local() || ip->is_loopback())
    return std::nullopt;
  return ip;
}

}  // namespace

void Node::Impl::handle_frame(Now now, BytesView frame) {
  const auto info = parse_frame(frame);
  if (!info) {
    ++counters.frames_bad;
    return;
  }
  if (is_own_mac(info->source)) return;
  note_alive(now, info->source);
  note_signal(now, info->source, signal_of(*info));
  const bool announces = is_gratuitous_arp(*info) || info->kind == FrameKind::NeighborAdvertisement;
  if (!note_presence(now, info->source, info->is_rarp() ? std::nullopt : shown_ip(*info), announces)) {
    ++counters.frames_stale;
    return;
  }
  if (info->destination == config.probe_mac) return;  // an answer, to us
  route_frame(now, frame, *info);
}

void Node::Impl::route_frame(Now now, BytesView frame, const FrameInfo& info) {
  if (find_asked(info) && answer_neighbor(now, frame, info)) return;
  if (info.destination.is_group()) {
    flood(now, frame);
  } else {
    route_unicast(now, frame, info);
  }
}

void Node::Impl::route_unicast(Now now, BytesView frame, const FrameInfo& info) {
  if (vms.is_live(info.destination)) return;  // the bridge delivers it by itself
  const SignedClaim* claim = claims.find(VmAddress{info.destination});
  if (claim != nullptr && claim->claim.owner != own_key) {
    const NodeId owner = node_id_of(claim->claim.owner);
    if (peers.is_up(owner)) {
      emit(SendFrame{owner, 0, Bytes{frame.begin(), frame.end()}});
      return;
    }
    reach(now, owner);
  }
  switch (resolver.handle_miss(now.steady, VmAddress{info.destination}, frame)) {
    case Resolver::Outcome::Held: break;
    case Resolver::Outcome::Negative: flood(now, frame); break;
    case Resolver::Outcome::Full: ++counters.resolving_limited; break;
  }
}

bool Node::Impl::answer_neighbor(Now now, BytesView frame, const FrameInfo& info) {
  const IpAddress target = *find_asked(info);
  // Only the true owner may answer who checks an address before using it: all hear the question.
  if (is_address_probe(info)) return false;
  if (vms.find_live(target) != nullptr) return true;
  const VmAddress address{target};
  const SignedClaim* claim = claims.find(address);
  if (claim != nullptr && claim->claim.owner != own_key && is_fresh(now, address, claim->claim)) {
    if (claim->claim.mac == info.source) return true;  // it asks for itself
    auto answer = make_neighbor_answer(info, claim->claim.mac);
    if (!answer) return false;
    ++counters.neighbor_answers;
    emit(WriteFrame{std::move(*answer)});
    return true;
  }
  const bool ours = std::any_of(config.subnets.begin(), config.subnets.end(),
                                [&target](const Prefix& subnet) { return subnet.contains(target); });
  if (!ours) return false;  // link-local and foreign addresses are claimed by nobody: all are asked
  switch (resolver.handle_miss(now.steady, address, frame)) {
    case Resolver::Outcome::Held: return true;
    case Resolver::Outcome::Negative: return false;
    case Resolver::Outcome::Full: ++counters.resolving_limited; return true;
  }
  return true;
}

void Node::Impl::flood(Now now, BytesView frame) {
  if (!flood_bucket.take(now.steady)) {
    ++counters.floods_limited;
    return;
  }
  ++counters.floods;
  for (const PeerInfo& peer : peers.peers()) {
    if (peer.up) emit(SendFrame{peer.id, 0, Bytes{frame.begin(), frame.end()}});
  }
}

void Node::Impl::release_held(Now now, const VmAddress& address) {
  for (const Bytes& frame : resolver.take_resolved(address)) {
    if (const auto info = parse_frame(frame)) route_frame(now, frame, *info);
  }
}

// Nobody claims it: the frames go to all, so that a VM that was silent so far hears them, answers and is claimed.
void Node::Impl::release_negative(Now now, const VmAddress& address) {
  for (const Bytes& frame : resolver.take_negative(now.steady, address)) flood(now, frame);
}

// ---- frames of peers whose source is not proven yet ------------------------------------------------

bool Node::Impl::is_proven(const NodeId& peer, const FrameInfo& info) const {
  const SignedClaim* claim = claims.find(VmAddress{info.source});
  if (claim == nullptr || node_id_of(claim->claim.owner) != peer) return false;
  VmView view;
  view.ips = claim->claim.ips;
  return has_own_source(info, view);
}

void Node::Impl::handle_unproven(Now now, const NodeId& peer, BytesView frame) {
  const auto info = parse_frame(frame);
  if (!info) {
    ++counters.frames_bad;
    return;
  }
  if (is_proven(peer, *info)) {  // the claim came while the frame was on its way to us
    deliver(frame, *info);
    return;
  }
  const auto certificate = directory.find_certificate(now.wall, peer);
  const std::optional<IpAddress> ip = info->is_rarp() ? std::nullopt : shown_ip(*info);
  const bool possible = certificate != nullptr && (!ip || certificate->allows(*ip)) && unproven.size() < kUnprovenMax;
  if (!possible) {
    ++counters.unproven_dropped;
    return;
  }
  const bool asked = std::any_of(unproven.begin(), unproven.end(), [&](const Unproven& held) {
    return held.peer == peer && held.source == info->source;
  });
  ++counters.unproven_held;
  unproven.push_back({peer, info->source, now.steady + kUnprovenTime, Bytes{frame.begin(), frame.end()}});
  if (!asked) peers.send(now, peer, ClaimRequestMessage{VmAddress{info->source}});
}

void Node::Impl::deliver(BytesView frame, const FrameInfo& info) {
  ++counters.unproven_delivered;
  const SignedClaim* claim = claims.find(VmAddress{info.destination});
  const bool elsewhere = claim != nullptr && claim->claim.owner != own_key && !vms.is_live(info.destination);
  if (elsewhere) return;  // the sender was told already, when its earlier frames were misdirected
  emit(WriteFrame{Bytes{frame.begin(), frame.end()}});
}

void Node::Impl::retry_unproven(Now now, const NodeId& peer) {
  std::deque<Unproven> rest;
  for (Unproven& held : std::exchange(unproven, {})) {
    const auto info = parse_frame(held.frame);
    if (held.peer == peer && info && is_proven(peer, *info)) {
      deliver(held.frame, *info);
    } else {
      rest.push_back(std::move(held));
    }
  }
  unproven = std::move(rest);
  expire_unproven(now);
}

void Node::Impl::expire_unproven(Now now) {
  while (!unproven.empty() && unproven.front().deadline <= now.steady) {
    ++counters.unproven_dropped;
    unproven.pop_front();
  }
}

}  // namespace rove
