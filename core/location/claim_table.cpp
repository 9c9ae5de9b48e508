#include "core/location/claim_table.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/location/sequence_clock.h"

namespace rove {
namespace {

std::size_t address_count(const Claim& claim) {
  return 1 + claim.ips.size();
}

bool is_over(const Claim& claim, WallTime now) {
  return claim.not_after + kClaimGrace < now;
}

bool is_ahead(const Claim& claim, WallTime now) {
  return is_from_the_future(claim.sequence, now) || claim.not_after > now + kClaimAheadMax;
}

bool is_refresh(const Claim& claim, const Claim& before) {
  return claim.sequence == before.sequence && claim.state == before.state && claim.ips == before.ips;
}

}  // namespace

std::string_view to_string(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::Accepted: return "accepted";
    case ClaimVerdict::Refreshed: return "refreshed";
    case ClaimVerdict::Known: return "known";
    case ClaimVerdict::Older: return "older";
    case ClaimVerdict::NotAllowed: return "not-allowed";
    case ClaimVerdict::Expired: return "expired";
    case ClaimVerdict::FromTheFuture: return "from-the-future";
    case ClaimVerdict::Full: return "full";
  }
  return "unknown";
}

ClaimVerdict ClaimTable::offer(Now now, const SignedClaim& offered, const Certificate& publisher) {
  const Claim& claim = offered.claim;
  ROVE_CHECK(publisher.key() == claim.owner);
  if (!publisher.allows_all(claim.ips)) return ClaimVerdict::NotAllowed;
  if (is_over(claim, now.wall)) return ClaimVerdict::Expired;
  if (is_ahead(claim, now.wall)) return ClaimVerdict::FromTheFuture;

  if (const auto it = macs_.find(claim.mac); it != macs_.end()) {
    erase_claims_if(it, [now](const Claim& known) { return is_over(known, now.wall); });
  }
  auto it = macs_.find(claim.mac);
  std::optional<NodeKey> holder;
  const SignedClaim* before = nullptr;  // the same publisher's
  if (it != macs_.end()) {
    Entry& entry = it->second;
    entry.highest = std::max(entry.highest, claim.sequence);
    holder = entry.holder;
    if (const auto own = entry.claims.find(claim.owner); own != entry.claims.end()) before = &own->second;
  }
  if (before != nullptr && holder == claim.owner && before->id == offered.id) return ClaimVerdict::Known;
  if (before != nullptr && before->id != offered.id && !supersedes(claim, before->claim)) return ClaimVerdict::Older;

  const bool refresh = before != nullptr && holder == claim.owner && is_refresh(claim, before->claim);
  if (before == nullptr || before->id != offered.id) {
    const auto known = publishers_.find(claim.owner);
    const std::size_t others = (known == publishers_.end() ? 0 : known->second.addresses) -
                               (before == nullptr ? 0 : address_count(before->claim));
    if (others + address_count(claim) > kClaimAddressesPerOwnerMax) return ClaimVerdict::Full;
    if (it == macs_.end()) {
      it = macs_.emplace(claim.mac, Entry{}).first;
      it->second.highest = claim.sequence;
      it->second.use = uses_.insert(uses_.end(), claim.mac);
    } else {
      clear_holder(it);
    }
    store(it, offered, publisher);
    set_holder(it, holder);
    trim(it);
  }
  const Entry& entry = it->second;
  if (entry.holder != claim.owner) {
    const bool newer = supersedes(claim, entry.claims.at(entry.holder).claim);
    evict(claim.mac);
    return newer ? ClaimVerdict::NotAllowed : ClaimVerdict::Older;
  }
  it->second.confirmed = now.steady;
  uses_.splice(uses_.end(), uses_, entry.use);
  evict(claim.mac);
  return refresh ? ClaimVerdict::Refreshed : ClaimVerdict::Accepted;
}

// ---- answers -----------------------------------------------------------------------------------

const ClaimTable::Entry* ClaimTable::find_entry(const VmAddress& address) const {
  if (address.is_mac()) {
    const auto it = macs_.find(address.mac());
    return it == macs_.end() ? nullptr : &it->second;
  }
  const auto it = by_ip_.find(address.ip());
  if (it == by_ip_.end()) return nullptr;
  const Entry* best = nullptr;
  for (const MacAddress& mac : it->second) {
    const Entry& entry = macs_.at(mac);
    if (best == nullptr) {
      best = &entry;
      continue;
    }
    // A `gone` speaks for its own MAC: it does not take the address from another that has it.
    const Claim& claim = entry.claims.at(entry.holder).claim;
    const Claim& other = best->claims.at(best->holder).claim;
    const bool better = claim.state == other.state ? supersedes(claim, other) : claim.state == ClaimState::Live;
    if (better) best = &entry;
  }
  return best;
}

ClaimTable::Entry* ClaimTable::find_entry(const VmAddress& address) {
  return const_cast<Entry*>(std::as_const(*this).find_entry(address));  // the table itself is not const
}

const SignedClaim* ClaimTable::find_any(const VmAddress& address) const {
  const Entry* entry = find_entry(address);
  return entry == nullptr ? nullptr : &entry->claims.at(entry->holder);
}

const SignedClaim* ClaimTable::find(const VmAddress& address) const {
  const SignedClaim* claim = find_any(address);
  return claim != nullptr && claim->claim.state == ClaimState::Live ? claim : nullptr;
}

void ClaimTable::confirmed(Now now, const VmAddress& address) {
  Entry* entry = find_entry(address);
  if (entry == nullptr) return;
  entry->confirmed = now.steady;
  uses_.splice(uses_.end(), uses_, entry->use);
}

std::optional<TimePoint> ClaimTable::confirmed_at(const VmAddress& address) const {
  const Entry* entry = find_entry(address);
  return entry == nullptr ? std::nullopt : std::optional{entry->confirmed};
}

void ClaimTable::touch(const VmAddress& address) {
  if (const Entry* entry = find_entry(address)) uses_.splice(uses_.end(), uses_, entry->use);
}

std::uint64_t ClaimTable::highest_sequence(const MacAddress& mac, const std::vector<IpAddress>& ips) const {
  const auto of_mac = macs_.find(mac);
  std::uint64_t highest = of_mac == macs_.end() ? 0 : of_mac->second.highest;
  for (const IpAddress& ip : ips) {
    const auto of_ip = by_ip_.find(ip);
    if (of_ip == by_ip_.end()) continue;
    for (const MacAddress& other : of_ip->second) highest = std::max(highest, macs_.at(other).highest);
  }
  return highest;
}

// ---- who holds a MAC ---------------------------------------------------------------------------

bool ClaimTable::may_displace(const Claim& claim, const Claim& other) const {
  if (other.state == ClaimState::Gone || other.owner == claim.owner) return true;
  const std::vector<Prefix>& allowed = publishers_.at(claim.owner).prefixes;
  return std::all_of(other.ips.begin(), other.ips.end(), [&allowed](const IpAddress& ip) {
    return std::any_of(allowed.begin(), allowed.end(), [&ip](const Prefix& prefix) { return prefix.contains(ip); });
  });
}

// `holder` is who held the MAC so far, if anybody.
NodeKey ClaimTable::elect(const Entry& entry, const std::optional<NodeKey>& holder) const {
  std::vector<const Claim*> ascending;
  for (const auto& [owner, known] : entry.claims) ascending.push_back(&known.claim);
  std::sort(ascending.begin(), ascending.end(), [](const Claim* a, const Claim* b) { return supersedes(*b, *a); });

  const Claim* best = ascending.front();
  for (const Claim* claim : ascending) {
    // Nobody can tell which of two that may not displace each other is in the right, and sequences are theirs to
    // choose, so neither a newer nor an older one takes anything from whom we know.
    const bool contested = !may_displace(*claim, *best) && !may_displace(*best, *claim);
    if (contested ? holder == claim->owner : may_displace(*claim, *best)) best = claim;
  }
  return best->owner;
}

void ClaimTable::set_holder(Macs::iterator it, const std::optional<NodeKey>& before) {
  Entry& entry = it->second;
  entry.holder = elect(entry, before);
  const SignedClaim& held = entry.claims.at(entry.holder);
  for (const IpAddress& ip : held.claim.ips) by_ip_[ip].insert(it->first);
  if (entry.held != held.id) ++version_;
  entry.held = held.id;
}

void ClaimTable::clear_holder(Macs::iterator it) {
  const Entry& entry = it->second;
  for (const IpAddress& ip : entry.claims.at(entry.holder).claim.ips) {
    const auto index = by_ip_.find(ip);
    index->second.erase(it->first);
    if (index->second.empty()) by_ip_.erase(index);
  }
}

// ---- keeping and dropping ----------------------------------------------------------------------

// Between clear_holder() and set_holder().
void ClaimTable::store(Macs::iterator it, const SignedClaim& claim, const Certificate& publisher) {
  erase_claim(it->second, claim.claim.owner);
  Publisher& known = publishers_[claim.claim.owner];
  known.prefixes = publisher.prefixes();
  known.addresses += address_count(claim.claim);
  addresses_ += address_count(claim.claim);
  by_end_.emplace(claim.claim.not_after, it->first, claim.claim.owner);
  it->second.claims.emplace(claim.claim.owner, claim);
}

void ClaimTable::erase_claim(Entry& entry, const NodeKey& owner) {
  const auto it = entry.claims.find(owner);
  if (it == entry.claims.end()) return;
  const Claim& claim = it->second.claim;
  const auto publisher = publishers_.find(owner);
  publisher->second.addresses -= address_count(claim);
  if (publisher->second.addresses == 0) publishers_.erase(publisher);
  addresses_ -= address_count(claim);
  by_end_.erase({claim.not_after, claim.mac, owner});
  entry.claims.erase(it);
}

void ClaimTable::erase_claims(Macs::iterator it, const std::vector<NodeKey>& owners) {
  if (owners.empty()) return;
  Entry& entry = it->second;
  const NodeKey holder = entry.holder;
  clear_holder(it);
  for (const NodeKey& owner : owners) erase_claim(entry, owner);
  if (entry.claims.empty()) {
    uses_.erase(entry.use);
    macs_.erase(it);
    ++version_;
    return;
  }
  set_holder(it, holder);
}

template <typename Predicate>
void ClaimTable::erase_claims_if(Macs::iterator it, Predicate&& predicate) {
  std::vector<NodeKey> owners;
  for (const auto& [owner, known] : it->second.claims) {
    if (predicate(known.claim)) owners.push_back(owner);
  }
  erase_claims(it, owners);
}

void ClaimTable::trim(Macs::iterator it) {
  Entry& entry = it->second;
  if (entry.claims.size() <= kPublishersPerMacMax) return;
  const Claim* lowest = nullptr;
  for (const auto& [owner, known] : entry.claims) {
    if (owner == entry.holder) continue;
    if (lowest == nullptr || supersedes(*lowest, known.claim)) lowest = &known.claim;
  }
  erase_claims(it, {lowest->owner});
}

void ClaimTable::evict(const MacAddress& keep) {
  while (addresses_ > addresses_max_ && macs_.size() > 1) {
    const auto victim = uses_.front() == keep ? std::next(uses_.begin()) : uses_.begin();
    erase_claims_if(macs_.find(*victim), [](const Claim&) { return true; });
    ++evicted_;
  }
}

void ClaimTable::forget(const NodeKey& owner) {
  if (!publishers_.contains(owner)) return;
  for (auto it = macs_.begin(); it != macs_.end();) {
    const auto next = std::next(it);
    erase_claims_if(it, [&owner](const Claim& claim) { return claim.owner == owner; });
    it = next;
  }
}

bool ClaimTable::expire(WallTime now) {
  const std::uint64_t before = version_;
  while (!by_end_.empty() && std::get<WallTime>(*by_end_.begin()) + kClaimGrace < now) {
    const auto [end, mac, owner] = *by_end_.begin();
    erase_claims(macs_.find(mac), {owner});
  }
  if (now < expired_at_) {
    for (auto it = macs_.begin(); it != macs_.end();) {
      const auto next = std::next(it);
      erase_claims_if(it, [now](const Claim& claim) { return is_ahead(claim, now); });
      it = next;
    }
  }
  expired_at_ = now;
  return version_ != before;
}

}  // namespace rove
