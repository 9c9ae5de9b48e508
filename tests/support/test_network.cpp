#include "tests/support/test_network.h"

#include <utility>

#include "core/base/check.h"
#include "core/crypto/hash.h"

namespace rove {
namespace {

constexpr Validity kValidity{kTestNow - std::chrono::hours{24}, kTestNow + std::chrono::hours{24 * 3653}};

template <typename T>
T value_of(std::optional<T> parsed) {
  ROVE_CHECK(parsed.has_value());
  return *parsed;
}

}  // namespace

TestNetwork::TestNetwork(std::uint64_t seed) : TestNetwork(seed, {prefix_of("10.77.0.0/16"), prefix_of("fd77::/64")}) {}

TestNetwork::TestNetwork(std::uint64_t seed, const std::vector<Prefix>& subnets)
    : random_(seed), key_(NetworkKey::generate(random_)), subnets_(subnets) {
  init_crypto();
  auto authority = Authority::create("testnet", subnets_, SigningSeed::generate(random_), kValidity, random_);
  ROVE_CHECK(authority.has_value());
  authority_ = std::move(*authority);
}

const TestNode& TestNetwork::add_node(const std::string& name) {
  return add_node(name, subnets_);
}

const TestNode& TestNetwork::add_node(const std::string& name, const std::vector<Prefix>& prefixes) {
  SigningSeed seed = SigningSeed::generate(random_);
  const auto der = authority_->issue(name, node_key_of(seed), prefixes, kValidity, random_);
  ROVE_CHECK(der.has_value());
  auto certificate = Certificate::parse(*der);
  ROVE_CHECK(certificate.has_value());
  nodes_.push_back(TestNode{std::move(seed), std::move(*certificate)});
  return nodes_.back();
}

SignedClaim TestNetwork::claim(const TestNode& node, const MacAddress& mac, std::vector<IpAddress> ips,
                               std::uint64_t sequence, ClaimState state, WallTime not_after) const {
  Claim claim;
  claim.state = state;
  claim.mac = mac;
  claim.ips = std::move(ips);
  claim.owner = node.key();
  claim.sequence = sequence;
  claim.not_after = not_after;
  return sign_claim(std::move(claim), id(), node.seed);
}

SignedNodeRecord TestNetwork::node_record(const TestNode& node, std::vector<Endpoint> endpoints, std::uint64_t sequence,
                                          WallTime not_after) const {
  NodeRecord record;
  record.node = node.key();
  record.endpoints = std::move(endpoints);
  record.sequence = sequence;
  record.not_after = not_after;
  return sign_node_record(std::move(record), id(), node.seed);
}

MacAddress mac_of(std::string_view text) {
  return value_of(parse_mac(text));
}

IpAddress ip_of(std::string_view text) {
  return value_of(parse_ip(text));
}

Prefix prefix_of(std::string_view text) {
  return value_of(parse_prefix(text));
}

Endpoint endpoint_of(std::string_view text) {
  return value_of(parse_endpoint(text, 0));
}

}  // namespace rove
