// Operator's lookups: what is asked, what comes back, and why the winner won.
#include <algorithm>
#include <utility>

#include "core/location/sequence_clock.h"
#include "core/node/node_impl.h"

namespace rove {

std::string_view to_string(LookupStep::Kind kind) {
  switch (kind) {
    case LookupStep::Kind::Cache: return "cache";
    case LookupStep::Kind::Session: return "session";
    case LookupStep::Kind::Asked: return "asked";
    case LookupStep::Kind::Answer: return "answer";
    case LookupStep::Kind::Certificate: return "certificate";
    case LookupStep::Kind::Done: return "done";
    case LookupStep::Kind::Decided: return "decided";
  }
  return "unknown";
}

namespace {

bool is_refused(ClaimVerdict verdict) {
  return verdict == ClaimVerdict::NotAllowed || verdict == ClaimVerdict::Expired ||
         verdict == ClaimVerdict::FromTheFuture || verdict == ClaimVerdict::Full;
}

std::string describe(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::Accepted: return "newer than what was known";
    case ClaimVerdict::Refreshed: return "what was known, for longer";
    case ClaimVerdict::Known: return "known already";
    case ClaimVerdict::Older: return "older than what is known";
    case ClaimVerdict::NotAllowed: return "refused: not allowed by its node's certificate, or to take over the VM";
    case ClaimVerdict::Expired: return "refused: expired";
    case ClaimVerdict::FromTheFuture: return "refused: its clock is too far ahead";
    case ClaimVerdict::Full: return "refused: its node claims too many addresses";
  }
  return {};
}

std::string name_in(const LookupAnswer& answer) {
  return answer.owner_name.empty() ? to_string(answer.owner) : answer.owner_name;
}

// `answers` by precedence, the winner first if there is one.
std::string explain(const std::vector<LookupAnswer>& answers, bool reached) {
  if (answers.empty()) return reached ? "nobody claims it" : "no other node answers, and nothing is cached";
  const LookupAnswer& first = answers.front();
  if (!first.wins) {
    return first.why_not == "gone" ? "the claim that counts says that it is gone from " + name_in(first)
                                   : "no claim for it counts";
  }
  if (answers.size() == 1) return "it is the only claim";
  const auto rival = std::find_if(answers.begin() + 1, answers.end(),
                                  [](const LookupAnswer& answer) { return answer.why_not == "older"; });
  if (rival == answers.end()) return "it is the only claim that counts";
  if (rival->owner == first.owner) return "it is the latest of " + name_in(first) + "'s claims";
  const bool later = first.claim.sequence > rival->claim.sequence;
  return (later ? "its sequence is higher than that of " : "of two claims with one sequence it has precedence over ") +
         name_in(*rival) + "'s claim";
}

}  // namespace

void Node::Impl::OperatorLookup::add_step(TimePoint now, LookupStep step) {
  if (steps.size() >= kLookupStepsMax) {
    ++steps_left_out;
    return;
  }
  step.at = now - began;
  steps.push_back(std::move(step));
}

bool Node::Impl::OperatorLookup::concerns(const Claim& claim) const {
  if (address.is_mac()) return claim.mac == address.mac();
  return std::find(claim.ips.begin(), claim.ips.end(), address.ip()) != claim.ips.end();
}

// What is known before anybody is asked, and what that is worth.
void Node::Impl::trace_known(Now now, OperatorLookup& lookup, const SignedClaim* known) const {
  using Kind = LookupStep::Kind;
  if (known == nullptr) {
    std::size_t up = 0;
    for (const PeerInfo& peer : peers.peers()) up += peer.up ? 1 : 0;
    lookup.add_step(now.steady, {.kind = Kind::Cache, .from = "cache", .verdict = "nothing is known"});
    lookup.add_step(now.steady,
                    {.kind = Kind::Session,
                     .from = "cache",
                     .verdict = "no claim was told by the peers that are connected: " + std::to_string(up)});
    return;
  }
  const NodeId owner = node_id_of(known->claim.owner);
  const std::string name = directory.name_of(owner);
  LookupStep cached{.kind = Kind::Cache, .from = "cache", .node = name, .sequence = known->claim.sequence};
  cached.verified = true;
  if (known->claim.owner == own_key) {
    cached.verdict =
        vms.is_live(known->claim.mac) ? "the VM is on this host" : "ours from before, and the VM is not here";
    lookup.add_step(now.steady, std::move(cached));
    return;
  }
  const auto confirmed = claims.confirmed_at(lookup.address);
  const auto age = confirmed ? std::chrono::duration_cast<std::chrono::seconds>(now.steady - *confirmed).count() : 0;
  cached.verdict = "confirmed " + std::to_string(age) + "s ago";
  lookup.add_step(now.steady, std::move(cached));
  lookup.add_step(now.steady, {.kind = Kind::Session,
                               .from = name,
                               .verdict = peers.is_up(owner)
                                              ? "connected: it would have told of a change"
                                              : "not connected: what is cached counts for 30s after it was confirmed"});
}

void Node::Impl::trace_answer(Now now, const Claim& claim, LookupSource source, const NodeId& bringer,
                              std::optional<ClaimVerdict> verdict) {
  for (OperatorLookup& lookup : operator_lookups) {
    if (!lookup.concerns(claim)) continue;
    LookupStep step{.kind = LookupStep::Kind::Answer, .sequence = claim.sequence};
    step.from = source == LookupSource::Dht || bringer.is_zero() ? "dht" : directory.name_of(bringer);
    step.node = directory.name_of(node_id_of(claim.owner));
    step.verified = verdict ? std::optional{!is_refused(*verdict)} : std::nullopt;
    step.verdict = verdict ? describe(*verdict) : "waits for its node's certificate";
    if (claim.state == ClaimState::Gone) step.verdict += "; says that the VM is gone";
    lookup.add_step(now.steady, std::move(step));
  }
}

void Node::Impl::trace_certificate(Now now, const NodeId& owner) {
  for (OperatorLookup& lookup : operator_lookups) {
    const bool waited = std::any_of(lookup.found.begin(), lookup.found.end(),
                                    [&](const auto& entry) { return node_id_of(entry.second.claim.owner) == owner; });
    if (!waited) continue;
    lookup.add_step(now.steady, {.kind = LookupStep::Kind::Certificate,
                                 .from = "dht",
                                 .node = directory.name_of(owner),
                                 .verdict = "its node's certificate came, and is valid"});
  }
}

LookupTicket Node::Impl::start_lookup(Now now, const VmAddress& address, bool refresh) {
  const LookupTicket ticket{++last_ticket};
  const SignedClaim* known = claims.find(address);
  const bool here = known != nullptr && known->claim.owner == own_key && vms.is_live(known->claim.mac);
  const bool fresh = known != nullptr && known->claim.owner != own_key && is_fresh(now, address, known->claim);
  OperatorLookup lookup;
  lookup.ticket = ticket;
  lookup.address = address;
  lookup.began = now.steady;
  trace_known(now, lookup, known);
  if (here || (!refresh && fresh)) {
    lookup.reached = true;
    lookup.found.emplace(known->id, *known);
    finish_lookup(now, lookup);
    return ticket;
  }
  if (operator_lookups.size() >= kOperatorLookupsMax) {
    lookup_results.push_back({ticket, address, make_error_code(Error::LimitReached), {}, "too many lookups at a time"});
    return ticket;
  }
  lookup.lookup = location.lookup(keys.of(address), true);
  lookup.deadline = now.steady + kOperatorLookupTime;
  lookup.add_step(now.steady, {.kind = LookupStep::Kind::Asked,
                               .from = "dht",
                               .verdict = "other nodes that answer: " + std::to_string(location_status.nodes)});
  operator_lookups.push_back(std::move(lookup));
  return ticket;
}

void Node::Impl::finish_lookups(Now now) {
  for (auto it = operator_lookups.begin(); it != operator_lookups.end();) {
    const bool certified = std::all_of(it->found.begin(), it->found.end(), [&](const auto& entry) {
      return directory.find_certificate(now.wall, node_id_of(entry.second.claim.owner)) != nullptr;
    });
    const bool finished = it->deadline <= now.steady || (it->done && certified);
    if (!finished) {
      ++it;
      continue;
    }
    if (const SignedClaim* winner = claims.find_any(it->address)) it->found.emplace(winner->id, *winner);
    finish_lookup(now, *it);
    it = operator_lookups.erase(it);
  }
}

void Node::Impl::finish_lookup(Now now, OperatorLookup& lookup) {
  LookupResult result;
  result.ticket = lookup.ticket;
  result.address = lookup.address;
  for (const auto& [id, claim] : lookup.found) result.answers.push_back(make_answer(now, claim, lookup.address));
  std::stable_sort(result.answers.begin(), result.answers.end(), [](const LookupAnswer& a, const LookupAnswer& b) {
    if (a.wins != b.wins) return a.wins;
    return supersedes(a.claim, b.claim);
  });
  const bool found = !result.answers.empty() && result.answers.front().wins;
  if (!found) result.error = make_error_code(lookup.reached ? Error::Unknown : Error::Unavailable);
  result.why = explain(result.answers, lookup.reached);
  LookupStep decided{.kind = LookupStep::Kind::Decided, .from = "cache", .verdict = result.why};
  if (found) {
    decided.node = name_in(result.answers.front());
    decided.sequence = result.answers.front().claim.sequence;
  }
  // Always kept: it is the one that says how it ended.
  decided.at = now.steady - lookup.began;
  result.steps = std::move(lookup.steps);
  result.steps.push_back(std::move(decided));
  result.steps_left_out = lookup.steps_left_out;
  lookup_results.push_back(std::move(result));
}

LookupAnswer Node::Impl::make_answer(Now now, const SignedClaim& signed_claim, const VmAddress& address) const {
  const Claim& claim = signed_claim.claim;
  LookupAnswer answer;
  answer.claim = claim;
  answer.owner = node_id_of(claim.owner);
  const auto certificate = directory.find_certificate(now.wall, answer.owner);
  if (certificate != nullptr) answer.owner_name = certificate->name();
  if (claim.owner == own_key) {
    answer.endpoints = config.endpoints;
  } else {
    if (const auto peer = peers.find_peer(answer.owner); peer && peer->up) answer.endpoints.push_back(peer->endpoint);
    if (const SignedNodeRecord* record = directory.find_record(answer.owner)) {
      for (const Endpoint& endpoint : record->record.endpoints) {
        const bool listed =
            std::find(answer.endpoints.begin(), answer.endpoints.end(), endpoint) != answer.endpoints.end();
        if (!listed) answer.endpoints.push_back(endpoint);
      }
    }
  }
  if (const auto source = sources.find(signed_claim.id); source != sources.end()) answer.source = source->second;
  if (const auto confirmed = claims.confirmed_at(address)) answer.age = now.steady - *confirmed;

  const SignedClaim* winner = claims.find_any(address);
  const bool is_winner = winner != nullptr && winner->id == signed_claim.id;
  answer.wins = is_winner && claim.state == ClaimState::Live;
  if (answer.wins) return answer;
  if (is_winner) {
    answer.why_not = "gone";
  } else if (certificate == nullptr) {
    answer.why_not = "its node's certificate is not known";
  } else if (!certificate->allows_all(claim.ips)) {
    answer.why_not = "not allowed by its node's certificate";
  } else if (claim.not_after + kWallClockSkewMax < now.wall) {
    answer.why_not = "expired";
  } else if (is_from_the_future(claim.sequence, now.wall)) {
    answer.why_not = "its clock is too far ahead";
  } else if (winner != nullptr && supersedes(claim, winner->claim)) {
    answer.why_not = "not allowed to take over the addresses of the claim it displaces";
  } else {
    answer.why_not = "older";
  }
  return answer;
}

}  // namespace rove
