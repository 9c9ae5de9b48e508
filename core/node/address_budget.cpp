#include "core/node/address_budget.h"

#include <algorithm>

#include "core/peer/amplification.h"

namespace rove {

AddressBudget::Entry& AddressBudget::entry(TimePoint now, const Endpoint& address) {
  auto it = entries_.find(address);
  if (it == entries_.end()) {
    if (entries_.size() >= kBudgetAddressesMax) {
      entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                      [](const auto& a, const auto& b) { return a.second.heard < b.second.heard; }));
    }
    it = entries_.emplace(address, Entry{}).first;
    it->second.heard = now;
    it->second.interval_start = now;
  }
  return it->second;
}

void AddressBudget::handle_received(TimePoint now, const Endpoint& from, std::size_t size) {
  Entry& address = entry(now, from);
  if (now - address.heard > kProofTime) address.proven = false;
  address.heard = now;
  address.proven = address.proven || address.sent;
  address.allowance += kAmplificationMax * size;
}

void AddressBudget::set_proven(TimePoint now, const Endpoint& address) {
  Entry& known = entry(now, address);
  known.heard = now;
  known.proven = true;
}

bool AddressBudget::take(TimePoint now, const Endpoint& to, std::size_t size) {
  Entry& address = entry(now, to);
  if (address.proven && now - address.heard <= kProofTime) return true;
  if (address.allowance >= size) {
    address.allowance -= size;
    return true;
  }
  if (now - address.interval_start >= kUnaskedInterval) {
    address.interval_start = now;
    address.unasked = 0;
  }
  if (address.unasked + size > kUnaskedBytes) return false;
  address.unasked += size;
  address.sent = true;
  return true;
}

}  // namespace rove
