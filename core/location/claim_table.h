// What this node believes about who is where. docs/protocol.md §6.1, "Which one wins".
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/base/address.h"
#include "core/base/time.h"
#include "core/identity/certificate.h"
#include "core/location/claim.h"

namespace rove {

// Addresses (MACs and IPs) that claims are kept for: some 30,000 VMs, 20 MB. Above it the MAC that was least
// recently used goes, with its claims.
inline constexpr std::size_t kClaimTableMax = 65536;
// Of these for one publisher, so that a member who claims a whole prefix cannot push out the others. Further
// claims of it are refused (ClaimVerdict::Full).
inline constexpr std::size_t kClaimAddressesPerOwnerMax = 16384;
// Publishers whose latest claim of the same MAC is kept. A VM that visits more hosts than this within a claim's
// lifetime loses memory of the lowest sequences, which could not win again anyhow.
inline constexpr std::size_t kPublishersPerMacMax = 8;
// A claim counts so long after its not_after: clocks differ.
inline constexpr std::chrono::hours kClaimGrace{1};
// A claim that says it holds longer than this is refused as one from the future: its publisher must renew it.
inline constexpr std::chrono::hours kClaimAheadMax{24};

enum class ClaimVerdict : std::uint8_t {
  Accepted,       // it now wins for its MAC, and so for those of its addresses that no newer claim has
  Refreshed,      // the winning claim again, with a later not_after
  Known,          // nothing new
  Older,          // its publisher, or the MAC's present holder, has a newer one
  NotAllowed,     // not by its certificate, or it may not displace the present holder of its MAC
  Expired,        // not_after is more than kClaimGrace past
  FromTheFuture,  // its clock part, or not_after, is too far ahead of ours
  Full,           // its publisher has kClaimAddressesPerOwnerMax addresses already
};
[[nodiscard]] std::string_view to_string(ClaimVerdict verdict);

// Decides which claim holds for a MAC and for an IP address.
//
// Each MAC has one holder: of every publisher only the latest claim counts, and these are gone through by
// ascending precedence (supersedes()): each takes the MAC from the one before if its publisher's certificate
// allows all addresses of that one, or that one is `gone`. When neither of two publishers may displace the other
// (a stolen MAC, or a cloned VM in a foreign prefix), whoever held the MAC here first keeps it. An IP address
// belongs to the holder with the highest precedence among the live ones that name it. So what the table answers
// depends on the set of claims that it was offered, not on their order, save for such a contested MAC.
//
// Control thread. Pointers to claims are borrowed until the next call that is not const.
class ClaimTable {
 public:
  // `addresses_max` is smaller than kClaimTableMax in tests.
  explicit ClaimTable(std::size_t addresses_max = kClaimTableMax) : addresses_max_(addresses_max) {}
  ClaimTable(ClaimTable&&) = default;
  ClaimTable& operator=(ClaimTable&&) = default;

  // `publisher` is the certificate of the claim's owner (ROVE_CHECKed), verified by the caller for now.wall.
  // Accepted and Refreshed change what find() answers. A claim that loses does so only where certificates differ
  // so much that it keeps a third one from winning; version() tells.
  ClaimVerdict offer(Now now, const SignedClaim& claim, const Certificate& publisher);

  // The live claim that wins for an address, or nullptr.
  [[nodiscard]] const SignedClaim* find(const VmAddress& address) const;
  // Also a `gone` one, where no live claim has the address.
  [[nodiscard]] const SignedClaim* find_any(const VmAddress& address) const;

  // The claim that wins for an address was heard again from its owner or from the location service. An accepted
  // or refreshed claim counts as confirmed, too.
  void confirmed(Now now, const VmAddress& address);
  [[nodiscard]] std::optional<TimePoint> confirmed_at(const VmAddress& address) const;
  // Frames go there: spares it from eviction for a while.
  void touch(const VmAddress& address);

  // The highest sequence heard of for this MAC, and for those that have these addresses; 0 when there is none.
  // Claims that were refused only because they lost count, too, those from the future do not.
  [[nodiscard]] std::uint64_t highest_sequence(const MacAddress& mac, const std::vector<IpAddress>& ips) const;

  // Drops all claims of a publisher, e.g. one whose key was revoked.
  void forget(const NodeKey& owner);
  // Drops what no longer counts at `now`; after the clock went back also what is from the future now. To be called
  // every few seconds: until then find() may still give a claim that is over. Returns whether an answer changed.
  bool expire(WallTime now);

  // Rises with every change of an answer of find() or find_any().
  [[nodiscard]] std::uint64_t version() const { return version_; }

  // Every live holder of a MAC, by ascending MAC.
  template <typename Visitor>
  void for_each_live(Visitor&& visit) const {
    for (const auto& [mac, entry] : macs_) {
      const SignedClaim& held = entry.claims.at(entry.holder);
      if (held.claim.state == ClaimState::Live) visit(held);
    }
  }
  // Every live claim of this publisher that no other's live claim displaces, by ascending MAC: a `gone` of another may
  // stand above it.
  template <typename Visitor>
  void for_each_of(const NodeKey& owner, Visitor&& visit) const {
    for (const auto& [mac, entry] : macs_) {
      const auto own = entry.claims.find(owner);
      if (own == entry.claims.end() || own->second.claim.state != ClaimState::Live) continue;
      const bool stands = entry.holder == owner || entry.claims.at(entry.holder).claim.state == ClaimState::Gone;
      if (stands) visit(own->second);
    }
  }
  // MACs that claims are kept for.
  [[nodiscard]] std::size_t size() const { return macs_.size(); }
  // Addresses that claims are kept for; what kClaimTableMax limits.
  [[nodiscard]] std::size_t addresses() const { return addresses_; }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  // What is known of one MAC. Never without a claim.
  struct Entry {
    std::map<NodeKey, SignedClaim> claims;  // the latest of each publisher
    NodeKey holder;                         // whose claim wins
    RecordId held;                          // that claim
    std::uint64_t highest = 0;
    TimePoint confirmed{};
    std::list<MacAddress>::iterator use;
  };
  struct Publisher {
    std::vector<Prefix> prefixes;  // of the certificate that came with its last claim
    std::size_t addresses = 0;     // in its claims here
  };
  using Macs = std::map<MacAddress, Entry>;

  [[nodiscard]] bool may_displace(const Claim& claim, const Claim& other) const;
  [[nodiscard]] NodeKey elect(const Entry& entry, const std::optional<NodeKey>& holder) const;
  void set_holder(Macs::iterator it, const std::optional<NodeKey>& before);
  void clear_holder(Macs::iterator it);
  void store(Macs::iterator it, const SignedClaim& claim, const Certificate& publisher);
  void erase_claim(Entry& entry, const NodeKey& owner);
  void erase_claims(Macs::iterator it, const std::vector<NodeKey>& owners);
  template <typename Predicate>
  void erase_claims_if(Macs::iterator it, Predicate&& is_over);
  void trim(Macs::iterator it);
  void evict(const MacAddress& keep);
  [[nodiscard]] const Entry* find_entry(const VmAddress& address) const;
  [[nodiscard]] Entry* find_entry(const VmAddress& address);

  std::size_t addresses_max_;
  Macs macs_;
  std::map<IpAddress, std::set<MacAddress>> by_ip_;  // MACs whose holder names the address
  std::map<NodeKey, Publisher> publishers_;
  std::set<std::tuple<WallTime, MacAddress, NodeKey>> by_end_;
  std::list<MacAddress> uses_;  // least recently used first
  std::size_t addresses_ = 0;
  std::uint64_t evicted_ = 0;
  std::uint64_t version_ = 0;
  WallTime expired_at_{};
};

}  // namespace rove
