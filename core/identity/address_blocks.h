// The X.509 extension sbgp-ipAddrBlock (RFC 3779 §2): which prefixes the holder of a certificate may claim.
//
//   IPAddrBlocks ::= SEQUENCE OF SEQUENCE { addressFamily OCTET STRING, SEQUENCE OF IPAddressOrRange }
//   IPAddressOrRange ::= CHOICE { addressPrefix BIT STRING, addressRange SEQUENCE { min BIT STRING, max BIT STRING } }
//
// There is one encoding of a set of addresses (RFC 3779 §2.2.3): sorted, neighbours joined, a range only where no
// prefix says the same. Any other is refused.
#pragma once

#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace rove {

inline constexpr char kAddressBlocksOid[] = "1.3.6.1.5.5.7.1.7";
// Prefixes of one certificate. More do not fit its 2048 octets, but a few ranges could be split into thousands.
inline constexpr std::size_t kPrefixesMax = 256;
inline constexpr std::size_t kAddressBlocksSizeMax = 2048;

// `prefixes` may overlap and come in any order; at least one (ROVE_CHECKed).
[[nodiscard]] Bytes encode_address_blocks(const std::vector<Prefix>& prefixes);

// The fewest prefixes that make up the same addresses, sorted. Errors: Malformed (also "inherit", a subsequent
// address family identifier, and an empty set), TooLarge (more than kPrefixesMax prefixes, or
// kAddressBlocksSizeMax octets).
[[nodiscard]] Result<std::vector<Prefix>> decode_address_blocks(BytesView der);

// The fewest prefixes that make up the same addresses, sorted.
[[nodiscard]] std::vector<Prefix> simplified(const std::vector<Prefix>& prefixes);

// Whether every address of `inner` is in `outer`, which is simplified.
[[nodiscard]] bool is_subset(const std::vector<Prefix>& inner, const std::vector<Prefix>& outer);

}  // namespace rove
