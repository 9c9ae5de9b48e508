// Claims of ours and of others.
//
// A signal that a VM is here → note_presence → arrive: what may it claim? → claim_here: sequence + 1, signed, into
// the table, the location service and to the peers, the previous owner first.
// A claim of another → accept_claim: signature, certificate → judge_claim: the table decides → yield_to when it
// takes a VM from us: forward what still comes here, and let the bridge know.
#include <algorithm>
#include <utility>

#include "core/location/sequence_clock.h"
#include "core/node/node_impl.h"
#include "core/wire/neighbor.h"

namespace rove {
namespace {

std::uint64_t slot_of(const MacAddress& mac) {
  std::uint64_t slot = 0;
  for (const std::uint8_t octet : mac.octets) slot = slot << 8 | octet;
  return slot;
}

bool contains(const std::vector<IpAddress>& ips, const IpAddress& ip) {
  return std::find(ips.begin(), ips.end(), ip) != ips.end();
}

// Room for one more address of this family in a claim.
bool has_room(const std::vector<IpAddress>& ips, const IpAddress& ip) {
  return std::count_if(ips.begin(), ips.end(), [&ip](const IpAddress& other) {
           return other.family() == ip.family();
         }) < static_cast<std::ptrdiff_t>(kClaimAddressesMax);
}

// … which a publisher does not drop by itself, but who never heard of the claim before may.
bool lacks_addresses(const Claim& claim, const Claim& before) {
  if (!claim.ips.empty() && claim.owner == before.owner) return false;
  return std::any_of(before.ips.begin(), before.ips.end(),
                     [&](const IpAddress& ip) { return !contains(claim.ips, ip); });
}

bool is_older_than(const Claim& claim, Duration age, WallTime now) {
  return next_sequence(0, now - std::chrono::duration_cast<std::chrono::milliseconds>(age), 0) > claim.sequence;
}

std::string sequence_detail(const Claim& claim) {
  std::string ips;
  for (const IpAddress& ip : claim.ips) ips += (ips.empty() ? "" : ",") + to_string(ip);
  return "seq=" + std::to_string(claim.sequence) + " ips=" + ips;
}

}  // namespace

// ---- VMs here ----------------------------------------------------------------------------------

bool Node::Impl::may_claim_ip(const IpAddress& ip) const {
  if (ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || ip.is_link_local()) return false;
  const bool ours = std::any_of(config.subnets.begin(), config.subnets.end(),
                                [&ip](const Prefix& subnet) { return subnet.contains(ip); });
  return ours && own_certificate->allows(ip);
}

// An address that another MAC claimed since stays there, when the VM shows `shown` only (VRRP).
void Node::Impl::drop_taken(const MacAddress& mac, const IpAddress& shown, std::vector<IpAddress>& ips) const {
  std::erase_if(ips, [&](const IpAddress& ip) {
    const SignedClaim* holder = claims.find(VmAddress{ip});
    return ip != shown && holder != nullptr && holder->claim.mac != mac;
  });
}

bool Node::Impl::note_presence(Now now, const MacAddress& mac, const std::optional<IpAddress>& ip, bool announces) {
  const LocalVm* vm = vms.find(mac);
  const VmAction action = vms.handle(now.steady, mac, VmEvent::Signal);
  if (vm != nullptr && vm->is_live()) {
    silent_vms.handle_heard(now.steady, mac);
    std::vector<IpAddress> ips = vm->claim.claim.ips;
    if (!ip) return true;
    if (contains(ips, *ip)) {
      // An address of a service came back to this VM (VRRP), or another one's host claimed it again with all that it
      // once had. Two that both insist get it in turn.
      const SignedClaim* holder = announces ? claims.find(VmAddress{*ip}) : nullptr;
      const bool elsewhere = holder != nullptr && holder->claim.mac != mac;
      if (elsewhere && is_older_than(vm->claim.claim, kInsistTime, now.wall)) {
        drop_taken(mac, *ip, ips);
        claim_here(now, mac, std::move(ips));
      }
      return true;
    }
    if (!may_claim_ip(*ip) || !has_room(ips, *ip)) {
      ++counters.addresses_not_allowed;
      return true;
    }
    drop_taken(mac, *ip, ips);
    ips.push_back(*ip);
    claim_here(now, mac, std::move(ips));
    return true;
  }
  if (action != VmAction::Claim) return false;
  arrive(now, mac, ip, true);
  return true;
}

std::vector<IpAddress> Node::Impl::addresses_for_arrival(const MacAddress& mac,
                                                         const std::optional<IpAddress>& ip) const {
  std::vector<IpAddress> ips;
  if (const SignedClaim* known = claims.find_any(VmAddress{mac})) {
    for (const IpAddress& address : known->claim.ips) {
      // An address that another MAC holds by now stays there until the VM itself shows it.
      const SignedClaim* holder = claims.find(VmAddress{address});
      const bool taken = holder != nullptr && holder->claim.mac != mac;
      if (!taken && may_claim_ip(address)) ips.push_back(address);
    }
  }
  if (ip && may_claim_ip(*ip) && !contains(ips, *ip) && has_room(ips, *ip)) ips.push_back(*ip);
  return ips;
}

void Node::Impl::arrive(Now now, const MacAddress& mac, const std::optional<IpAddress>& ip, bool certain) {
  if (mac.is_group() || mac.is_zero() || is_own_mac(mac)) return;
  if (vms.full() && vms.find(mac) == nullptr) {
    ++counters.vms_limited;
    return;
  }
  if (ip && !may_claim_ip(*ip)) ++counters.addresses_not_allowed;
  const SignedClaim* known = claims.find_any(VmAddress{mac});
  if (certain && (known != nullptr || (ip && may_claim_ip(*ip)))) {
    // Read before write: should somebody's clock have run ahead, we hear of it and claim again above that.
    if (known == nullptr)
      (void)location.lookup(keys.of(VmAddress{mac}), true);  // answers need no id: any claim is judged
    claim_here(now, mac, addresses_for_arrival(mac, ip));
    return;
  }
  const bool elsewhere = known != nullptr && known->claim.state == ClaimState::Live && known->claim.owner != own_key;
  if (!certain && elsewhere) return ask_presence(mac, known->claim.ips);  // its answer is certain

  const auto [it, is_new] = arrivals.try_emplace(mac);
  if (is_new && arrivals.size() > kArrivalsMax) {
    arrivals.erase(it);
    ++counters.vms_limited;
    return;
  }
  it->second.ip = ip ? ip : it->second.ip;
  it->second.certain = is_new ? certain : it->second.certain || certain;
  if (!is_new) return;
  it->second.deadline = now.steady + kArrivalTime;
  it->second.patience = certain ? it->second.deadline : now.steady + kArrivalPatience;
  ask_about_arrival(now, mac);
}

void Node::Impl::ask_about_arrival(Now now, const MacAddress& mac) {
  arrival_lookups[location.lookup(keys.of(VmAddress{mac}), true)] = mac;
  // The old host, or any peer that it told, knows the addresses a round trip earlier.
  for (const PeerInfo& peer : peers.peers()) {
    if (peer.up) peers.send(now, peer.id, ClaimRequestMessage{VmAddress{mac}});
  }
}

void Node::Impl::finish_arrivals(Now now) {
  std::vector<std::pair<MacAddress, Arrival>> due;
  for (const auto& [mac, arrival] : arrivals) {
    if (arrival.deadline <= now.steady) due.emplace_back(mac, arrival);
  }
  for (const auto& [mac, arrival] : due) {
    const SignedClaim* known = claims.find_any(VmAddress{mac});
    if (known == nullptr && !arrival.certain && now.steady < arrival.patience) {
      arrivals[mac].deadline = now.steady + kArrivalTime;
      ask_about_arrival(now, mac);
      continue;
    }
    arrivals.erase(mac);
    const bool elsewhere = known != nullptr && known->claim.state == ClaimState::Live && known->claim.owner != own_key;
    if (!arrival.certain && elsewhere) {
      ask_presence(mac, known->claim.ips);
      continue;
    }
    if (!vms.is_live(mac)) claim_here(now, mac, addresses_for_arrival(mac, arrival.ip));
  }
  std::erase_if(arrival_lookups, [this](const auto& entry) { return !arrivals.contains(entry.second); });
}

void Node::Impl::claim_here(Now now, const MacAddress& mac, std::vector<IpAddress> ips) {
  // The VM still talks while we say goodbye.
  if (is_shut_down) return;
  NodeId previous;
  if (const SignedClaim* known = claims.find(VmAddress{mac}); known != nullptr && known->claim.owner != own_key) {
    previous = node_id_of(known->claim.owner);
  }
  std::uint64_t highest = claims.highest_sequence(mac, ips);
  if (!is_from_the_future(highest_sequence, now.wall)) highest = std::max(highest, highest_sequence);

  const LocalVm* before = vms.find(mac);
  const bool was_live = before != nullptr && before->is_live();
  const bool was_forwarding = before != nullptr && before->is_forwarding();
  std::vector<IpAddress> removed;
  if (was_live) {
    for (const IpAddress& ip : before->claim.claim.ips) {
      if (!contains(ips, ip)) removed.push_back(ip);
    }
  }

  Claim claim;
  claim.mac = mac;
  claim.owner = own_key;
  claim.not_after = now.wall + kClaimLifetime;
  std::optional<SignedClaim> gone;
  if (!removed.empty()) {
    // Who looks up an address that the VM gave up finds this under its key, newer than the old claim.
    Claim farewell = claim;
    farewell.state = ClaimState::Gone;
    farewell.ips = removed;
    farewell.sequence = next_sequence(highest, now.wall, sequence_tag_of(own_id));
    highest = farewell.sequence;
    gone = sign_claim(std::move(farewell), network, identity.seed);
  }
  claim.ips = std::move(ips);
  claim.sequence = next_sequence(highest, now.wall, sequence_tag_of(own_id));
  SignedClaim signed_claim = sign_claim(std::move(claim), network, identity.seed);

  const ClaimVerdict verdict = claims.offer(now, signed_claim, *own_certificate);
  if (verdict != ClaimVerdict::Accepted) {
    ++counters.claims_refused_here;
    report(now, NodeEvent::Kind::ClaimRefused, previous, mac, "reason=" + std::string{to_string(verdict)});
    return;
  }
  highest_sequence = std::max(highest_sequence, signed_claim.claim.sequence);
  const LocalVm& vm = vms.handle_claimed(now, signed_claim);
  if (!previous.is_zero()) {
    vms.handle_takeover(now.steady, mac, previous);
    expect_replay(now, mac, previous);
    tell_neighbors_switch(mac, previous);
    ++counters.moves_in;
    if (vm.machine.is_contested(now.steady)) compare(now, mac, previous);
  }
  arrivals.erase(mac);
  sources[signed_claim.id] = LookupSource::Local;
  if (watches.erase(mac) > 0) location.unwatch(keys.of(VmAddress{mac}));
  refresh_view(mac);

  if (gone) {
    for (const IpAddress& ip : removed) {
      location.publish(keys.of(VmAddress{ip}), slot_of(mac), {RecordKind::Claim, gone->encoded});
    }
  }
  // Who needs it now is told; the location service can wait until the VM's first frames have gone their way.
  if (holds.contains(mac)) {
    publications.push_back({now.steady + kPublishPatience, mac});
  } else {
    publish(signed_claim);
  }
  push_to_all(now, signed_claim, previous, take_correspondents(mac));
  settle(now, signed_claim.claim);
  const NodeEvent::Kind kind = was_forwarding       ? NodeEvent::Kind::VmReclaimed
                               : previous.is_zero() ? NodeEvent::Kind::VmClaimed
                                                    : NodeEvent::Kind::VmMovedHere;
  report(now, kind, previous, mac, sequence_detail(signed_claim.claim));
}

void Node::Impl::refresh_claim(Now now, const MacAddress& mac) {
  const LocalVm* vm = vms.find(mac);
  if (vm == nullptr || !vm->is_live()) return;
  Claim claim = vm->claim.claim;
  claim.not_after = now.wall + kClaimLifetime;
  SignedClaim signed_claim = sign_claim(std::move(claim), network, identity.seed);
  (void)claims.offer(now, signed_claim, *own_certificate);  // ours and live: only its not_after is new
  vms.set_refreshed(signed_claim);
  publish(signed_claim);
  push_to_all(now, signed_claim, NodeId{}, {});
}

void Node::Impl::release_vm(Now now, const MacAddress& mac, std::string reason) {
  const LocalVm* vm = vms.find(mac);
  if (vm == nullptr || !vm->is_live()) return;
  Claim claim = vm->claim.claim;
  claim.state = ClaimState::Gone;
  // One above our own claim and no more: a claim of a new host that we have not heard of must stay above it.
  claim.sequence += 1;
  claim.not_after = now.wall + kClaimLifetime + kGoneTime;
  SignedClaim signed_claim = sign_claim(std::move(claim), network, identity.seed);
  (void)claims.offer(now, signed_claim, *own_certificate);  // ours, one above our live one
  highest_sequence = std::max(highest_sequence, signed_claim.claim.sequence);
  vms.handle_released(now.steady, signed_claim);
  refresh_view(mac);
  publish(signed_claim);
  push_to_all(now, signed_claim, NodeId{}, {});
  report(now, NodeEvent::Kind::VmReleased, NodeId{}, mac, std::move(reason));
  leave_conflict(now, mac, "reason=gone-here");
}

void Node::Impl::publish(const SignedClaim& claim) {
  ++counters.claims_published;
  const std::uint64_t slot = slot_of(claim.claim.mac);
  location.publish(keys.of(VmAddress{claim.claim.mac}), slot, {RecordKind::Claim, claim.encoded});
  for (const IpAddress& ip : claim.claim.ips) {
    location.publish(keys.of(VmAddress{ip}), slot, {RecordKind::Claim, claim.encoded});
  }
}

void Node::Impl::withdraw(const SignedClaim& claim) {
  const std::uint64_t slot = slot_of(claim.claim.mac);
  location.withdraw(keys.of(VmAddress{claim.claim.mac}), slot);
  for (const IpAddress& ip : claim.claim.ips) location.withdraw(keys.of(VmAddress{ip}), slot);
}

void Node::Impl::push_to_all(Now now, const SignedClaim& claim, const NodeId& first, const std::vector<NodeId>& next) {
  std::vector<PeerInfo> known = peers.peers();
  std::erase_if(known, [](const PeerInfo& peer) { return !peer.up; });
  // Beyond the limit those that were heard last matter most; the others have redirects and the location service.
  const auto rank = [&](const PeerInfo& peer) {
    if (peer.id == first) return 0;
    return std::find(next.begin(), next.end(), peer.id) != next.end() ? 1 : 2;
  };
  std::stable_sort(known.begin(), known.end(), [&rank](const PeerInfo& a, const PeerInfo& b) {
    const int a_rank = rank(a);
    const int b_rank = rank(b);
    return a_rank != b_rank ? a_rank < b_rank : a.last_heard > b.last_heard;
  });
  if (known.size() > kMeshMax) known.resize(kMeshMax);
  for (const PeerInfo& peer : known) {
    if (!pusher.push(now.steady, peer.id, claim)) ++counters.pushes_limited;
  }
}

void Node::Impl::send_pushes(Now now) {
  std::map<NodeId, ClaimsMessage> messages;
  for (ClaimPusher::Push& push : pusher.take_due(now.steady)) {
    if (!peers.is_up(push.peer)) {  // a redirect to somebody who left meanwhile would be repeated for ever
      pusher.forget_peer(push.peer);
      continue;
    }
    // The VM may have moved on meanwhile: who did not hear that it was there must not hear it now.
    if (const SignedClaim* held = claims.find_any(VmAddress{push.vm});
        held != nullptr && held->encoded != push.record) {
      (void)pusher.push(now.steady, push.peer, *held);  // due at once; where there is no room, that was counted before
      continue;
    }
    ++counters.pushes_sent;
    note_step(now, push.vm, MoveStep::Pushed, push.peer);
    ClaimsMessage& message = messages[push.peer];
    if (encoded_size(message) + push.record.size() + 2 > kControlPlaintextMax) {
      peers.send(now, push.peer, message);
      message.records.clear();
    }
    message.records.push_back(std::move(push.record));
  }
  for (const auto& [peer, message] : messages) peers.send(now, peer, message);
}

void Node::Impl::handle_vm_timers(Now now) {
  for (const VmTable::Due& due : vms.take_due(now.steady)) {
    switch (due.action) {
      case VmAction::Refresh: refresh_claim(now, due.mac); break;
      case VmAction::Probe:
        ask_presence(due.mac, vms.find(due.mac)->claim.claim.ips);
        handle_vm_silent(now, due.mac);  // or it is elsewhere, and the first search for it was lost
        break;
      case VmAction::Compare:
        if (const auto conflict = conflicts.find(due.mac); conflict != conflicts.end()) {
          compare(now, due.mac, conflict->second.other);
        }
        break;
      case VmAction::Release: release_vm(now, due.mac, "reason=silent"); break;
      case VmAction::Forget:
        if (due.before == VmState::Expected) {
          forget_expected(now, due.mac, "reason=expired");
          break;
        }
        if (due.before == VmState::Absent) withdraw(vms.find(due.mac)->claim);
        vms.erase(due.mac);
        if (due.before != VmState::Forwarding) break;
        refresh_view(due.mac);
        report(now, NodeEvent::Kind::VmForwardingEnded, NodeId{}, due.mac, "");
        expect_return(now, due.mac);
        break;
      default: break;  // no timer asks for it
    }
  }
}

// ---- claims of others --------------------------------------------------------------------------

void Node::Impl::accept_claim(Now now, BytesView encoded, LookupSource source, const NodeId& bringer) {
  ++counters.claims_received;
  auto claim = decode_claim(encoded, network);
  if (!claim) {
    ++(claim.error() == Error::BadSignature ? counters.claims_bad_signature : counters.claims_malformed);
    return;
  }
  const NodeId owner = node_id_of(claim->claim.owner);
  const auto certificate = directory.find_certificate(now.wall, owner);
  if (certificate == nullptr) {
    trace_answer(now, claim->claim, source, bringer, std::nullopt);
    if (directory.hold_claim(now, owner, std::move(*claim))) ask_certificate(now, owner, bringer);
    return;
  }
  judge_claim(now, *claim, *certificate, source, bringer);
}

void Node::Impl::judge_claim(Now now, const SignedClaim& signed_claim, const Certificate& publisher,
                             LookupSource source, const NodeId& bringer) {
  const Claim& claim = signed_claim.claim;
  const NodeId owner = node_id_of(claim.owner);
  NodeId before;
  if (const SignedClaim* known = claims.find(VmAddress{claim.mac})) before = node_id_of(known->claim.owner);
  // Its new host had to claim it without knowing all of its addresses: we know what it forgets.
  Bytes addressed;
  if (const SignedClaim* known = claims.find_any(VmAddress{claim.mac});
      known != nullptr && claim.state == ClaimState::Live && lacks_addresses(claim, known->claim)) {
    addressed = known->encoded;
  }
  const ClaimVerdict verdict = claims.offer(now, signed_claim, publisher);
  trace_answer(now, claim, source, bringer, verdict);
  switch (verdict) {
    case ClaimVerdict::Accepted: break;
    case ClaimVerdict::Refreshed:
    case ClaimVerdict::Known:
      if (const SignedClaim* held = claims.find_any(VmAddress{claim.mac});
          held != nullptr && held->id == signed_claim.id) {
        claims.confirmed(now, VmAddress{claim.mac});
      }
      settle(now, claim);
      return;
    case ClaimVerdict::Older:
      ++counters.claims_older;
      recover_addresses(now, claim);
      // Whoever still believes it hears of the newer one.
      if (const SignedClaim* newer = claims.find_any(VmAddress{claim.mac});
          newer != nullptr && !bringer.is_zero() && newer->id != signed_claim.id) {
        peers.send(now, bringer, ClaimsMessage{{newer->encoded}});
      }
      return;
    case ClaimVerdict::NotAllowed: ++counters.claims_not_allowed; return;
    case ClaimVerdict::Expired: ++counters.claims_expired; return;
    case ClaimVerdict::FromTheFuture: ++counters.claims_from_the_future; return;
    case ClaimVerdict::Full: ++counters.claims_table_full; return;
  }
  ++counters.claims_accepted;
  if (!addressed.empty() && owner != own_id && peers.is_up(owner)) {
    peers.send(now, owner, ClaimsMessage{{addressed}});  // which takes the addresses from it: recover_addresses()
  }
  if (sources.size() > kClaimTableMax) sources.clear();
  sources[signed_claim.id] = source;

  if (owner == own_id || claim.state == ClaimState::Gone) {
    // A claim of ours from before a restart, or a departure of somebody who had it: the VM is here nevertheless.
    switch (vms.handle(now.steady, claim.mac, VmEvent::Displaced)) {
      case VmAction::Claim: claim_here(now, claim.mac, vms.find(claim.mac)->claim.claim.ips); break;
      case VmAction::Forget: unmute(now, claim.mac); break;
      default:
        // It may be here all the same, unheard: it came while this daemon was down, or was resumed here and says
        // nothing.
        if (owner == own_id && claim.state == ClaimState::Live && !vms.is_live(claim.mac)) check_stale(now, claim.mac);
        if (owner != own_id && !vms.is_live(claim.mac) && search_bucket.take(now.steady)) {
          ask_presence(std::nullopt, claim.ips);
        }
        break;
    }
  } else {
    if (vms.handle_foreign_claim(now.steady, claim.mac, owner) == VmAction::Yield) yield_to(now, claim);
    if (const auto conflict = conflicts.find(claim.mac); conflict != conflicts.end()) {
      if (conflict->second.muted) {
        conflict->second.other = owner;
      } else if (owner != conflict->second.other) {
        end_conflict(now, claim.mac, "reason=moved-away");  // it is its new host's
      }
    }
    reach(now, owner);
    // Its old host may have been cut off when it was claimed, and who claimed it may have forgotten that since.
    if (source == LookupSource::Dht && !before.is_zero() && before != owner && before != own_id) {
      peers.send(now, before, ClaimsMessage{{signed_claim.encoded}});
    }
    if (!before.is_zero()) note_path_switch(claim.mac, before, owner);
  }
  refresh_view(claim.mac);
  resume_preparation(now, claim.mac);
  if (const auto arrival = arrivals.find(claim.mac); arrival != arrivals.end()) {
    arrival->second.deadline = now.steady;
    finish_arrivals(now);
  }
  settle(now, claim);
}

// An older claim for a VM that is here names addresses that ours does not. One of ours from before a restart, or
// anybody's where we had to claim the VM without any address: it has them still, and did not show us yet. Else it is
// asked, as it may have given them up.
void Node::Impl::recover_addresses(Now now, const Claim& claim) {
  const LocalVm* vm = vms.find(claim.mac);
  if (vm == nullptr || !vm->is_live()) return;
  std::vector<IpAddress> ips = vm->claim.claim.ips;
  const std::size_t known = ips.size();
  for (const IpAddress& ip : claim.ips) {
    const SignedClaim* holder = claims.find(VmAddress{ip});
    const bool taken = holder != nullptr && holder->claim.mac != claim.mac;
    if (!taken && may_claim_ip(ip) && !contains(ips, ip) && has_room(ips, ip)) ips.push_back(ip);
  }
  if (ips.size() == known) return;
  const bool earlier = claim.owner == own_key && claim.sequence < first_sequence;
  if (claim.state == ClaimState::Live && (earlier || known == 0)) {
    claim_here(now, claim.mac, std::move(ips));
  } else if (search_bucket.take(now.steady)) {
    ips.erase(ips.begin(), ips.begin() + static_cast<std::ptrdiff_t>(known));
    ask_presence(claim.mac, ips);
  }
}

void Node::Impl::check_stale(Now now, const MacAddress& mac) {
  const bool is_known = std::any_of(stale_checks.begin(), stale_checks.end(),
                                    [&mac](const StaleCheck& check) { return check.mac == mac; });
  if (!is_known && stale_checks.size() < kPresenceChecksMax) stale_checks.push_back({now.steady, mac});
}

void Node::Impl::run_stale_checks(Now now) {
  std::vector<MacAddress> over;
  for (auto it = stale_checks.begin(); it != stale_checks.end();) {
    const SignedClaim* claim = claims.find(VmAddress{it->mac});
    const bool stands = claim != nullptr && claim->claim.owner == own_key && !vms.is_live(it->mac);
    if (!stands || (it->at <= now.steady && it->asked == kPresenceProbes)) {
      if (stands) over.push_back(it->mac);
      it = stale_checks.erase(it);
      continue;
    }
    if (it->at <= now.steady) {
      ++it->asked;
      it->at = now.steady + kPresenceInterval;
      ask_presence(std::nullopt, claim->claim.ips);
    }
    ++it;
  }
  for (const MacAddress& mac : over) {
    const SignedClaim claim = *claims.find(VmAddress{mac});
    vms.handle_claimed(now, claim);
    release_vm(now, mac, "reason=not-here");
  }
}

void Node::Impl::yield_to(Now now, const Claim& claim) {
  const MacAddress mac = claim.mac;
  withdraw(vms.find(mac)->claim);
  ++counters.moves_away;
  for (const auto delay : kInjectTimes) {
    if (delay.count() == 0) {
      inject_move(mac);
    } else {
      const Injection injection{now.steady + delay, mac};
      const auto after = std::upper_bound(injections.begin(), injections.end(), injection,
                                          [](const Injection& a, const Injection& b) { return a.at < b.at; });
      injections.insert(after, injection);
    }
  }
  for (const auto delay : kPresenceCheckTimes) {
    if (presence_checks.size() >= kPresenceChecksMax) break;
    const Injection check{now.steady + delay, mac};
    const auto after = std::upper_bound(presence_checks.begin(), presence_checks.end(), check,
                                        [](const Injection& a, const Injection& b) { return a.at < b.at; });
    presence_checks.insert(after, check);
  }
  if (peers.is_up(node_id_of(claim.owner))) begin_replay(now, mac);
  report(now, NodeEvent::Kind::VmMovedAway, node_id_of(claim.owner), mac, sequence_detail(claim));
}

// A frame from and to the VM's own MAC moves the bridge's entry to our TAP and reaches nobody; the announce does the
// same for switches behind the bridge. Otherwise neighbours on this host would send to the old port for 300 s.
void Node::Impl::inject_move(const MacAddress& mac) {
  take_over_entry(mac);
  emit(WriteFrame{make_rarp_announce(mac)});
}

void Node::Impl::take_over_entry(const MacAddress& mac) {
  Bytes self_addressed = make_rarp_announce(mac);
  std::copy(mac.octets.begin(), mac.octets.end(), self_addressed.begin());
  emit(WriteFrame{std::move(self_addressed)});
}

void Node::Impl::redirect(Now now, const NodeId& peer, const MacAddress& vm) {
  const SignedClaim* claim = claims.find_any(VmAddress{vm});
  if (claim == nullptr) return;
  ++counters.redirects_sent;
  note_step(now, vm, MoveStep::Redirected, peer);
  const SignedNodeRecord* record = directory.find_record(node_id_of(claim->claim.owner));
  if (record != nullptr) peers.send(now, peer, NodeRecordsMessage{{record->encoded}});
  if (!pusher.push(now.steady, peer, *claim)) ++counters.pushes_limited;
}

}  // namespace rove
