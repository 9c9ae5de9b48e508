#include "core/identity/certificate.h"

#include <doctest/doctest.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <functional>
#include <string>

#include "core/crypto/hash.h"
#include "core/identity/address_blocks.h"
#include "core/identity/x509.h"
#include "tests/support/test_network.h"

using namespace rove;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

void must(int status) {
  REQUIRE(status >= 0);
}

using PrivateKey = std::unique_ptr<std::remove_pointer_t<gnutls_x509_privkey_t>, void (*)(gnutls_x509_privkey_t)>;

PrivateKey generate_key(gnutls_pk_algorithm_t algorithm, unsigned bits) {
  gnutls_x509_privkey_t key = nullptr;
  must(gnutls_x509_privkey_init(&key));
  must(gnutls_x509_privkey_generate(key, algorithm, bits, 0));
  return {key, gnutls_x509_privkey_deinit};
}

PrivateKey import_key(const SigningSeed& seed) {
  gnutls_x509_privkey_t key = nullptr;
  must(gnutls_x509_privkey_init(&key));
  const NodeKey public_key = node_key_of(seed);
  const gnutls_datum_t x = as_datum(public_key.octets);
  const gnutls_datum_t k = as_datum(seed.expose());
  must(gnutls_x509_privkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, nullptr, &k));
  return {key, gnutls_x509_privkey_deinit};
}

SigningSeed seed_of(std::uint8_t fill) {
  std::array<std::uint8_t, 32> raw{};
  raw.fill(fill);
  return SigningSeed{raw};
}

void set_extension(gnutls_x509_crt_t crt, const char* oid, const Bytes& value, bool critical) {
  must(gnutls_x509_crt_set_extension_by_oid(crt, oid, value.data(), value.size(), critical ? 1 : 0));
}

void set_name(gnutls_x509_crt_t crt, const char* oid, const std::string& name) {
  must(gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, name.data(), static_cast<unsigned>(name.size())));
}

enum class Subject { WithKey, WithoutKey };

// A certificate as another PKI might make it: an Ed25519 key, unless `fill` sets one, and what `fill` puts in.
Bytes make_certificate(const std::function<void(gnutls_x509_crt_t)>& fill, Subject subject = Subject::WithKey) {
  const X509 certificate = make_x509();
  gnutls_x509_crt_t crt = certificate.get();
  const PrivateKey key = import_key(seed_of(9));
  must(gnutls_x509_crt_set_version(crt, 3));
  const std::uint8_t serial = 7;
  must(gnutls_x509_crt_set_serial(crt, &serial, 1));
  must(gnutls_x509_crt_set_activation_time(crt, 1'700'000'000));
  must(gnutls_x509_crt_set_expiration_time(crt, 1'800'000'000));
  if (subject == Subject::WithKey) must(gnutls_x509_crt_set_key(crt, key.get()));
  fill(crt);
  const X509 issuer = make_x509();  // of the same key, whatever the subject's is
  set_name(issuer.get(), GNUTLS_OID_X520_ORGANIZATION_NAME, "issuer");
  must(gnutls_x509_crt_set_key(issuer.get(), key.get()));
  must(gnutls_x509_crt_sign2(crt, issuer.get(), key.get(), GNUTLS_DIG_UNKNOWN, 0));
  gnutls_datum_t der{nullptr, 0};
  must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der));
  Bytes bytes{der.data, der.data + der.size};
  gnutls_free(der.data);
  return bytes;
}

std::error_code error_of_parse(const std::function<void(gnutls_x509_crt_t)>& fill, Subject subject = Subject::WithKey) {
  const auto parsed = Certificate::parse(make_certificate(fill, subject));
  return parsed ? std::error_code{} : parsed.error();
}

std::error_code error_of_anchor(const std::function<void(gnutls_x509_crt_t)>& fill) {
  const auto parsed = TrustAnchor::parse(make_certificate(fill));
  return parsed ? std::error_code{} : parsed.error();
}

std::error_code error_of_verify(const TrustAnchor& anchor, const Certificate& certificate, WallTime now = kTestNow) {
  const auto verified = anchor.verify(certificate, now);
  return verified ? std::error_code{} : verified.error();
}

}  // namespace

// ---- parsing -----------------------------------------------------------------------------------

TEST_CASE("Certificate: parse() gives name, key, id, prefixes and times") {
  TestNetwork network{1};
  const TestNode& node = network.add_node("host-1", {prefix_of("10.77.4.0/24"), prefix_of("10.77.5.0/24")});

  const auto parsed = Certificate::parse(node.certificate.der());

  REQUIRE(parsed);
  CHECK(parsed->name() == "host-1");
  CHECK(parsed->key() == node_key_of(node.seed));
  CHECK(parsed->id() == node_id_of(parsed->key()));
  CHECK(parsed->prefixes() == std::vector{prefix_of("10.77.4.0/23")});
  CHECK(parsed->not_before() == kTestNow - hours{24});
  CHECK(parsed->not_after() == kTestNow + hours{24 * 3653});
  CHECK(parsed->der() == node.certificate.der());
}

TEST_CASE("Certificate: allows exactly the addresses of its prefixes") {
  TestNetwork network{1};
  const Certificate& certificate =
      network.add_node("a", {prefix_of("10.77.4.0/24"), prefix_of("fd77::4:0/112")}).certificate;

  CHECK(certificate.allows(ip_of("10.77.4.0")));
  CHECK(certificate.allows(ip_of("10.77.4.255")));
  CHECK_FALSE(certificate.allows(ip_of("10.77.5.0")));
  CHECK(certificate.allows(ip_of("fd77::4:ffff")));
  CHECK_FALSE(certificate.allows(ip_of("fd77::5:0")));
  CHECK(certificate.allows_all({}));
  CHECK(certificate.allows_all({ip_of("10.77.4.1"), ip_of("fd77::4:1")}));
  CHECK_FALSE(certificate.allows_all({ip_of("10.77.4.1"), ip_of("fd77::5:1")}));
}

TEST_CASE("Certificate: without address blocks it allows nothing") {
  TestNetwork network{1};

  const Certificate& certificate = network.add_node("a", {}).certificate;

  CHECK(certificate.prefixes().empty());
  CHECK_FALSE(certificate.allows(ip_of("10.77.4.1")));
  CHECK(network.anchor().verify(certificate, kTestNow));
}

TEST_CASE("Certificate: one of another PKI is fine with nothing but a name and a key") {
  const auto parsed = Certificate::parse(
      make_certificate([](gnutls_x509_crt_t crt) { set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a"); }));

  REQUIRE(parsed);
  CHECK(parsed->name() == "a");
  CHECK(parsed->key() == node_key_of(seed_of(9)));
}

TEST_CASE("Certificate: extensions that say nothing critical are passed over, others refused") {
  const Bytes value = from_hex("0500");
  const auto with = [&value](bool critical) {
    return error_of_parse([&value, critical](gnutls_x509_crt_t crt) {
      set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a");
      set_extension(crt, "1.2.3.4.5", value, critical);
    });
  };

  CHECK(with(false) == std::error_code{});
  CHECK(with(true) == Error::NotAllowed);
}

TEST_CASE("Certificate: names that could mean something to a shell or a file system are refused") {
  for (const std::string& name : {std::string{"Host"}, std::string{"a/../b"}, std::string{"a b"}, std::string{"$(id)"},
                                  std::string(64, 'x'), std::string{"a\0b", 3}}) {
    CAPTURE(name);
    CHECK(error_of_parse([&name](gnutls_x509_crt_t crt) { set_name(crt, GNUTLS_OID_X520_COMMON_NAME, name); }) ==
          Error::Malformed);
  }
  CHECK(error_of_parse([](gnutls_x509_crt_t crt) { set_name(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, "a"); }) ==
        Error::Malformed);
  CHECK(error_of_parse([](gnutls_x509_crt_t crt) {
          const char* error = nullptr;
          must(gnutls_x509_crt_set_dn(crt, "CN=a,CN=b", &error));
        }) == Error::Malformed);
}

TEST_CASE("Certificate: a CA's is no node's, nor is one that may not sign") {
  CHECK(error_of_parse([](gnutls_x509_crt_t crt) {
          set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a");
          must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
        }) == Error::NotAllowed);
  CHECK(error_of_parse([](gnutls_x509_crt_t crt) {
          set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a");
          must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_ENCIPHERMENT));
        }) == Error::NotAllowed);
}

TEST_CASE("Certificate: keys that are not Ed25519 are refused") {
  for (const auto& [algorithm, bits] : std::vector<std::pair<gnutls_pk_algorithm_t, unsigned>>{
           {GNUTLS_PK_EC, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)}, {GNUTLS_PK_EDDSA_ED448, 456}}) {
    const PrivateKey key = generate_key(algorithm, bits);
    const auto fill = [&key](gnutls_x509_crt_t crt) {
      set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a");
      must(gnutls_x509_crt_set_key(crt, key.get()));
    };
    CHECK(error_of_parse(fill, Subject::WithoutKey) == Error::WeakKey);
  }
}

TEST_CASE("Certificate: a key that is no good point is refused") {
  // The neutral element, order 1; and a y that has no x on the curve.
  for (const char* hex : {"0100000000000000000000000000000000000000000000000000000000000000",
                          "0200000000000000000000000000000000000000000000000000000000000000"}) {
    const Bytes weak = from_hex(hex);
    const auto fill = [&weak](gnutls_x509_crt_t crt) {
      set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a");
      gnutls_pubkey_t raw = nullptr;
      must(gnutls_pubkey_init(&raw));
      const std::unique_ptr<std::remove_pointer_t<gnutls_pubkey_t>, void (*)(gnutls_pubkey_t)> key{
          raw, gnutls_pubkey_deinit};
      const gnutls_datum_t x = as_datum(weak);
      must(gnutls_pubkey_import_ecc_raw(raw, GNUTLS_ECC_CURVE_ED25519, &x, nullptr));
      must(gnutls_x509_crt_set_pubkey(crt, raw));
    };
    CHECK(error_of_parse(fill, Subject::WithoutKey) == Error::WeakKey);
  }
}

TEST_CASE("Certificate: malformed address blocks are refused, critical or not") {
  for (const bool critical : {true, false}) {
    CHECK(error_of_parse([critical](gnutls_x509_crt_t crt) {
            set_name(crt, GNUTLS_OID_X520_COMMON_NAME, "a");
            set_extension(crt, kAddressBlocksOid,
                          from_hex("3008300604020001"
                                   "0500"),
                          critical);
          }) == Error::Malformed);
  }
}

TEST_CASE("Certificate: no shorter prefix and nothing longer parses") {
  TestNetwork network{1};
  const Bytes der = network.add_node("a").certificate.der();

  for (std::size_t size = 0; size < der.size(); ++size) CHECK_FALSE(Certificate::parse(BytesView{der}.first(size)));
  Bytes longer = der;
  longer.push_back(0);
  CHECK_FALSE(Certificate::parse(longer));
  longer.resize(kCertificateSizeMax + 1);
  const auto parsed = Certificate::parse(longer);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error() == Error::TooLarge);
}

TEST_CASE("Certificate: garbage never crashes, and no changed octet verifies as another certificate") {
  TestNetwork network{1};
  const Certificate& certificate = network.add_node("a").certificate;
  SeededRandom random{7};

  for (std::size_t at = 0; at < certificate.der().size(); ++at) {
    Bytes changed = certificate.der();
    changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1 + random.below(255)));
    const auto parsed = Certificate::parse(changed);
    if (!parsed) continue;
    CHECK(error_of_verify(network.anchor(), *parsed) == Error::BadSignature);
  }
  for (int i = 0; i < 5'000; ++i) {
    Bytes garbage(random.below(400));
    random.fill(garbage);
    CHECK_FALSE(Certificate::parse(garbage));
    CHECK_FALSE(TrustAnchor::parse(garbage));
  }
}

// ---- the anchor --------------------------------------------------------------------------------

TEST_CASE("TrustAnchor: parse() gives the network's name, id, key, prefixes and times") {
  const TestNetwork network{1};

  const auto anchor = TrustAnchor::parse(network.anchor().der());

  REQUIRE(anchor);
  CHECK(anchor->network_name() == "testnet");
  CHECK(anchor->network_id() == network_id_of(anchor->key()));
  CHECK(anchor->prefixes() == network.subnets());
  CHECK(anchor->not_before() == kTestNow - hours{24});
  CHECK(anchor->not_after() == kTestNow + hours{24 * 3653});
}

TEST_CASE("TrustAnchor: a certificate that may not sign certificates, or names no network, is none") {
  TestNetwork network{1};
  const auto of_node = TrustAnchor::parse(network.add_node("a").certificate.der());
  REQUIRE_FALSE(of_node);
  CHECK(of_node.error() == Error::NotAllowed);

  CHECK(error_of_anchor([](gnutls_x509_crt_t crt) {
          set_name(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, "lab");
          must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
        }) == std::error_code{});
  CHECK(error_of_anchor([](gnutls_x509_crt_t crt) {
          set_name(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, "lab");
          must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
          must(gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
        }) == Error::NotAllowed);
  CHECK(error_of_anchor([](gnutls_x509_crt_t crt) {
          set_name(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, "My Lab");
          must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1));
        }) == Error::Malformed);
  CHECK(error_of_anchor([](gnutls_x509_crt_t crt) { must(gnutls_x509_crt_set_basic_constraints(crt, 1, -1)); }) ==
        Error::Malformed);
}

// ---- verification ------------------------------------------------------------------------------

TEST_CASE("TrustAnchor: verifies what its CA issued") {
  TestNetwork network{1};
  const Certificate& certificate = network.add_node("a").certificate;

  CHECK(network.anchor().verify(certificate, kTestNow));
  CHECK(network.anchor().verify_issuer(certificate));
}

TEST_CASE("TrustAnchor: refuses what another CA of the same name issued") {
  TestNetwork ours{1};
  TestNetwork theirs{2};
  const Certificate& certificate = theirs.add_node("a").certificate;

  CHECK(ours.anchor().network_name() == theirs.anchor().network_name());
  CHECK(error_of_verify(ours.anchor(), certificate) == Error::BadSignature);
}

TEST_CASE("TrustAnchor: refuses what a node issued") {
  TestNetwork network{1};
  const TestNode& node = network.add_node("mallory");
  const X509Request request{.name_oid = GNUTLS_OID_X520_COMMON_NAME,
                            .name = "victim",
                            .key = node_key_of(seed_of(3)),
                            .is_authority = false,
                            .prefixes = network.subnets(),
                            .validity = {kTestNow, kTestNow + hours{1}},
                            .serial = {}};

  SUBCASE("under its own name") {
    const auto forged = Certificate::parse(sign_x509(request, node.certificate.der(), node.seed));
    REQUIRE(forged);
    CHECK(error_of_verify(network.anchor(), *forged) == Error::BadSignature);
  }
  SUBCASE("under the CA's name") {
    const auto forged = Certificate::parse(sign_x509(request, network.anchor().der(), node.seed));
    REQUIRE(forged);
    CHECK(error_of_verify(network.anchor(), *forged) == Error::BadSignature);
  }
  SUBCASE("by itself") {
    const auto forged = Certificate::parse(sign_x509(request, {}, seed_of(3)));
    REQUIRE(forged);
    CHECK(error_of_verify(network.anchor(), *forged) == Error::BadSignature);
  }
}

TEST_CASE("TrustAnchor: times are checked against the argument, to the second") {
  TestNetwork network{1};
  const Validity validity{kTestNow, kTestNow + hours{1}};
  SeededRandom random{1};
  const auto der = network.authority().issue("a", node_key_of(seed_of(3)), {}, validity, random);
  REQUIRE(der);
  const auto certificate = Certificate::parse(*der);
  REQUIRE(certificate);

  CHECK(error_of_verify(network.anchor(), *certificate, kTestNow - seconds{1}) == Error::NotYetValid);
  CHECK(error_of_verify(network.anchor(), *certificate, kTestNow) == std::error_code{});
  CHECK(error_of_verify(network.anchor(), *certificate, kTestNow + hours{1}) == std::error_code{});
  CHECK(error_of_verify(network.anchor(), *certificate, kTestNow + hours{1} + seconds{1}) == Error::Expired);
  CHECK(network.anchor().verify_issuer(*certificate));
}

TEST_CASE("TrustAnchor: nothing is valid before or after the CA itself") {
  SeededRandom random{1};
  const auto authority = Authority::create("lab", {}, seed_of(1), {kTestNow, kTestNow + hours{1}}, random);
  REQUIRE(authority);
  // The CA refuses to issue it, so the request goes around it.
  const X509Request request{.name_oid = GNUTLS_OID_X520_COMMON_NAME,
                            .name = "a",
                            .key = node_key_of(seed_of(3)),
                            .is_authority = false,
                            .prefixes = {},
                            .validity = {kTestNow - hours{1}, kTestNow + hours{2}},
                            .serial = {}};
  const auto certificate = Certificate::parse(sign_x509(request, authority->anchor().der(), seed_of(1)));
  REQUIRE(certificate);

  CHECK(error_of_verify(authority->anchor(), *certificate, kTestNow - seconds{1}) == Error::NotYetValid);
  CHECK(error_of_verify(authority->anchor(), *certificate, kTestNow) == std::error_code{});
  CHECK(error_of_verify(authority->anchor(), *certificate, kTestNow + hours{1} + seconds{1}) == Error::Expired);
}

TEST_CASE("TrustAnchor: V1: a certificate for more than the CA's own prefixes is refused") {
  const TestNetwork network{1};
  SeededRandom random{1};
  const auto narrow =
      Authority::create("lab", {prefix_of("10.77.0.0/17")}, seed_of(1), {kTestNow, kTestNow + hours{1}}, random);
  REQUIRE(narrow);
  const X509Request request{.name_oid = GNUTLS_OID_X520_COMMON_NAME,
                            .name = "a",
                            .key = node_key_of(seed_of(3)),
                            .is_authority = false,
                            .prefixes = {prefix_of("10.77.0.0/16")},
                            .validity = {kTestNow, kTestNow + hours{1}},
                            .serial = {}};
  const auto certificate = Certificate::parse(sign_x509(request, narrow->anchor().der(), seed_of(1)));
  REQUIRE(certificate);

  CHECK(error_of_verify(narrow->anchor(), *certificate) == Error::NotAllowed);
}
