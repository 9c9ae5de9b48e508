// What the packet path may know: an immutable picture that the control thread publishes.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/crypto/aead.h"
#include "core/crypto/keys.h"
#include "core/forward/peer_traffic.h"
#include "core/forward/vm_map.h"

namespace rove {

// A session as the packet path sees it. `serial` is never reused within a process: counters and
// replay windows belong to it, and outlive a snapshot that still has it.
struct SessionView {
  std::uint64_t serial = 0;
  NodeId peer{};
  SessionIndex local_index{};   // in datagrams that we receive
  SessionIndex remote_index{};  // in datagrams that we send
  AeadAlgorithm algorithm = AeadAlgorithm::ChaCha20Poly1305;
  std::shared_ptr<const AeadKey> seal_key{};
  std::shared_ptr<const AeadKey> open_key{};
  Endpoint endpoint{};
  bool segments = true;                    // what the kernel cuts arrives there (UDP_SEGMENT)
  TimePoint expires{};                     // neither sealed nor opened from here on
  std::shared_ptr<PeerTraffic> traffic{};  // the peer's; nullptr: of nobody's interest, and of one worker
};

struct Snapshot {
  NodeId own_id{};
  VmMap vms;
  std::unordered_map<SessionIndex, SessionView> sessions;  // by local index: everything we can open
  std::unordered_map<NodeId, SessionIndex> current;        // peer → local index of the session to seal with
  // Differs whenever `sessions` or `current` do; 0: not kept, compare them.
  std::uint64_t sessions_version = 0;
  std::vector<Prefix> subnets;   // the network's virtual subnets
  std::size_t inner_mtu = 1400;  // largest IP packet inside, octets
};

}  // namespace rove
