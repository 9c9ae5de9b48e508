// Frames of this host's other VMs for one that comes just now, kept from overtaking. docs/adr/0008.
//
//   prepare with a port → the bridge's entry is held at our TAP: whatever its neighbours send it, we write to its port
//   it comes            → … behind what comes from its old host, until the times of that replay are over
//   then                → Echo: what they sent so far has been read → the bridge sends to its port
//   or it stays away    → the bridge decides again
#include "core/node/node_impl.h"

namespace rove {
namespace {

// Frames that had come to the TAP before the bridge sent them to the port: the packet path reads them later.
constexpr std::chrono::seconds kDetourRest{1};
// It has no time to read the TAP: the bridge takes over all the same.
constexpr std::chrono::milliseconds kDetourEcho{50};

}  // namespace

void Node::Impl::begin_detour(const MacAddress& mac, unsigned port) {
  Detour& detour = detours[mac];
  if (detour.port != 0 && !detour.until && detour.port == port) return;
  detour = {.port = port, .until = std::nullopt, .is_ending = false, .ended_until = std::nullopt};
  bridge_entries.push_back({.mac = mac, .port = 0, .held = true});
}

// As any sender's (node_replay.cpp), but that the marker comes back to where its frames wait.
void Node::Impl::tell_neighbors_switch(const MacAddress& mac, const NodeId& previous) {
  if (detours.contains(mac) && holds.contains(mac)) emit(SendMarker{previous, {MarkerKind::PathSwitch, mac, own_id}});
}

// From here on its neighbours' frames reach it by the bridge, and must not overtake what is in the TAP's queue. So the
// packet path has been asked to read that first.
void Node::Impl::end_detour(Now now, const MacAddress& mac) {
  const auto known = detours.find(mac);
  if (known == detours.end() || !known->second.is_ending || known->second.ended_until || !vms.is_live(mac)) return;
  bridge_entries.push_back({.mac = mac, .port = known->second.port, .held = false});
  known->second.ended_until = now.steady + kDetourRest;
  refresh_view(mac);
}

void Node::Impl::review_detours(Now now) {
  for (auto it = detours.begin(); it != detours.end();) {
    const auto& [mac, known] = *it;
    Detour& detour = it->second;
    bool is_over = false;
    if (!vms.is_live(mac)) {
      is_over = detour.until || !preparations.contains(mac);
    } else if (detour.ended_until) {
      is_over = *detour.ended_until <= now.steady;
    } else {
      const auto hold = holds.find(mac);
      if (!detour.until) detour.until = hold == holds.end() ? now.steady : hold->second.until_max;
      const bool is_due = *detour.until <= now.steady;
      if (is_due && detour.is_ending) {
        end_detour(now, mac);
      } else if (is_due) {
        detour.is_ending = true;
        detour.until = now.steady + kDetourEcho;
        emit(Echo{mac});
      }
    }
    if (!is_over) {
      ++it;
      continue;
    }
    if (!detour.ended_until) bridge_entries.push_back({.mac = mac, .port = 0, .held = false});
    const MacAddress ended = mac;
    it = detours.erase(it);
    refresh_view(ended);
  }
}

void Node::Impl::add_detour_view(const MacAddress& mac, VmView& view) const {
  const bool is_local = view.place == VmView::Place::Local;
  const auto detour = detours.find(mac);
  if (detour != detours.end() && (is_local || view.expected)) {
    view.port = detour->second.port;
    view.detoured = !detour->second.ended_until;
    view.home_until = detour->second.ended_until.value_or(TimePoint{});
  } else if (const auto port = ports.find(mac); is_local && port != ports.end()) {
    view.port = port->second;
  }
}

std::optional<TimePoint> Node::Impl::detour_timeout() const {
  std::optional<TimePoint> next;
  for (const auto& [mac, detour] : detours) {
    next = earlier(next, detour.ended_until ? detour.ended_until : detour.until);
  }
  return next;
}

void Node::note_port(const MacAddress& mac, unsigned port) {
  const auto known = impl_->ports.find(mac);
  if ((known == impl_->ports.end() ? 0 : known->second) == port) return;
  if (port == 0) {
    impl_->ports.erase(known);
  } else {
    impl_->ports[mac] = port;
  }
  if (impl_->vms.is_live(mac)) impl_->refresh_view(mac);
}

void Node::handle_bridge_refusal(Now now, const BridgeEntry& entry) {
  ++impl_->counters.bridge_refusals;
  if (entry.held && impl_->detours.erase(entry.mac) > 0) impl_->refresh_view(entry.mac);
  // Its port has gone, or is not in use yet: let the bridge learn where it is.
  if (!entry.held && entry.port != 0) impl_->bridge_entries.push_back({.mac = entry.mac, .port = 0, .held = false});
  impl_->pump(now);
}

std::optional<BridgeEntry> Node::poll_bridge_entry() {
  return take_front(impl_->bridge_entries);
}

}  // namespace rove
