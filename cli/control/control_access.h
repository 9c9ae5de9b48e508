// Who may do what through the control socket.
#pragma once

#include <sys/types.h>

#include <vector>

#include "cli/control/control_protocol.h"

namespace rove {

// The process at the other end, as the kernel knows it (SO_PEERCRED, SO_PEERGROUPS).
struct ControlPeer {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
};

struct ControlPolicy {
  uid_t daemon_uid = 0;
  gid_t group = 0;         // whose members may read
  bool has_group = false;  // false: there is no such group, so it has no members
  bool group_may_claim = false;
};

enum class ControlRight { Read, Claim, Administer };
[[nodiscard]] ControlRight right_for(ControlVerb verb);

// Root and the daemon's own user may do everything; members of the group may read and, if so configured,
// claim; everybody else may nothing, whatever the socket's mode has become.
[[nodiscard]] bool is_permitted(const ControlPeer& peer, const ControlPolicy& policy, ControlRight right);

}  // namespace rove
