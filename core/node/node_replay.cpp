// Frames for a VM that moves: what its old hypervisor never read goes to its new host, first and in order.
//
// Here at the old host:  yield_to → begin_replay: newer frames are held; Echo → the bridge sends the VM's frames to us
// →
//   CaptureRequest → handle_captured → sent on, `replay-end`, what was held.
// Here at the new host:  claim_here → expect_replay: what comes straight from its senders is held until then.
// Here at any sender:    note_path_switch: markers on both ways tell where the old one ends.
// docs/protocol.md §2.1 has the times.
#include <algorithm>
#include <utility>

#include "core/base/address.h"
#include "core/node/node_impl.h"

namespace rove {
// ---- at the old host -----------------------------------------------------------------------------

void Node::Impl::begin_replay(Now now, const MacAddress& mac) {
  const TimePoint until = now.steady + kReplayTime;
  // The hold of an unplugged VM goes on: what it keeps comes after the replay.
  holds[mac] = {continue_unplugged(now, mac), until, until, false};
  replays[mac] = now.steady + kCaptureTime;
  // Behind the frames that move the bridge's entry: what is captured is all that the old port will get.
  emit(Echo{mac});
}

void Node::Impl::handle_echo(Now now, const MacAddress& mac) {
  end_detour(now, mac);
  if (!replays.contains(mac)) return;
  if (!config.replays_frames) return finish_replay(now, mac, {}, 0);
  const LocalVm* vm = vms.find(mac);
  const bool continues = vm != nullptr && continues_advance(mac, vm->forward_to);
  if (capture_requests.size() < kOutputsMax) capture_requests.push_back({mac, !continues});
}

bool Node::Impl::hand_over(const NodeId& to, PortFrame frame, FrameHashes& sent) {
  if (frame.frame.size() > config.inner_mtu + kLinkOverhead) return false;
  sent.insert(hash_bytes(frame.frame));
  const std::uint8_t checksum = frame.needs_checksum ? kFlagNeedsChecksum : 0;
  emit(SendFrame{to, static_cast<std::uint8_t>(kForwardedOnce | checksum), std::move(frame.frame)});
  return true;
}

void Node::Impl::finish_replay(Now now, const MacAddress& mac, std::vector<PortFrame> frames, std::uint64_t missing) {
  const auto replay = replays.find(mac);
  if (replay == replays.end()) return;  // too late, or the VM is back
  replays.erase(replay);
  const LocalVm* vm = vms.find(mac);
  if (vm == nullptr || !vm->is_forwarding()) return;
  const NodeId to = vm->forward_to;

  auto handed_over = std::make_shared<FrameHashes>();
  std::size_t ahead = 0;
  if (auto advance = advances.extract(mac); !advance.empty()) {
    ahead = advance.mapped().sent.size();
    *handed_over = std::move(advance.mapped().sent);
  }
  for (PortFrame& frame : frames) {
    if (!hand_over(to, std::move(frame), *handed_over)) ++missing;
  }
  const std::size_t sent = handed_over->size() - ahead;
  counters.frames_replayed += sent;
  counters.frames_not_replayed += missing;
  handed_over_frames[mac] = {std::move(handed_over), now.steady + kForwardingTime};
  emit(SendMarker{to, {MarkerKind::ReplayEnd, mac, own_id}});
  std::erase_if(early_switches, [&](const EarlySwitch& early) {
    if (early.vm != mac) return false;
    emit(SendMarker{to, {MarkerKind::PathSwitch, mac, early.peer}});
    return true;
  });
  emit(EndHold{mac});
  report(now, NodeEvent::Kind::VmReplayed, to, mac,
         "frames=" + std::to_string(sent) + " ahead=" + std::to_string(ahead) + " missing=" + std::to_string(missing));
}

// The claim that moved the VM reaches us a moment later; the marker must follow what we replay then.
void Node::Impl::handle_early_switch(Now now, const EarlySwitch& early) {
  if (early_switches.empty()) early_switches_until = now.steady + kEarlySwitchTime;
  if (early_switches.size() < kEarlySwitchesMax) early_switches.push_back(early);
}

// Its hypervisor has left the port and nobody has claimed it elsewhere yet: there is nobody to give frames to, but soon
// there will be.
void Node::Impl::hold_unplugged(Now now, const MacAddress& mac) {
  const TimePoint until = now.steady + kUnpluggedTime;
  // The bridge and the port both tell of it: a new hold would release what waits in the first.
  holds[mac] = {continue_unplugged(now, mac), until, until, true};
  refresh_view(mac);
}

std::uint64_t Node::Impl::continue_unplugged(Now now, const MacAddress& mac) {
  const auto known = holds.find(mac);
  const bool goes_on = known != holds.end() && known->second.unplugged && now.steady < known->second.until;
  return goes_on ? known->second.id : ++last_hold;
}

void Node::Impl::end_unplugged(const MacAddress& mac) {
  const auto hold = holds.find(mac);
  if (hold == holds.end() || !hold->second.unplugged) return;
  emit(EndHold{mac});
  hold->second.unplugged = false;
}

bool Node::Impl::is_unplugged(const MacAddress& mac) const {
  const auto hold = holds.find(mac);
  return hold != holds.end() && hold->second.unplugged;
}

// ---- at the new host -----------------------------------------------------------------------------

void Node::Impl::expect_replay(Now now, const MacAddress& mac, const NodeId& previous) {
  replays.erase(mac);
  holds.erase(mac);
  end_advance(mac);
  const auto peer = peers.find_peer(previous);
  if (!peer || !peer->up) return;
  const Duration rtt = std::min<Duration>(peer->rtt.value_or(kHoldRttUnknown), kHoldRttMax);
  holds[mac] = {++last_hold, now.steady + rtt + kHoldSlack, now.steady + 2 * (rtt + kHoldSlack), false};
}

// ---- at a sender ---------------------------------------------------------------------------------

void Node::Impl::note_path_switch(const MacAddress& mac, const NodeId& from, const NodeId& to) {
  const bool ours = from == own_id || to == own_id || vms.is_live(mac);
  if (ours || from == to || !watches.contains(mac) || !peers.is_up(from) || !peers.is_up(to)) return;
  emit(SendMarker{to, {MarkerKind::SwitchAhead, mac, own_id}});
  emit(SendMarker{from, {MarkerKind::PathSwitch, mac, own_id}});
}

// ---- common --------------------------------------------------------------------------------------

void Node::Impl::expire_replays(Now now) {
  std::vector<MacAddress> late;
  for (const auto& [mac, deadline] : replays) {
    if (deadline <= now.steady) late.push_back(mac);
  }
  for (const MacAddress& mac : late) {
    ++counters.replays_late;
    finish_replay(now, mac, {}, 0);
  }
  std::erase_if(holds, [&](const auto& entry) {
    // A little longer than the packet path may still hold: refresh_view() must not take it from under it.
    return entry.second.until_max + kHoldSlack <= now.steady;
  });
  std::erase_if(handed_over_frames, [&](const auto& entry) { return entry.second.until <= now.steady; });
  if (early_switches_until <= now.steady) early_switches.clear();
}

std::optional<TimePoint> Node::Impl::replay_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [mac, deadline] : replays) next = earlier(next, deadline);
  for (const auto& [mac, advance] : advances) next = earlier(next, advance.until);
  return next;
}

void Node::Impl::add_replay_view(const MacAddress& mac, VmView& view) const {
  if (const auto hold = holds.find(mac); hold != holds.end()) view.hold = hold->second;
  const auto handed = handed_over_frames.find(mac);
  if (handed != handed_over_frames.end() && view.place == VmView::Place::Local) {
    view.handed_over = handed->second.frames;
  }
}

void Node::handle_port_closed(Now now, const MacAddress& vm) {
  const bool was_live = impl_->vms.is_live(vm);
  const VmAction action = impl_->vms.handle(now.steady, vm, VmEvent::Unplugged);
  if (action == VmAction::Forget) impl_->leave_conflict(now, vm, "reason=gone-here");
  if (!was_live) return;
  impl_->handle_vm_unplugged(now, vm);
  // Its neighbours' frames come to us, to be held too; the kernel goes on giving them to the closed port for a while.
  impl_->take_over_entry(vm);
  impl_->pump(now);
}

void Node::handle_captured(Now now, const MacAddress& vm, std::vector<PortFrame> frames, std::uint64_t missing) {
  impl_->finish_replay(now, vm, std::move(frames), missing);
  impl_->pump(now);
}

std::optional<CaptureRequest> Node::poll_capture_request() {
  return take_front(impl_->capture_requests);
}

}  // namespace rove
