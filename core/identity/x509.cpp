#include "core/identity/x509.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/identity/address_blocks.h"
#include "core/identity/der.h"
#include "core/identity/name.h"

namespace rove {
namespace {

constexpr unsigned kX509Version = 3;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kOidSizeMax = 128;
constexpr std::size_t kExtensionsMax = 32;
constexpr std::string_view kBasicConstraintsOid = "2.5.29.19";
constexpr std::string_view kKeyUsageOid = "2.5.29.15";
constexpr std::size_t kKeyIdSize = 20;

// Octets that GnuTLS allocated.
struct GnutlsOctets {
  GnutlsOctets() = default;
  GnutlsOctets(const GnutlsOctets&) = delete;
  GnutlsOctets& operator=(const GnutlsOctets&) = delete;
  ~GnutlsOctets() { gnutls_free(datum.data); }
  [[nodiscard]] BytesView bytes() const { return {datum.data, datum.size}; }

  gnutls_datum_t datum{nullptr, 0};
};

struct PublicKeyDeleter {
  void operator()(gnutls_pubkey_t key) const { gnutls_pubkey_deinit(key); }
};
struct PrivateKeyDeleter {
  void operator()(gnutls_x509_privkey_t key) const { gnutls_x509_privkey_deinit(key); }
};

void check(int status) {
  ROVE_CHECK(status >= 0);
}

bool is_known_extension(std::string_view oid) {
  return oid == kBasicConstraintsOid || oid == kKeyUsageOid || oid == kAddressBlocksOid;
}

// Verification is told to pass unknown critical extensions, as GnuTLS does not know RFC 3779's; so they are
// refused here. RFC 5280 §4.2 forbids two of a kind.
Result<void> check_extensions(const X509& certificate) {
  std::set<std::string> seen;
  for (unsigned i = 0;; ++i) {
    std::array<char, kOidSizeMax> oid{};
    std::size_t size = oid.size();
    unsigned critical = 0;
    const int status = gnutls_x509_crt_get_extension_info(certificate.get(), i, oid.data(), &size, &critical);
    if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return {};
    if (status < 0 || i == kExtensionsMax) return fail(Error::Malformed);
    if (critical != 0 && !is_known_extension(oid.data())) return fail(Error::NotAllowed);
    if (!seen.emplace(oid.data()).second) return fail(Error::Malformed);
  }
}

// The one value of an attribute of the subject; empty when there is none.
Result<std::string> read_name(const X509& certificate, const char* oid) {
  std::array<char, kNameSizeMax + 2> text{};
  std::size_t size = text.size();
  const int status = gnutls_x509_crt_get_dn_by_oid(certificate.get(), oid, 0, 0, text.data(), &size);
  if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return std::string{};
  if (status < 0) return fail(Error::Malformed);
  std::string name{text.data(), size};
  size = text.size();
  const int second = gnutls_x509_crt_get_dn_by_oid(certificate.get(), oid, 1, 0, text.data(), &size);
  if (second != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return fail(Error::Malformed);
  return name;
}

Result<NodeKey> read_key(const X509& certificate) {
  if (gnutls_x509_crt_get_pk_algorithm(certificate.get(), nullptr) != GNUTLS_PK_EDDSA_ED25519) {
    return fail(Error::WeakKey);
  }
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  GnutlsOctets x;
  GnutlsOctets y;
  if (gnutls_x509_crt_get_pk_ecc_raw(certificate.get(), &curve, &x.datum, &y.datum) < 0 ||
      x.bytes().size() != kKeySize) {
    return fail(Error::Malformed);
  }
  NodeKey key;
  std::copy(x.bytes().begin(), x.bytes().end(), key.octets.begin());
  // Every identity must serve as a Noise key, too.
  if (!dh_public_of(key)) return fail(Error::WeakKey);
  return key;
}

Result<std::vector<Prefix>> read_prefixes(const X509& certificate) {
  GnutlsOctets der;
  const int status =
      gnutls_x509_crt_get_extension_by_oid2(certificate.get(), kAddressBlocksOid, 0, &der.datum, nullptr);
  if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return std::vector<Prefix>{};
  if (status < 0) return fail(Error::Malformed);
  return decode_address_blocks(der.bytes());
}

Result<void> read_usage(const X509& certificate, X509Fields& fields) {
  unsigned is_authority = 0;
  const int constraints = gnutls_x509_crt_get_basic_constraints(certificate.get(), nullptr, &is_authority, nullptr);
  if (constraints < 0 && constraints != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return fail(Error::Malformed);
  fields.is_authority = constraints >= 0 && is_authority != 0;

  unsigned usage = 0;
  const int status = gnutls_x509_crt_get_key_usage(certificate.get(), &usage, nullptr);
  if (status < 0 && status != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return fail(Error::Malformed);
  if (status >= 0) fields.key_usage = usage;
  return {};
}

WallTime from_time_t(std::time_t seconds) {
  return WallTime{std::chrono::seconds{seconds}};
}

std::time_t to_time_t(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::array<std::uint8_t, kKeyIdSize> key_id_of(const NodeKey& key) {
  return blake2b<kKeyIdSize>({key.octets});
}

std::unique_ptr<std::remove_pointer_t<gnutls_pubkey_t>, PublicKeyDeleter> make_public_key(const NodeKey& key) {
  gnutls_pubkey_t raw = nullptr;
  check(gnutls_pubkey_init(&raw));
  std::unique_ptr<std::remove_pointer_t<gnutls_pubkey_t>, PublicKeyDeleter> result{raw};
  const gnutls_datum_t x = as_datum(key.octets);
  check(gnutls_pubkey_import_ecc_raw(raw, GNUTLS_ECC_CURVE_ED25519, &x, nullptr));
  return result;
}

std::unique_ptr<std::remove_pointer_t<gnutls_x509_privkey_t>, PrivateKeyDeleter> make_private_key(
    const SigningSeed& seed) {
  gnutls_x509_privkey_t raw = nullptr;
  check(gnutls_x509_privkey_init(&raw));
  std::unique_ptr<std::remove_pointer_t<gnutls_x509_privkey_t>, PrivateKeyDeleter> result{raw};
  const NodeKey key = node_key_of(seed);
  const gnutls_datum_t x = as_datum(key.octets);
  const gnutls_datum_t k = as_datum(seed.expose());
  check(gnutls_x509_privkey_import_ecc_raw(raw, GNUTLS_ECC_CURVE_ED25519, &x, nullptr, &k));
  return result;
}

}  // namespace

gnutls_datum_t as_datum(BytesView bytes) {
  return {const_cast<unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size())};
}

X509 make_x509() {
  gnutls_x509_crt_t raw = nullptr;
  check(gnutls_x509_crt_init(&raw));
  return X509{raw};
}

Result<X509> import_x509(BytesView der) {
  if (der.size() > kCertificateSizeMax) return fail(Error::TooLarge);
  DerReader outer{der};
  (void)outer.read(DerTag::Sequence);  // only that it ends where the input does
  if (!outer.done()) return fail(Error::Malformed);
  X509 certificate = make_x509();
  const gnutls_datum_t datum = as_datum(der);
  if (gnutls_x509_crt_import(certificate.get(), &datum, GNUTLS_X509_FMT_DER) < 0) return fail(Error::Malformed);
  return certificate;
}

Result<X509Fields> read_fields(const X509& certificate) {
  if (gnutls_x509_crt_get_version(certificate.get()) != kX509Version) return fail(Error::Malformed);
  if (const auto extensions = check_extensions(certificate); !extensions) {
    return tl::make_unexpected(extensions.error());
  }
  X509Fields fields;
  auto common_name = read_name(certificate, GNUTLS_OID_X520_COMMON_NAME);
  auto organization = read_name(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME);
  if (!common_name || !organization) return fail(Error::Malformed);
  fields.common_name = std::move(*common_name);
  fields.organization = std::move(*organization);

  const auto key = read_key(certificate);
  if (!key) return tl::make_unexpected(key.error());
  fields.key = *key;
  auto prefixes = read_prefixes(certificate);
  if (!prefixes) return tl::make_unexpected(prefixes.error());
  fields.prefixes = std::move(*prefixes);
  if (const auto usage = read_usage(certificate, fields); !usage) return tl::make_unexpected(usage.error());

  const std::time_t begin = gnutls_x509_crt_get_activation_time(certificate.get());
  const std::time_t end = gnutls_x509_crt_get_expiration_time(certificate.get());
  if (begin < 0 || end < 0) return fail(Error::Malformed);
  fields.not_before = from_time_t(begin);
  fields.not_after = from_time_t(end);
  return fields;
}

Bytes sign_x509(const X509Request& request, BytesView issuer_der, const SigningSeed& seed) {
  const X509 certificate = make_x509();
  gnutls_x509_crt_t crt = certificate.get();
  check(gnutls_x509_crt_set_version(crt, kX509Version));
  // Positive and of a fixed length (RFC 5280 §4.1.2.2).
  std::array<std::uint8_t, 16> serial = request.serial;
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7f) | 0x40);
  check(gnutls_x509_crt_set_serial(crt, serial.data(), serial.size()));
  check(gnutls_x509_crt_set_dn_by_oid(crt, request.name_oid, 0, request.name.data(),
                                      static_cast<unsigned>(request.name.size())));
  check(gnutls_x509_crt_set_activation_time(crt, to_time_t(request.validity.not_before)));
  check(gnutls_x509_crt_set_expiration_time(crt, to_time_t(request.validity.not_after)));
  const auto public_key = make_public_key(request.key);
  check(gnutls_x509_crt_set_pubkey(crt, public_key.get()));

  check(gnutls_x509_crt_set_basic_constraints(crt, request.is_authority ? 1 : 0, request.is_authority ? 0 : -1));
  check(gnutls_x509_crt_set_key_usage(
      crt, request.is_authority ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE));
  const auto key_id = key_id_of(request.key);
  check(gnutls_x509_crt_set_subject_key_id(crt, key_id.data(), key_id.size()));
  const auto issuer_key_id = key_id_of(node_key_of(seed));
  check(gnutls_x509_crt_set_authority_key_id(crt, issuer_key_id.data(), issuer_key_id.size()));
  if (!request.prefixes.empty()) {
    const Bytes blocks = encode_address_blocks(request.prefixes);
    check(gnutls_x509_crt_set_extension_by_oid(crt, kAddressBlocksOid, blocks.data(), blocks.size(), 1));
  }

  const auto private_key = make_private_key(seed);
  X509 issuer;
  if (!issuer_der.empty()) {
    auto imported = import_x509(issuer_der);
    ROVE_CHECK(imported.has_value());
    issuer = std::move(*imported);
  }
  check(gnutls_x509_crt_sign2(crt, issuer ? issuer.get() : crt, private_key.get(), GNUTLS_DIG_UNKNOWN, 0));
  GnutlsOctets der;
  check(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der.datum));
  return {der.bytes().begin(), der.bytes().end()};
}

}  // namespace rove
