#include "cli/doctor/bugreport.h"

#include <doctest/doctest.h>

#include "cli/config/config.h"
#include "core/base/address.h"
#include "core/crypto/hash.h"
#include "core/identity/authority.h"
#include "core/identity/credential.h"
#include "core/identity/pem.h"
#include "tap/system_random.h"

namespace rove {
namespace {

// A node's credential file, and what is secret in it.
struct Sample {
  Sample() {
    init_crypto();
    SystemRandom random;
    const Validity validity{from_unix_ms(1'700'000'000'000), from_unix_ms(1'900'000'000'000)};
    const std::vector<Prefix> subnets{*parse_prefix("10.77.0.0/24")};
    const auto authority = Authority::create("demo", subnets, SigningSeed::generate(random), validity, random);
    Credential credential;
    credential.seed = SigningSeed::generate(random);
    credential.ca_der = authority->anchor().der();
    credential.certificate_der = *authority->issue("a", node_key_of(credential.seed), subnets, validity, random);
    credential.network = {
        .name = "demo", .key = NetworkKey::generate(random), .subnets = subnets, .inner_mtu = 1400, .bootstrap = {}};
    seed = KeptSecret{credential.seed.expose()};
    key = KeptSecret{credential.network.key.expose()};
    file = encode_credential(credential);
    authority_file = authority->to_pem();
  }
  KeptSecret seed;
  KeptSecret key;
  std::string file;
  std::string authority_file;
};

bool has_secret(const std::vector<KeptSecret>& secrets, const KeptSecret& wanted) {
  for (const KeptSecret& secret : secrets) {
    if (secret.expose() == wanted.expose()) return true;
  }
  return false;
}

std::string base64_of(BytesView bytes) {
  const std::string pem = encode_pem("X", bytes);
  const std::size_t begin = pem.find('\n') + 1;
  return pem.substr(begin, pem.find('\n', begin) - begin);
}

}  // namespace

TEST_CASE("find_secrets: a node's key and the network's, and the CA's; nothing in other text") {
  const Sample sample;

  const auto secrets = find_secrets(sample.file);
  CHECK(secrets.size() == 2);
  CHECK(has_secret(secrets, sample.seed));
  CHECK(has_secret(secrets, sample.key));
  CHECK(find_secrets(sample.authority_file).size() == 1);
  CHECK(find_secrets("tap = \"rove0\"\n").empty());
  CHECK(find_secrets("").empty());
}

TEST_CASE("leave_out: no form of a key stays, whatever it stands in") {
  const Sample sample;
  const auto secrets = find_secrets(sample.file);
  for (const KeptSecret* secret : {&sample.seed, &sample.key}) {
    const BytesView bytes = secret->expose();
    std::string upper = to_hex(bytes);
    for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
    const std::string octets{bytes.begin(), bytes.end()};
    const std::string private_key = base64_of(encode_private_key(SigningSeed{secret->expose()}));
    for (const std::string& form : {octets, to_hex(bytes), upper, base64_of(bytes), private_key}) {
      const std::string left = leave_out("before " + form + " after " + form, secrets);
      CAPTURE(left);
      CHECK(left.find(form.substr(0, 40)) == std::string::npos);
      CHECK(left.find("before [left out]") == 0);
    }
  }
}

TEST_CASE("leave_out: a PEM block goes as a whole, also one of somebody else, and one that is cut off") {
  CHECK(leave_out("a\n-----BEGIN KEY-----\nAAAA\n-----END KEY-----\nb\n", {}) == "a\n[left out]\nb\n");
  CHECK(leave_out("a -----BEGIN KEY-----\nAAAA", {}) == "a [left out]");
  CHECK(leave_out("nothing secret", {}) == "nothing secret");
}

TEST_CASE("strip_comments: what counts stays, and the template has one line that does") {
  CHECK(strip_comments("# a note\n\nbridge = \"br0\"  # mine\ntap = \"a#b\"\nx = 'c#d' # e\ny = \"q\\\"#\" # f\n") ==
        "bridge = \"br0\"\ntap = \"a#b\"\nx = 'c#d'\ny = \"q\\\"#\"\n");
  CHECK(strip_comments(config_template("demo", "demo.node.pem")) == "credential = \"demo.node.pem\"\n[control]\n");
}

TEST_CASE("format_sections: titles, and what is empty says so") {
  CHECK(format_sections({{"one", "text"}, {"two", ""}}) == "== one\ntext\n\n== two\n(nothing)\n");
}

}  // namespace rove
