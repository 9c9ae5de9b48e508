// Operator's lookups: what is asked, what comes back, and why the winner won.
#include <algorithm>
#include <utility>

#include "core/location/sequence_clock.h"
#include "core/node/node_impl.h"

namespace rove {

LookupTicket Node::Impl::start_lookup(Now now, const VmAddress& address, bool refresh) {
  const LookupTicket ticket{++last_ticket};
  const SignedClaim* known = claims.find(address);
  const bool here = known != nullptr && known->claim.owner == own_key && vms.is_live(known->claim.mac);
  if (here || (!refresh && known != nullptr && known->claim.owner != own_key && is_fresh(now, address, known->claim))) {
    lookup_results.push_back({ticket, address, {}, {make_answer(now, *known, address)}});
    return ticket;
  }
  if (operator_lookups.size() >= kOperatorLookupsMax) {
    lookup_results.push_back({ticket, address, make_error_code(Error::LimitReached), {}});
    return ticket;
  }
  OperatorLookup lookup;
  lookup.ticket = ticket;
  lookup.address = address;
  lookup.lookup = location.lookup(keys.of(address), true);
  lookup.deadline = now.steady + kOperatorLookupTime;
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
    LookupResult result;
    result.ticket = it->ticket;
    result.address = it->address;
    if (const SignedClaim* winner = claims.find_any(it->address)) it->found.emplace(winner->id, *winner);
    for (const auto& [id, claim] : it->found) result.answers.push_back(make_answer(now, claim, it->address));
    std::stable_sort(result.answers.begin(), result.answers.end(), [](const LookupAnswer& a, const LookupAnswer& b) {
      if (a.wins != b.wins) return a.wins;
      return supersedes(a.claim, b.claim);
    });
    const bool found = !result.answers.empty() && result.answers.front().wins;
    if (!found) result.error = make_error_code(it->reached ? Error::Unknown : Error::Unavailable);
    lookup_results.push_back(std::move(result));
    it = operator_lookups.erase(it);
  }
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
