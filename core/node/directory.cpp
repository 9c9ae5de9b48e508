#include "core/node/directory.h"

#include <algorithm>
#include <utility>

#include "core/location/sequence_clock.h"

namespace rove {
namespace {

// Clocks differ by this much at most (docs/protocol.md §6.1).
constexpr std::chrono::hours kClockSkewMax{1};
constexpr std::chrono::seconds kCertificateAskInterval{1};

}  // namespace

Directory::Entry& Directory::entry(Now now, const NodeId& node) {
  auto it = nodes_.find(node);
  if (it == nodes_.end()) {
    if (nodes_.size() >= kDirectoryMax) {
      nodes_.erase(std::min_element(nodes_.begin(), nodes_.end(),
                                    [](const auto& a, const auto& b) { return a.second.heard < b.second.heard; }));
    }
    it = nodes_.emplace(node, Entry{}).first;
  }
  it->second.heard = now.steady;
  return it->second;
}

bool Directory::offer_record(Now now, SignedNodeRecord record) {
  if (record.record.not_after + kClockSkewMax < now.wall) return false;
  if (is_from_the_future(record.record.sequence, now.wall)) return false;
  Entry& known = entry(now, node_id_of(record.record.node));
  if (known.record && !supersedes(record.record, known.record->record)) return false;
  known.record = std::move(record);
  return true;
}

Result<std::shared_ptr<const Certificate>> Directory::offer_certificate(Now now, BytesView der) {
  auto parsed = Certificate::parse(der);
  if (!parsed) return tl::make_unexpected(parsed.error());
  if (const auto verified = anchor_.verify(*parsed, now.wall); !verified) return tl::make_unexpected(verified.error());
  auto certificate = std::make_shared<const Certificate>(std::move(*parsed));
  set_certificate(now, certificate);
  return certificate;
}

void Directory::set_certificate(Now now, std::shared_ptr<const Certificate> certificate) {
  entry(now, certificate->id()).certificate = std::move(certificate);
}

const SignedNodeRecord* Directory::find_record(const NodeId& node) const {
  const auto it = nodes_.find(node);
  return it == nodes_.end() || !it->second.record ? nullptr : &*it->second.record;
}

std::shared_ptr<const Certificate> Directory::find_certificate(WallTime now, const NodeId& node) const {
  const auto it = nodes_.find(node);
  if (it == nodes_.end() || !it->second.certificate) return nullptr;
  if (it->second.certificate->not_after() < now) return nullptr;
  return it->second.certificate;
}

std::shared_ptr<const Certificate> Directory::last_certificate(const NodeId& node) const {
  const auto it = nodes_.find(node);
  return it == nodes_.end() ? nullptr : it->second.certificate;
}

std::string Directory::name_of(const NodeId& node) const {
  const auto it = nodes_.find(node);
  if (it == nodes_.end() || !it->second.certificate) return to_string(node);
  return it->second.certificate->name();
}

std::vector<NodeId> Directory::nodes() const {
  std::vector<NodeId> ids;
  ids.reserve(nodes_.size());
  for (const auto& [id, known] : nodes_) ids.push_back(id);
  return ids;
}

bool Directory::hold_claim(Now now, const NodeId& owner, SignedClaim claim) {
  Entry& known = entry(now, owner);
  const bool already = std::any_of(known.held.begin(), known.held.end(),
                                   [&claim](const SignedClaim& held) { return held.id == claim.id; });
  if (!already) {
    if (known.held.size() >= kClaimsWaitingMax) known.held.erase(known.held.begin());
    known.held.push_back(std::move(claim));
  }
  if (known.asked && now.steady - *known.asked < kCertificateAskInterval) return false;
  known.asked = now.steady;
  return true;
}

std::vector<SignedClaim> Directory::take_held_claims(const NodeId& owner) {
  const auto it = nodes_.find(owner);
  if (it == nodes_.end()) return {};
  return std::exchange(it->second.held, {});
}

bool Directory::has_held_claim(const VmAddress& address) const {
  for (const auto& [id, known] : nodes_) {
    for (const SignedClaim& held : known.held) {
      const Claim& claim = held.claim;
      if (address.is_mac() ? claim.mac == address.mac()
                           : std::find(claim.ips.begin(), claim.ips.end(), address.ip()) != claim.ips.end()) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace rove
