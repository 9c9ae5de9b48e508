// A whole network's identities for tests: a CA and as many nodes as a test asks for, the same for the same seed.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/identity/authority.h"
#include "core/identity/certificate.h"
#include "core/location/claim.h"
#include "core/location/node_record.h"
#include "tests/support/seeded_random.h"

namespace rove {

// 2026-01-01 00:00:00 UTC. Test networks are valid from a day before to ten years after it.
inline constexpr WallTime kTestNow = from_unix_ms(1'767'225'600'000);

struct TestNode {
  SigningSeed seed;
  Certificate certificate;

  [[nodiscard]] const NodeKey& key() const { return certificate.key(); }
  [[nodiscard]] const NodeId& id() const { return certificate.id(); }
};

// References to nodes stay valid as long as the network.
class TestNetwork {
 public:
  // Named "testnet", with the subnets 10.77.0.0/16 and fd77::/64.
  explicit TestNetwork(std::uint64_t seed = 1);
  TestNetwork(std::uint64_t seed, const std::vector<Prefix>& subnets);

  // By default its VMs may claim all of the network's subnets.
  const TestNode& add_node(const std::string& name);
  const TestNode& add_node(const std::string& name, const std::vector<Prefix>& prefixes);

  [[nodiscard]] const Authority& authority() const { return *authority_; }
  [[nodiscard]] const TrustAnchor& anchor() const { return authority_->anchor(); }
  [[nodiscard]] const NetworkId& id() const { return anchor().network_id(); }
  [[nodiscard]] const NetworkKey& key() const { return key_; }
  [[nodiscard]] const std::vector<Prefix>& subnets() const { return subnets_; }
  [[nodiscard]] const std::deque<TestNode>& nodes() const { return nodes_; }

  // A claim by `node`, live, good for 30 minutes from kTestNow.
  [[nodiscard]] SignedClaim claim(const TestNode& node, const MacAddress& mac, std::vector<IpAddress> ips,
                                  std::uint64_t sequence, ClaimState state = ClaimState::Live,
                                  WallTime not_after = kTestNow + std::chrono::minutes{30}) const;
  [[nodiscard]] SignedNodeRecord node_record(const TestNode& node, std::vector<Endpoint> endpoints,
                                             std::uint64_t sequence,
                                             WallTime not_after = kTestNow + std::chrono::minutes{30}) const;

 private:
  SeededRandom random_;
  NetworkKey key_;
  std::vector<Prefix> subnets_;
  std::optional<Authority> authority_;
  std::deque<TestNode> nodes_;
};

// For literals in tests; text that does not parse is a ROVE_CHECK.
[[nodiscard]] MacAddress mac_of(std::string_view text);
[[nodiscard]] IpAddress ip_of(std::string_view text);
[[nodiscard]] Prefix prefix_of(std::string_view text);
[[nodiscard]] Endpoint endpoint_of(std::string_view text);

}  // namespace rove
