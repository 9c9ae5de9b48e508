// What operators are told of the network's other nodes.
#include <map>
#include <utility>

#include "core/node/node_impl.h"

namespace rove {

std::vector<MemberName> Node::Impl::members() const {
  std::map<NodeId, MemberName> found;
  for (const NodeId& id : directory.nodes()) {
    const auto certificate = directory.last_certificate(id);
    found[id] = {.id = id, .name = certificate != nullptr ? certificate->name() : std::string{}, .up = false};
  }
  for (const PeerInfo& peer : peers.peers()) {
    MemberName& member = found[peer.id];
    member.id = peer.id;
    if (member.name.empty()) member.name = peer.name;
    member.up = peer.up;
  }
  found[own_id] = {.id = own_id, .name = own_certificate->name(), .up = true};
  std::vector<MemberName> all;
  all.reserve(found.size());
  for (auto& [id, member] : found) all.push_back(std::move(member));
  return all;
}

std::optional<MemberInfo> Node::Impl::member(const NodeId& node) const {
  MemberInfo info;
  info.id = node;
  info.is_self = node == own_id;
  info.inner_mtu = config.inner_mtu;
  info.peer = peers.find_peer(node);
  info.certificate = info.is_self ? own_certificate : directory.last_certificate(node);
  if (info.certificate == nullptr) info.certificate = peers.find_certificate(node);
  const SignedNodeRecord* record = directory.find_record(node);
  if (record != nullptr) info.endpoints = record->record.endpoints;
  if (info.is_self) info.endpoints = config.endpoints;
  if (info.certificate == nullptr && record == nullptr && !info.peer) return std::nullopt;
  if (info.certificate == nullptr) return info;  // nor are claims of its
  const NodeKey key = info.certificate->key();
  claims.for_each_live([&](const SignedClaim& claim) {
    if (claim.claim.owner != key) return;
    // Of ours only what is here: one from before a restart says nothing.
    if (!info.is_self || vms.is_live(claim.claim.mac)) info.vms.push_back(claim.claim);
  });
  return info;
}

const NodeId& Node::id() const {
  return impl_->own_id;
}

std::vector<MemberName> Node::members() const {
  return impl_->members();
}

std::optional<MemberInfo> Node::member(const NodeId& node) const {
  return impl_->member(node);
}

}  // namespace rove
