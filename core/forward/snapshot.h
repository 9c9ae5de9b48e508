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
  TimePoint expires{};  // neither sealed nor opened from here on
};

// A VM as the packet path sees it.
struct VmView {
  enum class Place : std::uint8_t { Local, Remote };
  Place place = Place::Local;
  NodeId owner{};                // Remote: who hosts it
  std::vector<IpAddress> ips{};  // of its current claim: what it may send from
  bool sourceless = false;       // any source IP may be used (a router)
  // Who had it before us, and until when that node may forward to us. Also while it is Remote and forwarded itself:
  // a VM that moved twice within seconds.
  NodeId previous_owner{};
  TimePoint takeover_until{};
  // Remote: it was here until lately; frames from peers that still think so are forwarded until then.
  TimePoint forward_until{};
};

struct Snapshot {
  std::unordered_map<MacAddress, VmView> vms;
  std::unordered_map<SessionIndex, SessionView> sessions;  // by local index: everything we can open
  std::unordered_map<NodeId, SessionIndex> current;        // peer → local index of the session to seal with
  std::vector<Prefix> subnets;                             // the network's virtual subnets
  std::size_t inner_mtu = 1400;                            // largest IP packet inside, octets
};

}  // namespace rove
