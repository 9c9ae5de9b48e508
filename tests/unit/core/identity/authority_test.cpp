#include "core/identity/authority.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/identity/address_blocks.h"
#include "core/identity/pem.h"
#include "tests/support/test_network.h"

using namespace rove;
using std::chrono::hours;

namespace {

constexpr Validity kValidity{kTestNow, kTestNow + hours{24}};

SigningSeed seed_of(std::uint8_t fill) {
  std::array<std::uint8_t, 32> raw{};
  raw.fill(fill);
  return SigningSeed{raw};
}

Result<Authority> create(const std::string& name, const std::vector<Prefix>& subnets, std::uint8_t seed = 1,
                         const Validity& validity = kValidity) {
  SeededRandom random{seed};
  return Authority::create(name, subnets, seed_of(seed), validity, random);
}

template <typename T>
std::error_code error_of(const Result<T>& result) {
  return result ? std::error_code{} : result.error();
}

// A directory that is gone with the test.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "rove-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream{path_ / name} << text;
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

struct Output {
  int status = 0;
  std::string text;  // of both streams
};

Output run(const std::string& command) {
  Output output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output.text += buffer.data();
  output.status = pclose(pipe);
  return output;
}

bool has(const Output& output, const std::string& text) {
  return output.text.find(text) != std::string::npos;
}

bool has_openssl() {
  return run("openssl version").status == 0;
}

}  // namespace

TEST_CASE("Authority: its output is a function of its arguments") {
  const auto first = create("lab", {prefix_of("10.77.0.0/16")});
  const auto second = create("lab", {prefix_of("10.77.0.0/16")});
  REQUIRE(first);
  REQUIRE(second);

  CHECK(first->to_pem() == second->to_pem());

  SeededRandom random_1{5};
  SeededRandom random_2{5};
  const auto issued_1 = first->issue("a", node_key_of(seed_of(2)), {}, kValidity, random_1);
  const auto issued_2 = second->issue("a", node_key_of(seed_of(2)), {}, kValidity, random_2);
  REQUIRE(issued_1);
  REQUIRE(issued_2);
  CHECK(*issued_1 == *issued_2);
  const auto issued_3 = second->issue("a", node_key_of(seed_of(2)), {}, kValidity, random_2);
  REQUIRE(issued_3);
  CHECK(*issued_1 != *issued_3);  // another serial number
}

TEST_CASE("Authority: certificates are as small as the handshake needs them") {
  TestNetwork network{1};

  CHECK(network.anchor().der().size() < 450);
  CHECK(network.add_node("a").certificate.der().size() < 450);
}

TEST_CASE("Authority: names, validities and prefixes that cannot be are refused") {
  CHECK(error_of(create("My Lab", {})) == Error::Malformed);
  CHECK(error_of(create("", {})) == Error::Malformed);
  CHECK(error_of(create("lab", {}, 1, {kTestNow, kTestNow})) == Error::Malformed);
  CHECK(error_of(create("lab", {}, 1, {kTestNow, kTestNow - hours{1}})) == Error::Malformed);
  CHECK(error_of(create("lab", {}, 1, {WallTime{} - hours{1}, kTestNow})) == Error::Malformed);
  CHECK(error_of(create("lab", {}, 1, {kTestNow, from_unix_ms(253'402'300'800'000)})) == Error::Malformed);
  CHECK(error_of(create("lab", std::vector<Prefix>(kPrefixesMax + 1, prefix_of("10.0.0.0/8")))) == Error::TooLarge);
}

TEST_CASE("Authority: a CA may be valid to the end of the calendar") {
  const auto authority = create("lab", {}, 1, {WallTime{}, from_unix_ms(253'402'300'799'000)});
  REQUIRE(authority);
  SeededRandom random{1};
  const auto der = authority->issue("a", node_key_of(seed_of(2)), {}, kValidity, random);
  REQUIRE(der);

  CHECK(authority->anchor().verify(*Certificate::parse(*der), kTestNow));
}

TEST_CASE("Authority: issue() keeps to its rules") {
  const auto authority = create("lab", {prefix_of("10.77.0.0/16"), prefix_of("fd77::/64")});
  REQUIRE(authority);
  SeededRandom random{1};
  const NodeKey key = node_key_of(seed_of(2));
  const auto issue = [&](const std::string& name, const std::vector<Prefix>& prefixes, const Validity& validity) {
    return error_of(authority->issue(name, key, prefixes, validity, random));
  };

  CHECK(issue("a", {}, kValidity) == std::error_code{});
  CHECK(issue("a", {prefix_of("10.77.9.0/24"), prefix_of("fd77::9:0/112")}, kValidity) == std::error_code{});
  CHECK(issue("a.b", {}, kValidity) == Error::Malformed);
  CHECK(issue("a\nb", {}, kValidity) == Error::Malformed);
  CHECK(issue(std::string(64, 'a'), {}, kValidity) == Error::Malformed);
  CHECK(issue("a", {prefix_of("10.76.0.0/15")}, kValidity) == Error::NotAllowed);
  CHECK(issue("a", {prefix_of("10.77.9.0/24"), prefix_of("10.78.0.0/32")}, kValidity) == Error::NotAllowed);
  CHECK(issue("a", {}, {kTestNow - hours{1}, kTestNow + hours{1}}) == Error::NotAllowed);
  CHECK(issue("a", {}, {kTestNow, kTestNow + hours{25}}) == Error::NotAllowed);
  CHECK(issue("a", {}, {kTestNow + hours{1}, kTestNow}) == Error::Malformed);
  CHECK(error_of(authority->issue("a", NodeKey{}, {}, kValidity, random)) == Error::WeakKey);

  std::vector<Prefix> many;  // every second address: nothing can be joined
  for (int i = 0; i < 256; ++i) many.push_back(prefix_of("10.77." + std::to_string(i) + ".0/32"));
  CHECK(issue("a", many, kValidity) == Error::TooLarge);  // more than a certificate's 2048 octets
}

TEST_CASE("Authority: comes back from its PEM") {
  const auto authority = create("lab", {prefix_of("10.77.0.0/16")});
  REQUIRE(authority);
  const std::string pem = authority->to_pem();

  const auto loaded = Authority::from_pem(pem);

  REQUIRE(loaded);
  CHECK(loaded->to_pem() == pem);
  CHECK(loaded->anchor().network_id() == authority->anchor().network_id());
  const std::size_t second = pem.find("-----BEGIN", 1);
  CHECK(Authority::from_pem(pem.substr(second) + pem.substr(0, second)));
}

TEST_CASE("Authority: a PEM that is not one CA and its key is refused") {
  TestNetwork network{1};
  const auto authority = create("lab", {}, 1);
  const auto other = create("lab", {}, 2);
  REQUIRE(authority);
  REQUIRE(other);
  const std::string pem = authority->to_pem();
  const std::size_t second = pem.find("-----BEGIN", 1);
  const std::string certificate = pem.substr(0, second);
  const std::string key = pem.substr(second);
  const std::string other_key = other->to_pem().substr(other->to_pem().find("-----BEGIN", 1));
  const std::string node = encode_pem(kPemCertificate, network.add_node("a").certificate.der());

  CHECK(error_of(Authority::from_pem("")) == Error::Malformed);
  CHECK(error_of(Authority::from_pem(certificate)) == Error::Malformed);
  CHECK(error_of(Authority::from_pem(key)) == Error::Malformed);
  CHECK(error_of(Authority::from_pem(pem + key)) == Error::Malformed);
  CHECK(error_of(Authority::from_pem(pem + certificate)) == Error::Malformed);
  CHECK(error_of(Authority::from_pem(pem + encode_pem("EC PARAMETERS", {}))) == Error::Malformed);
  CHECK(error_of(Authority::from_pem(certificate + other_key)) == Error::WeakKey);
  CHECK(error_of(Authority::from_pem(node + key)) == Error::NotAllowed);
  CHECK(error_of(Authority::from_pem(pem.substr(0, pem.size() / 3))) == Error::Truncated);
}

// ---- another implementation's opinion ----------------------------------------------------------

TEST_CASE("Authority: openssl reads and verifies what it issues, prefixes and ranges included") {
  if (!has_openssl()) return;
  const auto authority = create("lab", {prefix_of("10.77.0.0/16"), prefix_of("fd77::/64")});
  REQUIRE(authority);
  SeededRandom random{1};
  const ScratchDirectory directory;
  const std::string ca = directory.write("ca.pem", encode_pem(kPemCertificate, authority->anchor().der()));
  const std::string time = std::to_string(to_unix_ms(kTestNow) / 1000 + 60);
  const auto issue = [&](const std::vector<Prefix>& prefixes) {
    const auto der = authority->issue("host-1", node_key_of(seed_of(2)), prefixes, kValidity, random);
    REQUIRE(der);
    return directory.write("node.pem", encode_pem(kPemCertificate, *der));
  };

  SUBCASE("the CA") {
    const Output output = run("openssl x509 -noout -text -in " + ca);
    CHECK(output.status == 0);
    CHECK(has(output, "Subject: O = lab"));
    CHECK(has(output, "Public Key Algorithm: ED25519"));
    CHECK(has(output, "CA:TRUE, pathlen:0"));
    CHECK(has(output, "Certificate Sign, CRL Sign"));
    CHECK(has(output, "sbgp-ipAddrBlock: critical"));
    CHECK(has(output, "10.77.0.0/16"));
  }
  SUBCASE("a node with prefixes") {
    const std::string node = issue({prefix_of("10.77.4.0/24"), prefix_of("fd77::4:0/112")});
    const Output output = run("openssl x509 -noout -text -in " + node);
    CHECK(output.status == 0);
    CHECK(has(output, "Subject: CN = host-1"));
    CHECK(has(output, "CA:FALSE"));
    CHECK(has(output, "Digital Signature"));
    CHECK(has(output, "sbgp-ipAddrBlock: critical"));
    CHECK(has(output, "10.77.4.0/24"));
    CHECK(has(output, "fd77:0:0:0:0:0:4::/112"));  // openssl's way of writing fd77::4:0
    CHECK(has(run("openssl verify -x509_strict -attime " + time + " -CAfile " + ca + " " + node), "OK"));
  }
  SUBCASE("a node with neighbours that make a range") {
    const std::string node = issue({prefix_of("10.77.4.0/24"), prefix_of("10.77.5.0/25")});
    CHECK(has(run("openssl x509 -noout -text -in " + node), "10.77.4.0-10.77.5.127"));
    CHECK(has(run("openssl verify -x509_strict -attime " + time + " -CAfile " + ca + " " + node), "OK"));
  }
  SUBCASE("a node without any") {
    const std::string node = issue({});
    CHECK_FALSE(has(run("openssl x509 -noout -text -in " + node), "ipAddrBlock"));
    CHECK(has(run("openssl verify -x509_strict -attime " + time + " -CAfile " + ca + " " + node), "OK"));
  }
  SUBCASE("the private key") {
    const std::string key = directory.write("key.pem", authority->to_pem());
    CHECK(has(run("openssl pkey -noout -text -in " + key), "ED25519 Private-Key"));
  }
}

TEST_CASE("Authority: a CA and a node certificate that openssl made are read and verified") {
  if (!has_openssl()) return;
  const ScratchDirectory directory;
  const std::string config = directory.write("openssl.cnf",
                                             "[req]\n"
                                             "distinguished_name = dn\n"
                                             "[dn]\n"
                                             "[ca]\n"
                                             "basicConstraints = critical, CA:TRUE\n"
                                             "keyUsage = critical, keyCertSign\n"
                                             "subjectKeyIdentifier = hash\n"
                                             "sbgp-ipAddrBlock = critical, IPv4:10.77.0.0/16\n"
                                             "[node]\n"
                                             "basicConstraints = critical, CA:FALSE\n"
                                             "keyUsage = critical, digitalSignature\n"
                                             "authorityKeyIdentifier = keyid\n"
                                             "sbgp-ipAddrBlock = critical, IPv4:10.77.4.0-10.77.5.127\n");
  const std::string ca_key = directory.write("ca.key", encode_pem(kPemPrivateKey, encode_private_key(seed_of(1))));
  const std::string node_key = directory.write("node.key", encode_pem(kPemPrivateKey, encode_private_key(seed_of(2))));
  const std::string ca = directory.write("ca.crt", "");
  const std::string node = directory.write("node.crt", "");
  const std::string request = directory.write("node.csr", "");
  const std::string options = " -config " + config + " -batch -days 365";
  const Output made = run("openssl req -x509 -new -key " + ca_key + " -subj /O=lab -extensions ca -out " + ca +
                          options + " && openssl req -new -key " + node_key + " -subj /CN=host-1 -out " + request +
                          " -config " + config + " && openssl x509 -req -in " + request + " -CA " + ca + " -CAkey " +
                          ca_key + " -CAcreateserial -extfile " + config + " -extensions node -days 365 -out " + node);
  CAPTURE(made.text);
  REQUIRE(made.status == 0);
  const auto read = [](const std::string& path) {
    std::ifstream file{path};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto blocks = parse_pem(text);
    REQUIRE(blocks);
    REQUIRE(blocks->size() == 1);
    return blocks->front().bytes;
  };

  const auto anchor = TrustAnchor::parse(read(ca));
  const auto certificate = Certificate::parse(read(node));

  REQUIRE(anchor);
  REQUIRE(certificate);
  CHECK(anchor->network_name() == "lab");
  CHECK(certificate->name() == "host-1");
  CHECK(certificate->key() == node_key_of(seed_of(2)));
  CHECK(certificate->prefixes() == std::vector{prefix_of("10.77.4.0/24"), prefix_of("10.77.5.0/25")});
  CHECK(anchor->verify(*certificate, certificate->not_before()));
}
