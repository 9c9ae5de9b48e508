#include "core/identity/authority.h"

#include <gnutls/gnutls.h>

#include "core/identity/address_blocks.h"
#include "core/identity/name.h"
#include "core/identity/pem.h"
#include "core/identity/x509.h"

namespace rove {
namespace {

// X.509 writes years with four digits, and GnuTLS takes no times before 1970.
constexpr WallTime kFirstTime{};
constexpr WallTime kLastTime = from_unix_ms(253'402'300'799'000);

Result<void> check_request(const std::string& name, const std::vector<Prefix>& prefixes, const Validity& validity) {
  if (!is_valid_name(name)) return fail(Error::Malformed);
  if (validity.not_before < kFirstTime || validity.not_after > kLastTime || validity.not_after <= validity.not_before) {
    return fail(Error::Malformed);
  }
  if (prefixes.size() > kPrefixesMax) return fail(Error::TooLarge);
  return {};
}

}  // namespace

Result<Authority> Authority::create(const std::string& network_name, const std::vector<Prefix>& subnets,
                                    SigningSeed seed, const Validity& validity, Random& random) {
  if (const auto ok = check_request(network_name, subnets, validity); !ok) return tl::make_unexpected(ok.error());
  const X509Request request{.name_oid = GNUTLS_OID_X520_ORGANIZATION_NAME,
                            .name = network_name,
                            .key = node_key_of(seed),
                            .is_authority = true,
                            .prefixes = subnets,
                            .validity = validity,
                            .serial = random.bytes<16>()};
  auto anchor = TrustAnchor::parse(sign_x509(request, {}, seed));
  if (!anchor) return tl::make_unexpected(anchor.error());
  return Authority{std::move(*anchor), std::move(seed)};
}

Result<Authority> Authority::from_pem(std::string_view text) {
  const auto blocks = parse_pem(text);
  if (!blocks) return tl::make_unexpected(blocks.error());
  std::optional<TrustAnchor> anchor;
  std::optional<SigningSeed> seed;
  for (const PemBlock& block : *blocks) {
    if (block.label == kPemCertificate && !anchor) {
      auto parsed = TrustAnchor::parse(block.bytes);
      if (!parsed) return tl::make_unexpected(parsed.error());
      anchor = std::move(*parsed);
    } else if (block.label == kPemPrivateKey && !seed) {
      auto decoded = decode_private_key(block.bytes);
      if (!decoded) return tl::make_unexpected(decoded.error());
      seed = std::move(*decoded);
    } else {
      return fail(Error::Malformed);
    }
  }
  if (!anchor || !seed) return fail(Error::Malformed);
  if (node_key_of(*seed) != anchor->key()) return fail(Error::WeakKey);
  return Authority{std::move(*anchor), std::move(*seed)};
}

std::string Authority::to_pem() const {
  return encode_pem(kPemCertificate, anchor_.der()) + encode_pem(kPemPrivateKey, encode_private_key(seed_));
}

Result<Bytes> Authority::issue(const std::string& node_name, const NodeKey& key, const std::vector<Prefix>& prefixes,
                               const Validity& validity, Random& random) const {
  if (const auto ok = check_request(node_name, prefixes, validity); !ok) return tl::make_unexpected(ok.error());
  if (!dh_public_of(key)) return fail(Error::WeakKey);
  if (!is_subset(prefixes, anchor_.prefixes())) return fail(Error::NotAllowed);
  if (validity.not_before < anchor_.not_before() || validity.not_after > anchor_.not_after()) {
    return fail(Error::NotAllowed);
  }
  const X509Request request{.name_oid = GNUTLS_OID_X520_COMMON_NAME,
                            .name = node_name,
                            .key = key,
                            .is_authority = false,
                            .prefixes = prefixes,
                            .validity = validity,
                            .serial = random.bytes<16>()};
  Bytes der = sign_x509(request, anchor_.der(), seed_);
  // Whatever is wrong with it, e.g. its size, shows here and not at a peer.
  const auto certificate = Certificate::parse(der);
  if (!certificate) return tl::make_unexpected(certificate.error());
  return der;
}

}  // namespace rove
