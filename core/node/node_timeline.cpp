// What the timeline hears of: signals and steps. Moves begin and end with the events that report() passes on.
#include <utility>

#include "core/node/node_impl.h"

namespace rove {
namespace {

NodeEvent::Kind kind_of(MoveStep step) {
  switch (step) {
    case MoveStep::Pushed: return NodeEvent::Kind::VmClaimPushed;
    case MoveStep::Acknowledged: return NodeEvent::Kind::VmClaimAcknowledged;
    case MoveStep::Forwarded: return NodeEvent::Kind::VmFrameForwarded;
    case MoveStep::Direct: return NodeEvent::Kind::VmFrameDirect;
    case MoveStep::Redirected: return NodeEvent::Kind::VmRedirected;
  }
  return NodeEvent::Kind::VmRedirected;
}

}  // namespace

void Node::Impl::note_signal(Now now, const MacAddress& mac, SignalKind kind) {
  // A VM that is here needs none; of one that left a moment ago only queued frames come.
  if (vms.is_live(mac) || !vms.counts_as_evidence(now.steady, mac)) return;
  if (!timeline.handle_signal(now.steady, mac, kind)) return;
  report(now, NodeEvent::Kind::VmSignal, NodeId{}, mac, "signal=" + std::string{to_string(kind)});
}

void Node::Impl::note_step(Now now, const MacAddress& mac, MoveStep step, const NodeId& peer) {
  if (timeline.handle_step(now.steady, mac, step)) report(now, kind_of(step), peer, mac, "");
}

const Claim* Node::known_claim(const VmAddress& address) const {
  const SignedClaim* claim = impl_->claims.find_any(address);
  return claim == nullptr ? nullptr : &claim->claim;
}

std::optional<VmMoves> Node::moves(const VmAddress& address) const {
  MacAddress mac;
  if (address.is_mac()) {
    mac = address.mac();
  } else if (const LocalVm* vm = impl_->vms.find_live(address.ip())) {
    mac = vm->mac;
  } else if (const SignedClaim* claim = impl_->claims.find_any(address)) {
    mac = claim->claim.mac;
  } else {
    return std::nullopt;
  }
  const std::deque<Move>* moves = impl_->timeline.find(mac);
  if (moves == nullptr) return std::nullopt;
  return VmMoves{mac, {moves->begin(), moves->end()}};
}

}  // namespace rove
