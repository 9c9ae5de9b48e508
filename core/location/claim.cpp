#include "core/location/claim.h"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/location/record.h"

namespace rove {
namespace {

constexpr std::string_view kDomain = "rove claim";
constexpr std::uint8_t kVersion = 1;

std::size_t count_v4(const std::vector<IpAddress>& ips) {
  return static_cast<std::size_t>(
      std::count_if(ips.begin(), ips.end(), [](const IpAddress& ip) { return ip.is_v4(); }));
}

bool can_be_claimed(const IpAddress& ip) {
  return !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
}

Bytes encode_body(const Claim& claim) {
  const std::size_t v4 = count_v4(claim.ips);
  const std::size_t v6 = claim.ips.size() - v4;
  ROVE_CHECK(v4 <= kClaimAddressesMax && v6 <= kClaimAddressesMax);
  Bytes body;
  Writer to{body};
  to.write(kVersion);
  to.write(static_cast<std::uint8_t>(claim.state));
  to.write_bytes(claim.mac.octets);
  to.write(static_cast<std::uint8_t>(v4 << 4 | v6));
  for (const IpAddress& ip : claim.ips) to.write_bytes(ip.bytes());  // sorted: IPv4 comes first
  to.write_bytes(claim.owner.octets);
  to.write(claim.sequence);
  to.write(to_unix_ms(claim.not_after));
  return body;
}

Result<Claim> decode_body(BytesView body) {
  Reader from{body};
  const auto version = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (version != kVersion) return fail(Error::UnknownVersion);

  Claim claim;
  const auto state = from.read<std::uint8_t>();
  claim.mac.octets = from.read_array<6>();
  const auto counts = from.read<std::uint8_t>();
  const std::size_t v4 = counts >> 4;
  const std::size_t v6 = counts & 15;
  const BytesView ips_v4 = from.read_bytes(v4 * 4);
  const BytesView ips_v6 = from.read_bytes(v6 * 16);
  claim.owner.octets = from.read_array<32>();
  claim.sequence = from.read<std::uint64_t>();
  const auto not_after = from.read<std::uint64_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (!from.done()) return fail(Error::Malformed);

  if (state != static_cast<std::uint8_t>(ClaimState::Live) && state != static_cast<std::uint8_t>(ClaimState::Gone)) {
    return fail(Error::Malformed);
  }
  claim.state = static_cast<ClaimState>(state);
  if (claim.mac.is_zero() || claim.mac.is_group() || not_after > kUnixMsMax) return fail(Error::Malformed);
  claim.not_after = from_unix_ms(not_after);

  claim.ips.reserve(v4 + v6);
  for (std::size_t i = 0; i < v4; ++i) claim.ips.push_back(IpAddress::v4(ips_v4.data() + i * 4));
  for (std::size_t i = 0; i < v6; ++i) claim.ips.push_back(IpAddress::v6(ips_v6.data() + i * 16));
  const bool ordered = std::adjacent_find(claim.ips.begin(), claim.ips.end(),
                                          [](const auto& a, const auto& b) { return a >= b; }) == claim.ips.end();
  if (!ordered || !std::all_of(claim.ips.begin(), claim.ips.end(), can_be_claimed)) return fail(Error::Malformed);
  return claim;
}

}  // namespace

SignedClaim sign_claim(Claim claim, const NetworkId& network, const SigningSeed& seed) {
  std::sort(claim.ips.begin(), claim.ips.end());
  claim.ips.erase(std::unique(claim.ips.begin(), claim.ips.end()), claim.ips.end());
  ROVE_CHECK(claim.owner == node_key_of(seed));

  SignedClaim result;
  result.encoded = sign_record(kDomain, network, encode_body(claim), seed);
  result.claim = std::move(claim);
  result.id = record_id_of(result.encoded);
  return result;
}

Result<SignedClaim> decode_claim(BytesView encoded, const NetworkId& network) {
  const auto parts = split_record(encoded);
  if (!parts) return tl::make_unexpected(parts.error());
  auto claim = decode_body(parts->body);
  if (!claim) return tl::make_unexpected(claim.error());
  if (!verify_record(kDomain, network, *parts, claim->owner)) return fail(Error::BadSignature);
  return SignedClaim{std::move(*claim), Bytes{encoded.begin(), encoded.end()}, record_id_of(encoded)};
}

bool supersedes(const Claim& a, const Claim& b) {
  const auto precedence = [](const Claim& claim) {
    return std::tie(claim.sequence, claim.owner, claim.not_after, claim.state, claim.ips);
  };
  return precedence(a) > precedence(b);
}

}  // namespace rove
