// GnuTLS behind a few functions: what rove reads from a certificate, and how it makes one. Only core/identity
// includes this.
#pragma once

#include <gnutls/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"
#include "core/identity/authority.h"

namespace rove {

struct CertificateDeleter {
  void operator()(gnutls_x509_crt_t certificate) const { gnutls_x509_crt_deinit(certificate); }
};
using X509 = std::unique_ptr<std::remove_pointer_t<gnutls_x509_crt_t>, CertificateDeleter>;

// The octets as GnuTLS takes them: it does not write to them.
[[nodiscard]] gnutls_datum_t as_datum(BytesView bytes);
[[nodiscard]] X509 make_x509();
// Errors: TooLarge, Malformed (also trailing octets).
[[nodiscard]] Result<X509> import_x509(BytesView der);

struct X509Fields {
  std::string common_name;   // empty: none
  std::string organization;  // empty: none
  NodeKey key;
  bool is_authority = false;          // basicConstraints CA:TRUE
  std::optional<unsigned> key_usage;  // GNUTLS_KEY_* bits
  std::vector<Prefix> prefixes;
  WallTime not_before{};
  WallTime not_after{};
};
// Errors: Malformed, NotAllowed (an unknown critical extension), WeakKey, TooLarge (too many prefixes).
[[nodiscard]] Result<X509Fields> read_fields(const X509& certificate);

// What goes into a certificate. The key identifiers are hashes of the keys, as RFC 5280 §4.2.1.2 suggests.
struct X509Request {
  const char* name_oid;  // of the one attribute in the subject
  std::string name;
  NodeKey key;
  bool is_authority = false;
  std::vector<Prefix> prefixes;
  Validity validity;
  std::array<std::uint8_t, 16> serial;
};
// Signed by `seed`; by itself when `issuer_der` is empty. A failure of GnuTLS is a ROVE_CHECK: the caller has
// checked all that is the operator's.
[[nodiscard]] Bytes sign_x509(const X509Request& request, BytesView issuer_der, const SigningSeed& seed);

}  // namespace rove
