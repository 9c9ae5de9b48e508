// What this node knows of the network's other nodes: node records and certificates, and the claims that wait
// for a certificate.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/identity/certificate.h"
#include "core/location/claim.h"
#include "core/location/node_record.h"

namespace rove {

// Nodes that are remembered; the least recently heard of goes first. Only members get this far: every
// record came in a sealed envelope.
inline constexpr std::size_t kDirectoryMax = 8192;
// Claims held for a node whose certificate is on its way; the oldest goes first.
inline constexpr std::size_t kClaimsWaitingMax = 64;

// Control thread.
class Directory {
 public:
  explicit Directory(const TrustAnchor& anchor) : anchor_(anchor) {}

  // True when the record is newer than what was known, or new. `record` has a verified signature; one that is
  // over (1 h past not_after) or from the future is refused.
  bool offer_record(Now now, SignedNodeRecord record);
  // Parses and verifies. On success the certificate is known from here on.
  Result<std::shared_ptr<const Certificate>> offer_certificate(Now now, BytesView der);
  void set_certificate(Now now, std::shared_ptr<const Certificate> certificate);

  [[nodiscard]] const SignedNodeRecord* find_record(const NodeId& node) const;
  // nullptr when unknown or no longer valid at `now`.
  [[nodiscard]] std::shared_ptr<const Certificate> find_certificate(WallTime now, const NodeId& node) const;
  // Also one that is over; nullptr when unknown.
  [[nodiscard]] std::shared_ptr<const Certificate> last_certificate(const NodeId& node) const;
  // The certificate's name, else the id in hex.
  [[nodiscard]] std::string name_of(const NodeId& node) const;
  [[nodiscard]] std::vector<NodeId> nodes() const;

  // Keeps a claim until its owner's certificate is known. True when the certificate should be asked for now
  // (not asked within the last second).
  [[nodiscard]] bool hold_claim(Now now, const NodeId& owner, SignedClaim claim);
  [[nodiscard]] std::vector<SignedClaim> take_held_claims(const NodeId& owner);
  [[nodiscard]] bool has_held_claim(const VmAddress& address) const;

 private:
  struct Entry {
    std::optional<SignedNodeRecord> record;
    std::shared_ptr<const Certificate> certificate;
    std::vector<SignedClaim> held;
    std::optional<TimePoint> asked;
    TimePoint heard{};
  };
  Entry& entry(Now now, const NodeId& node);

  const TrustAnchor& anchor_;
  std::map<NodeId, Entry> nodes_;
};

}  // namespace rove
