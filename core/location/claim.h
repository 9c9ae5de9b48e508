// Claims: "this MAC with these IPs is at this node". docs/protocol.md §6.1.
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

enum class ClaimState : std::uint8_t { Live = 1, Gone = 2 };

inline constexpr std::size_t kClaimAddressesMax = 15;  // of each family: a nibble counts them
inline constexpr std::size_t kRecordSizeMax = 600;     // OpenDHT splits replies over 600 octets

struct Claim {
  ClaimState state = ClaimState::Live;
  MacAddress mac;
  std::vector<IpAddress> ips;  // sorted and unique
  NodeKey owner;
  std::uint64_t sequence = 0;
  WallTime not_after{};

  bool operator==(const Claim&) const = default;
};

// A claim together with the octets that prove it. The signature has been verified.
struct SignedClaim {
  Claim claim;
  Bytes encoded;
  RecordId id;
};

// `claim.ips` is sorted and made unique. More than kClaimAddressesMax of a family, and a `claim.owner` that is not
// the seed's key, is a ROVE_CHECK.
[[nodiscard]] SignedClaim sign_claim(Claim claim, const NetworkId& network, const SigningSeed& seed);

// Decodes and verifies the signature. Errors: Truncated, Malformed, TooLarge, UnknownVersion, BadSignature.
// Says nothing about time, certificates or who wins.
[[nodiscard]] Result<SignedClaim> decode_claim(BytesView encoded, const NetworkId& network);

// Which claim counts for one address: higher sequence, then owner key, then later not_after. Should a publisher
// sign two that agree in all these, then `gone` before live, and the higher addresses: a total order for one MAC.
[[nodiscard]] bool supersedes(const Claim& a, const Claim& b);

}  // namespace rove
