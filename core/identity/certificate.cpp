#include "core/identity/certificate.h"

#include <algorithm>

#include "core/identity/address_blocks.h"
#include "core/identity/name.h"
#include "core/identity/x509.h"

namespace rove {

Result<Certificate> Certificate::parse(BytesView der) {
  const auto x509 = import_x509(der);
  if (!x509) return tl::make_unexpected(x509.error());
  auto fields = read_fields(*x509);
  if (!fields) return tl::make_unexpected(fields.error());
  if (fields->is_authority) return fail(Error::NotAllowed);
  if (fields->key_usage && (*fields->key_usage & GNUTLS_KEY_DIGITAL_SIGNATURE) == 0) return fail(Error::NotAllowed);
  if (!is_valid_name(fields->common_name)) return fail(Error::Malformed);

  Certificate certificate;
  certificate.name_ = std::move(fields->common_name);
  certificate.key_ = fields->key;
  certificate.id_ = node_id_of(fields->key);
  certificate.prefixes_ = std::move(fields->prefixes);
  certificate.not_before_ = fields->not_before;
  certificate.not_after_ = fields->not_after;
  certificate.der_.assign(der.begin(), der.end());
  return certificate;
}

bool Certificate::allows(const IpAddress& ip) const {
  return std::any_of(prefixes_.begin(), prefixes_.end(), [&ip](const Prefix& prefix) { return prefix.contains(ip); });
}

bool Certificate::allows_all(const std::vector<IpAddress>& ips) const {
  return std::all_of(ips.begin(), ips.end(), [this](const IpAddress& ip) { return allows(ip); });
}

Result<TrustAnchor> TrustAnchor::parse(BytesView ca_der) {
  const auto x509 = import_x509(ca_der);
  if (!x509) return tl::make_unexpected(x509.error());
  auto fields = read_fields(*x509);
  if (!fields) return tl::make_unexpected(fields.error());
  if (!fields->is_authority) return fail(Error::NotAllowed);
  if (fields->key_usage && (*fields->key_usage & GNUTLS_KEY_KEY_CERT_SIGN) == 0) return fail(Error::NotAllowed);
  if (!is_valid_name(fields->organization)) return fail(Error::Malformed);

  TrustAnchor anchor;
  anchor.key_ = fields->key;
  anchor.network_id_ = network_id_of(fields->key);
  anchor.network_name_ = std::move(fields->organization);
  anchor.prefixes_ = std::move(fields->prefixes);
  anchor.not_before_ = fields->not_before;
  anchor.not_after_ = fields->not_after;
  anchor.der_.assign(ca_der.begin(), ca_der.end());
  return anchor;
}

Result<void> TrustAnchor::verify_issuer(const Certificate& certificate) const {
  const auto authority = import_x509(der_);
  const auto subject = import_x509(certificate.der());
  if (!authority || !subject) return fail(Error::Malformed);
  // Certificate::parse refused the unknown critical extensions; verify() checks the times against its argument.
  constexpr unsigned kFlags = GNUTLS_VERIFY_IGNORE_UNKNOWN_CRIT_EXTENSIONS | GNUTLS_VERIFY_DISABLE_TIME_CHECKS;
  const gnutls_x509_crt_t trusted = authority->get();
  unsigned status = GNUTLS_CERT_INVALID;
  if (gnutls_x509_crt_verify(subject->get(), &trusted, 1, kFlags, &status) < 0 || status != 0) {
    return fail(Error::BadSignature);
  }
  if (!is_subset(certificate.prefixes(), prefixes_)) return fail(Error::NotAllowed);
  return {};
}

Result<void> TrustAnchor::verify(const Certificate& certificate, WallTime now) const {
  if (auto issued = verify_issuer(certificate); !issued) return issued;
  if (now < not_before_ || now < certificate.not_before()) return fail(Error::NotYetValid);
  if (now > not_after_ || now > certificate.not_after()) return fail(Error::Expired);
  return {};
}

}  // namespace rove
