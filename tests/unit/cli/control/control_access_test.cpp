#include "cli/control/control_access.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

constexpr ControlPolicy kPolicy{.daemon_uid = 200, .group = 300, .has_group = true, .group_may_claim = false};

bool may(const ControlPeer& peer, const ControlPolicy& policy, ControlVerb verb) {
  return is_permitted(peer, policy, right_for(verb));
}

}  // namespace

TEST_CASE("control access: root and the daemon's own user may do everything") {
  for (const uid_t uid : {uid_t{0}, uid_t{200}}) {
    const ControlPeer peer{.uid = uid, .gid = 1, .groups = {}};
    for (const ControlVerb verb : {ControlVerb::Status, ControlVerb::Lookup, ControlVerb::Claim, ControlVerb::Down}) {
      CHECK(may(peer, kPolicy, verb));
    }
  }
}

TEST_CASE("control access: members of the group may read, by primary or supplementary group") {
  for (const ControlPeer& peer :
       {ControlPeer{.uid = 7, .gid = 300, .groups = {}}, ControlPeer{.uid = 7, .gid = 7, .groups = {1, 300}}}) {
    for (const ControlVerb verb : {ControlVerb::Status, ControlVerb::Peers, ControlVerb::Vms, ControlVerb::Lookup,
                                   ControlVerb::Timeline, ControlVerb::Watch, ControlVerb::Info, ControlVerb::Ping}) {
      CHECK(may(peer, kPolicy, verb));
    }
    for (const ControlVerb verb : {ControlVerb::Claim, ControlVerb::Release, ControlVerb::Prepare, ControlVerb::Stopped,
                                   ControlVerb::Down, ControlVerb::LogLevel, ControlVerb::Reload}) {
      CHECK_FALSE(may(peer, kPolicy, verb));
    }
  }
}

TEST_CASE("control access: members may claim when the configuration says so, but never stop the daemon") {
  ControlPolicy policy = kPolicy;
  policy.group_may_claim = true;
  const ControlPeer peer{.uid = 7, .gid = 300, .groups = {}};

  CHECK(may(peer, policy, ControlVerb::Claim));
  CHECK(may(peer, policy, ControlVerb::Release));
  CHECK(may(peer, policy, ControlVerb::Prepare));
  CHECK(may(peer, policy, ControlVerb::Stopped));
  CHECK_FALSE(may(peer, policy, ControlVerb::Down));
  CHECK_FALSE(may(peer, policy, ControlVerb::LogLevel));
  CHECK_FALSE(may(peer, policy, ControlVerb::Reload));
}

TEST_CASE("control access: anybody else may nothing, whatever the socket's mode") {
  const ControlPeer stranger{.uid = 7, .gid = 7, .groups = {8}};
  CHECK_FALSE(may(stranger, kPolicy, ControlVerb::Status));

  // Without a group nobody is a member, not even of the group with the number that stands there by default.
  ControlPolicy no_group = kPolicy;
  no_group.has_group = false;
  no_group.group = 0;
  CHECK_FALSE(may({.uid = 7, .gid = 0, .groups = {0}}, no_group, ControlVerb::Status));
}

}  // namespace rove
