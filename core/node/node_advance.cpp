// What a stopped hypervisor will not read is sent to where its VM is expected, before that VM is there.
// docs/protocol.md §2.2, docs/adr/0008.
//
//   `prepare` of another host → it is expected there
//   handle_stopped()          → replay-ahead; then a stream of all that comes to its port: handle_captured_ahead()
//   replay-kept               → the replay after its claim leaves out what was sent
//   it goes on here           → replay-off
#include <utility>

#include "core/forward/advance_table.h"
#include "core/node/node_impl.h"
#include "core/replay/port_ring.h"
#include "core/wire/header.h"

namespace rove {

static_assert(kAdvanceForwardedMax >= kPortFramesMax && kAdvanceKeptTime >= kAdvanceTime);

void Node::Impl::note_expected_by(Now now, LocalVm& vm, const NodeId& peer) {
  vm.expected_by = peer;
  vm.expected_by_until = now.steady + kExpectedByTime;
}

void Node::Impl::begin_advance(Now now, const MacAddress& mac) {
  const LocalVm* vm = vms.find(mac);
  const bool expected = vm != nullptr && vm->is_live() && now.steady < vm->expected_by_until;
  if (!expected || !config.replays_frames || !peers.is_up(vm->expected_by)) return;
  if (advances.size() >= kStoppedVmsMax || advances.contains(mac)) return;
  advances[mac] = {.to = vm->expected_by, .until = now.steady + kAdvanceTime};
  emit(SendMarker{vm->expected_by, {MarkerKind::ReplayAhead, mac, own_id}});
}

// The number of frames that its guest got is known: the capture can tell what it did not get.
void Node::Impl::stream_advance(const MacAddress& mac) {
  const auto advance = advances.find(mac);
  if (advance == advances.end() || std::exchange(advance->second.streams, true)) return;
  advance_requests.push_back({mac, true});
  if (advance->second.kept) advance_requests.push_back({mac, true});
}

void Node::Impl::handle_captured_ahead(const MacAddress& mac, std::vector<PortFrame> frames, AheadState state) {
  const auto advance = advances.find(mac);
  if (advance == advances.end()) return;  // given up; they are in the port's ring still
  if (state == AheadState::Resumed) return cancel_advance(mac);
  for (PortFrame& frame : frames) {
    const bool handed_over = hand_over(advance->second.to, std::move(frame), advance->second.sent);
    ++(handed_over ? counters.frames_replayed_ahead : counters.frames_not_replayed);
  }
  // What came since its hypervisor left its port is held here: then the path-switch of the new host ends it.
  if (state == AheadState::UpToDate && !is_unplugged(mac)) {
    emit(SendMarker{advance->second.to, {MarkerKind::ReplayKept, mac, own_id}});
  }
}

void Node::Impl::handle_advance_answered(const AdvanceAnswered& answered) {
  const auto advance = advances.find(answered.vm);
  if (advance == advances.end() || advance->second.to != answered.peer) return;
  if (answered.kept) {
    // Its frames from before the answer have gone to the VM's port by now.
    const bool first = !std::exchange(advance->second.kept, true);
    if (first && advance->second.streams) advance_requests.push_back({answered.vm, true});
  } else {
    end_advance(answered.vm);
  }
}

void Node::Impl::cancel_advance(const MacAddress& mac) {
  const auto advance = advances.find(mac);
  if (advance == advances.end()) return;
  emit(SendMarker{advance->second.to, {MarkerKind::ReplayOff, mac, own_id}});
  end_advance(mac);
}

void Node::Impl::end_advance(const MacAddress& mac) {
  if (advances.erase(mac) > 0) advance_requests.push_back({mac, false});
}

void Node::Impl::end_advances_to(const NodeId& peer) {
  std::vector<MacAddress> ended;
  for (const auto& [mac, advance] : advances) {
    if (advance.to == peer) ended.push_back(mac);
  }
  for (const MacAddress& mac : ended) end_advance(mac);
}

// It was claimed: the rest of its replay goes to `owner`. False: all of it does.
bool Node::Impl::continues_advance(const MacAddress& mac, const NodeId& owner) {
  const auto advance = advances.find(mac);
  if (advance == advances.end()) return false;
  if (advance->second.to == owner && advance->second.kept) return true;
  cancel_advance(mac);
  return false;
}

void Node::Impl::expire_advances(Now now) {
  std::vector<MacAddress> late;
  for (const auto& [mac, advance] : advances) {
    if (advance.until <= now.steady) late.push_back(mac);
  }
  for (const MacAddress& mac : late) cancel_advance(mac);
}

void Node::handle_stopped(Now now, const MacAddress& vm, bool delivery_known) {
  impl_->begin_advance(now, vm);
  if (delivery_known) impl_->stream_advance(vm);
  impl_->pump(now);
}

void Node::handle_captured_ahead(Now now, const MacAddress& vm, std::vector<PortFrame> frames, AheadState state) {
  impl_->handle_captured_ahead(vm, std::move(frames), state);
  impl_->pump(now);
}

std::optional<AdvanceRequest> Node::poll_advance_request() {
  return take_front(impl_->advance_requests);
}

}  // namespace rove
