// Node records: "this node is reachable at these endpoints". docs/protocol.md §6.2.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"

namespace rove {

inline constexpr std::size_t kEndpointsMax = 8;

struct NodeRecord {
  NodeKey node;
  std::vector<Endpoint> endpoints;  // best first
  std::uint64_t sequence = 0;
  WallTime not_after{};

  bool operator==(const NodeRecord&) const = default;
};

// The signature has been verified.
struct SignedNodeRecord {
  NodeRecord record;
  Bytes encoded;
  RecordId id;
};

[[nodiscard]] SignedNodeRecord sign_node_record(NodeRecord record, const NetworkId& network, const SigningSeed& seed);
[[nodiscard]] Result<SignedNodeRecord> decode_node_record(BytesView encoded, const NetworkId& network);
[[nodiscard]] bool supersedes(const NodeRecord& a, const NodeRecord& b);

}  // namespace rove
