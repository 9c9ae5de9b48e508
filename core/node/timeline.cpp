#include "core/node/timeline.h"

#include <algorithm>
#include <utility>

#include "core/node/node.h"
#include "core/wire/neighbor.h"

namespace rove {

std::string_view to_string(SignalKind kind) {
  switch (kind) {
    case SignalKind::Rarp: return "rarp";
    case SignalKind::Arp: return "arp";
    case SignalKind::Advertisement: return "advertisement";
    case SignalKind::Probe: return "probe";
    case SignalKind::Frame: return "frame";
    case SignalKind::Bridge: return "bridge";
    case SignalKind::Operator: return "operator";
  }
  return "unknown";
}

std::string_view to_string(Move::Kind kind) {
  switch (kind) {
    case Move::Kind::Claimed: return "claimed";
    case Move::Kind::MovedHere: return "moved-here";
    case Move::Kind::Reclaimed: return "reclaimed";
    case Move::Kind::MovedAway: return "moved-away";
    case Move::Kind::Prepared: return "prepared";
  }
  return "unknown";
}

std::string_view to_string(Move::End end) {
  switch (end) {
    case Move::End::MovedAway: return "moved-away";
    case Move::End::Released: return "released";
    case Move::End::ForwardingEnded: return "forwarding-ended";
    case Move::End::Reclaimed: return "reclaimed";
    case Move::End::Arrived: return "arrived";
    case Move::End::Expired: return "expired";
    case Move::End::Undone: return "undone";
  }
  return "unknown";
}

SignalKind signal_of(const FrameInfo& info) {
  if (info.is_rarp()) return SignalKind::Rarp;
  if (is_gratuitous_arp(info)) return SignalKind::Arp;
  if (is_unsolicited_advertisement(info)) return SignalKind::Advertisement;
  if (is_address_probe(info)) return SignalKind::Probe;
  return SignalKind::Frame;
}

std::optional<Duration> Move::to_step(MoveStep step) const {
  const auto& at = steps[static_cast<std::size_t>(step)];
  return at ? std::optional<Duration>{*at - began} : std::nullopt;
}

std::optional<Duration> Move::to_end() const {
  return end ? std::optional<Duration>{ended - began} : std::nullopt;
}

bool Timeline::handle_signal(TimePoint now, const MacAddress& mac, SignalKind kind) {
  const auto known = signals_.find(mac);
  if (known != signals_.end() && now - known->second.at < kSignalTime) return false;
  if (known == signals_.end() && signals_.size() >= kSignalsMax) {
    signals_.erase(std::min_element(signals_.begin(), signals_.end(),
                                    [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
  }
  signals_.insert_or_assign(mac, Signal{kind, now});
  return true;
}

bool Timeline::handle_step(TimePoint now, const MacAddress& mac, MoveStep step) {
  Move* move = find_open(mac);
  if (move == nullptr || move->kind == Move::Kind::Prepared) return false;
  const bool of_departure = step == MoveStep::Redirected;
  const bool of_both = step == MoveStep::Forwarded;
  // The old host passes the new claim on, too; those pushes are its redirects.
  if (!of_both && of_departure == move->is_arrival()) return false;
  if (step == MoveStep::Redirected) ++move->redirects;
  auto& at = move->steps[static_cast<std::size_t>(step)];
  if (at) return false;
  at = now;
  measure(*move, step);
  vms_[mac].used = now;
  return true;
}

void Timeline::measure(const Move& move, MoveStep step) {
  const bool arrived = move.kind == Move::Kind::MovedHere || move.kind == Move::Kind::Reclaimed;
  if (!arrived) return;
  const bool is_frame = step == MoveStep::Forwarded || step == MoveStep::Direct;
  const bool is_first_frame = is_frame && !(move.to_step(MoveStep::Forwarded) && move.to_step(MoveStep::Direct));
  if (is_first_frame) histograms_.frame.add(*move.to_step(step));
  if (step == MoveStep::Acknowledged) histograms_.acknowledge.add(*move.to_step(step));
}

void Timeline::handle_event(WallTime now, const NodeEvent& event) {
  if (!event.vm) return;
  const Move* last = find_open(*event.vm);
  const bool is_prepared = last != nullptr && last->kind == Move::Kind::Prepared;
  if (is_prepared && (event.kind == NodeEvent::Kind::VmClaimed || event.kind == NodeEvent::Kind::VmMovedHere)) {
    end(event, Move::End::Arrived);
  }
  switch (event.kind) {
    // While it is still being forwarded, its way back belongs to that move.
    case NodeEvent::Kind::VmPrepared:
      if (last == nullptr) begin(now, event, Move::Kind::Prepared);
      break;
    case NodeEvent::Kind::VmPrepareEnded:
      if (is_prepared) end(event, event.detail == "reason=expired" ? Move::End::Expired : Move::End::Undone);
      break;
    case NodeEvent::Kind::VmClaimed: {
      // A claim that is made anew, with one address more, say, is no arrival.
      const Move* open = find_open(*event.vm);
      if (open == nullptr || !open->is_arrival()) begin(now, event, Move::Kind::Claimed);
      break;
    }
    case NodeEvent::Kind::VmMovedHere: begin(now, event, Move::Kind::MovedHere); break;
    case NodeEvent::Kind::VmReclaimed:
      end(event, Move::End::Reclaimed);
      begin(now, event, Move::Kind::Reclaimed);
      break;
    case NodeEvent::Kind::VmMovedAway:
      end(event, Move::End::MovedAway);
      begin(now, event, Move::Kind::MovedAway);
      break;
    case NodeEvent::Kind::VmReleased: end(event, Move::End::Released); break;
    case NodeEvent::Kind::VmForwardingEnded: end(event, Move::End::ForwardingEnded); break;
    default: break;
  }
}

const std::deque<Move>* Timeline::find(const MacAddress& mac) const {
  const auto it = vms_.find(mac);
  return it == vms_.end() ? nullptr : &it->second.moves;
}

Move* Timeline::find_open(const MacAddress& mac) {
  const auto it = vms_.find(mac);
  if (it == vms_.end() || it->second.moves.back().end) return nullptr;
  return &it->second.moves.back();
}

void Timeline::begin(WallTime now, const NodeEvent& event, Move::Kind kind) {
  Move move;
  move.kind = kind;
  move.peer = event.peer;
  move.began = move.claimed = event.when;
  if (const auto signal = signals_.find(*event.vm); signal != signals_.end() && kind != Move::Kind::Prepared) {
    if (move.is_arrival() && event.when - signal->second.at < kSignalTime) {
      move.signal = signal->second.kind;
      move.began = signal->second.at;
    }
    signals_.erase(signal);
  }
  if (kind == Move::Kind::MovedHere || kind == Move::Kind::Reclaimed) histograms_.claim.add(move.to_claim());
  move.began_wall = now - std::chrono::duration_cast<std::chrono::milliseconds>(event.when - move.began);

  if (!vms_.contains(*event.vm) && vms_.size() >= kTimelineVmsMax) {
    vms_.erase(std::min_element(vms_.begin(), vms_.end(),
                                [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  History& history = vms_[*event.vm];
  history.used = event.when;
  if (history.moves.size() >= kMovesMax) history.moves.pop_front();
  history.moves.push_back(std::move(move));
}

void Timeline::end(const NodeEvent& event, Move::End how) {
  Move* move = find_open(*event.vm);
  if (move == nullptr) return;
  move->end = how;
  move->ended = event.when;
  vms_[*event.vm].used = event.when;
}

}  // namespace rove
