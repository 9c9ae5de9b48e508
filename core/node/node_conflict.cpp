// Two VMs with one MAC, alive at the same time: a clone of another's disk, or both sides of a partition that healed.
//
// Each claims the MAC whenever it is heard, so it flips. Whoever claims a MAC that left it lately compares, in an order
// that proves it without clocks: its own VM answers, then the other's does, then its own does again. One VM cannot
// have been at both, unless it moved to and fro within that time, which is a round trip and limited. Then both hosts
// come to the same verdict: the later one is mute, and is compared again until one of them is gone.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/node/node_impl.h"

namespace rove {
namespace {

// What a muted VM's node sends for since when it is live: it stays mute when the other one moves to a further host,
// which has it since then only.
constexpr std::uint64_t kAlreadyMuted = std::numeric_limits<std::uint64_t>::max();

std::uint64_t first_live_of(const LocalVm& vm) {
  return vm.is_muted() ? kAlreadyMuted : to_unix_ms(vm.first_live);
}

}  // namespace

// ---- who asks -----------------------------------------------------------------------------------

void Node::Impl::compare(Now now, const MacAddress& mac, const NodeId& other) {
  if (comparisons.contains(mac)) return;
  const LocalVm* vm = vms.find(mac);
  if (vm == nullptr) return;
  if (!peers.is_up(other)) {
    if (vm->is_muted()) unmute(now, mac);  // nobody contradicts any more
    return;
  }
  ++counters.conflict_checks;
  Comparison comparison;
  comparison.other = other;
  comparison.round = static_cast<std::uint32_t>(to_unix_ms(now.wall));
  comparison.first_live = first_live_of(*vm);
  comparison.hearing.start(now.steady + kConflictPatience);
  comparisons[mac] = comparison;
}

void Node::Impl::handle_conflict_evidence(Now now, const NodeId& peer, const ConflictEvidenceMessage& message) {
  const auto it = comparisons.find(message.mac);
  const bool awaited = it != comparisons.end() && it->second.other == peer && it->second.round == message.round;
  if (!awaited) {
    // The other one has gone, and its node says so unasked.
    const auto conflict = conflicts.find(message.mac);
    const bool gone = message.stage == ConflictStage::Gone;
    if (gone && conflict != conflicts.end() && conflict->second.other == peer) unmute(now, message.mac);
    return;
  }
  Comparison& comparison = it->second;
  if (!message.alive) {
    comparisons.erase(it);
    if (conflicts.contains(message.mac)) unmute(now, message.mac);
  } else if (comparison.stage == Comparison::Stage::AskThere && message.stage == ConflictStage::Question) {
    comparison.their_first_live = message.first_live;
    comparison.stage = Comparison::Stage::AskAgain;
    comparison.hearing.start(now.steady);
  } else if (comparison.stage == Comparison::Stage::Tell && message.stage == ConflictStage::Verdict) {
    comparisons.erase(it);
  }
}

void Node::Impl::tell_other(Now now, const MacAddress& mac, Comparison& comparison) {
  const bool verdict = comparison.stage == Comparison::Stage::Tell;
  ++comparison.sent;
  comparison.next = now.steady + kConflictRepeat;
  peers.send(now, comparison.other,
             ConflictCheckMessage{mac, comparison.round, verdict ? ConflictStage::Verdict : ConflictStage::Question,
                                  comparison.first_live});
}

// ---- who is asked -------------------------------------------------------------------------------

void Node::Impl::handle_conflict_check(Now now, const NodeId& peer, const ConflictCheckMessage& message) {
  const auto known = conflict_answers.find(message.mac);
  const bool is_repeated =
      known != conflict_answers.end() && known->second.asker == peer && known->second.round == message.round;
  if (message.stage == ConflictStage::Verdict) {
    // It holds for what was answered, and for nothing else.
    if (!is_repeated || known->second.alive != true) return;
    judge_conflict(now, message.mac, peer, known->second.first_live, message.first_live);
    answer_check(now, message.mac, ConflictStage::Verdict);
    return;
  }
  if (is_repeated) {
    if (known->second.alive) answer_check(now, message.mac, ConflictStage::Question);
    return;
  }
  const LocalVm* vm = vms.find(message.mac);
  if (vm == nullptr || vm->machine.state() == VmState::Absent || vm->is_expected()) {
    peers.send(now, peer, ConflictEvidenceMessage{message.mac, message.round, ConflictStage::Question, 0, false});
    return;
  }
  // Only those who could claim it are compared with.
  const auto certificate = directory.find_certificate(now.wall, peer);
  const bool may_claim = certificate != nullptr && certificate->allows_all(vm->claim.claim.ips);
  const bool is_busy = known != conflict_answers.end() && !known->second.alive;
  if (!may_claim || is_busy || !search_bucket.take(now.steady)) {
    ++counters.conflict_checks_refused;
    return;
  }
  ConflictAnswer answer;
  answer.asker = peer;
  answer.round = message.round;
  answer.first_live = first_live_of(*vm);
  answer.hearing.start(now.steady);
  conflict_answers[message.mac] = answer;
}

void Node::Impl::answer_check(Now now, const MacAddress& mac, ConflictStage stage) {
  const ConflictAnswer& answer = conflict_answers.at(mac);
  peers.send(now, answer.asker,
             ConflictEvidenceMessage{mac, answer.round, stage, answer.first_live, answer.alive == true});
}

// ---- both ---------------------------------------------------------------------------------------

void Node::Impl::note_alive(Now now, const MacAddress& mac) {
  if (const auto it = comparisons.find(mac); it != comparisons.end() && it->second.hearing.hears(now.steady)) {
    Comparison& comparison = it->second;
    const bool in_time = now.steady - comparison.heard_at <= kConflictProofTime;
    if (comparison.stage == Comparison::Stage::AskAgain && !in_time) {
      // It may have been there and come back meanwhile. What was heard just now begins the next round.
      ++comparison.round;
      comparison.stage = Comparison::Stage::AskHere;
      ++comparison.rounds;
    }
    if (comparison.rounds == kConflictRounds) {
      comparisons.erase(it);
    } else if (comparison.stage == Comparison::Stage::AskHere) {
      comparison.stage = Comparison::Stage::AskThere;
      comparison.heard_at = now.steady;
      comparison.sent = 0;
      tell_other(now, mac, comparison);
    } else if (comparison.stage == Comparison::Stage::AskAgain) {
      comparison.stage = Comparison::Stage::Tell;
      comparison.sent = 0;
      tell_other(now, mac, comparison);
      judge_conflict(now, mac, comparison.other, comparison.first_live, comparison.their_first_live);
    }
  }
  if (const auto it = conflict_answers.find(mac);
      it != conflict_answers.end() && !it->second.alive && it->second.hearing.hears(now.steady)) {
    it->second.alive = true;
    it->second.forget_at = now.steady + kConflictInterval;
    answer_check(now, mac, ConflictStage::Question);
  }
}

bool Node::Impl::ask_or_give_up(Now now, const MacAddress& mac, Hearing& hearing) {
  if (hearing.next > now.steady) return true;
  if (hearing.asked == kConflictQuestions) return false;
  ++hearing.asked;
  hearing.next = now.steady + kConflictQuestionInterval;
  // Also by the addresses that the other one claimed: a clone that has just booted has shown few.
  const LocalVm* vm = vms.find(mac);
  std::vector<IpAddress> ips = vm == nullptr ? std::vector<IpAddress>{} : vm->claim.claim.ips;
  if (const SignedClaim* claim = claims.find_any(VmAddress{mac})) {
    for (const IpAddress& ip : claim->claim.ips) {
      if (std::find(ips.begin(), ips.end(), ip) == ips.end()) ips.push_back(ip);
    }
  }
  ask_presence(std::nullopt, ips);
  return true;
}

void Node::Impl::run_comparisons(Now now) {
  std::vector<MacAddress> silent;
  for (auto it = comparisons.begin(); it != comparisons.end();) {
    auto& [mac, comparison] = *it;
    bool goes_on = vms.find(mac) != nullptr;
    if (goes_on && comparison.asks_here()) {
      goes_on = ask_or_give_up(now, mac, comparison.hearing);
      if (!goes_on) silent.push_back(mac);
    } else if (goes_on && comparison.next <= now.steady) {
      goes_on = comparison.sent < kConflictRepeats;
      if (goes_on) tell_other(now, mac, comparison);
    }
    it = goes_on ? std::next(it) : comparisons.erase(it);
  }
  for (auto it = conflict_answers.begin(); it != conflict_answers.end();) {
    auto& [mac, answer] = *it;
    if (!answer.alive && !ask_or_give_up(now, mac, answer.hearing)) {
      answer.alive = false;
      answer.forget_at = now.steady + kConflictInterval;
      answer_check(now, mac, ConflictStage::Question);
    }
    it = answer.alive && answer.forget_at <= now.steady ? conflict_answers.erase(it) : std::next(it);
  }
  // A muted one that does not answer has gone, or will be heard again.
  for (const MacAddress& mac : silent) {
    if (!vms.is_muted(mac)) continue;
    (void)vms.handle(now.steady, mac, VmEvent::Unrivalled);
    leave_conflict(now, mac, "reason=gone-here");
  }
  std::vector<MacAddress> over;
  for (const auto& [mac, conflict] : conflicts) {
    if (conflict.confirmed + kConflictMemory <= now.steady) over.push_back(mac);
  }
  for (const MacAddress& mac : over) unmute(now, mac);
}

void Node::Impl::judge_conflict(Now now, const MacAddress& mac, const NodeId& other, std::uint64_t our_first_live,
                                std::uint64_t their_first_live) {
  const LocalVm* vm = vms.find(mac);
  if (vm == nullptr) return;
  const bool we_were_first = our_first_live != their_first_live ? our_first_live < their_first_live : own_id < other;
  const auto [it, is_new] = conflicts.try_emplace(mac, Conflict{other, now.steady, !we_were_first});
  it->second.confirmed = now.steady;
  it->second.other = other;
  it->second.muted = !we_were_first;
  if (is_new) {
    ++counters.conflicts_found;
    report(now, NodeEvent::Kind::VmConflict, other, mac, we_were_first ? "muted=there" : "muted=here");
  }
  if (we_were_first) {
    // Should the other have it just now, its claim is not renewed any more.
    if (!vms.is_live(mac)) claim_here(now, mac, addresses_for_arrival(mac, std::nullopt));
  } else {
    const bool was_live = vms.is_live(mac);
    if (vms.handle(now.steady, mac, VmEvent::Outranked) == VmAction::Mute && was_live) withdraw(vm->claim);
    refresh_view(mac);
  }
}

void Node::Impl::unmute(Now now, const MacAddress& mac) {
  const LocalVm* vm = vms.find(mac);
  const std::vector<IpAddress> ips = vm == nullptr ? std::vector<IpAddress>{} : vm->claim.claim.ips;
  (void)vms.handle(now.steady, mac, VmEvent::Unrivalled);  // a live one stays as it is
  end_conflict(now, mac, "reason=one-left");
  if (!vms.is_live(mac)) ask_presence(std::nullopt, ips);
}

void Node::Impl::end_conflict(Now now, const MacAddress& mac, std::string reason) {
  const auto conflict = conflicts.extract(mac);
  if (conflict.empty()) return;
  comparisons.erase(mac);
  conflict_answers.erase(mac);
  if (vms.is_muted(mac) || (conflict.mapped().muted && !vms.is_live(mac))) vms.erase(mac);
  refresh_view(mac);
  report(now, NodeEvent::Kind::VmConflictEnded, conflict.mapped().other, mac, std::move(reason));
}

void Node::Impl::leave_conflict(Now now, const MacAddress& mac, std::string reason) {
  if (const auto conflict = conflicts.find(mac); conflict != conflicts.end()) {
    peers.send(now, conflict->second.other, ConflictEvidenceMessage{mac, 0, ConflictStage::Gone, 0, false});
  }
  end_conflict(now, mac, std::move(reason));
}

void Node::Impl::end_conflicts_with(Now now, const NodeId& peer) {
  std::vector<MacAddress> over;
  for (const auto& [mac, conflict] : conflicts) {
    if (conflict.other == peer) over.push_back(mac);
  }
  for (const MacAddress& mac : over) unmute(now, mac);
}

std::optional<TimePoint> Node::Impl::conflict_timeout() const {
  std::optional<TimePoint> next;
  const auto consider = [&](TimePoint at) {
    if (!next || at < *next) next = at;
  };
  for (const auto& [mac, comparison] : comparisons) {
    consider(comparison.asks_here() ? comparison.hearing.next : comparison.next);
  }
  for (const auto& [mac, answer] : conflict_answers) consider(answer.alive ? answer.forget_at : answer.hearing.next);
  for (const auto& [mac, conflict] : conflicts) consider(conflict.confirmed + kConflictMemory);
  return next;
}

}  // namespace rove
