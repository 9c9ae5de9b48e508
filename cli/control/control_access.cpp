#include "cli/control/control_access.h"

#include <algorithm>

namespace rove {

ControlRight right_for(ControlVerb verb) {
  switch (verb) {
    case ControlVerb::Status:
    case ControlVerb::Peers:
    case ControlVerb::Vms:
    case ControlVerb::Info:
    case ControlVerb::Ping:
    case ControlVerb::Lookup:
    case ControlVerb::Timeline:
    case ControlVerb::Watch: return ControlRight::Read;
    case ControlVerb::Claim:
    case ControlVerb::Release:
    case ControlVerb::Prepare:
    case ControlVerb::Stopped: return ControlRight::Claim;
    case ControlVerb::LogLevel:
    case ControlVerb::Reload:
    case ControlVerb::Down: return ControlRight::Administer;
  }
  return ControlRight::Administer;
}

bool is_permitted(const ControlPeer& peer, const ControlPolicy& policy, ControlRight right) {
  if (peer.uid == 0 || peer.uid == policy.daemon_uid) return true;
  const bool is_member =
      policy.has_group && (peer.gid == policy.group ||
                           std::find(peer.groups.begin(), peer.groups.end(), policy.group) != peer.groups.end());
  if (!is_member) return false;
  return right == ControlRight::Read || (right == ControlRight::Claim && policy.group_may_claim);
}

}  // namespace rove
