#include "core/identity/credential.h"

#include <doctest/doctest.h>

#include <ostream>

#include "core/identity/pem.h"
#include "tests/support/test_network.h"

using namespace rove;

namespace {

struct Fixture {
  TestNetwork network{1};
  const TestNode& node = network.add_node("host-1");

  Credential credential() const { return credential_of(network, node); }
  static Credential credential_of(const TestNetwork& network, const TestNode& node) {
    Credential credential;
    credential.ca_der = network.anchor().der();
    credential.certificate_der = node.certificate.der();
    credential.seed = node.seed.clone();
    credential.network.name = "testnet";
    credential.network.key = network.key().clone();
    credential.network.subnets = network.subnets();
    credential.network.bootstrap = {"203.0.113.7:7683"};
    return credential;
  }
};

std::error_code error_of(std::string_view text) {
  const auto parsed = parse_credential(text);
  return parsed ? std::error_code{} : parsed.error();
}

// The text of the blocks, in the order in which they stand.
std::vector<std::string> blocks_of(const std::string& text) {
  std::vector<std::string> blocks;
  for (std::size_t at = 0; at != std::string::npos;) {
    const std::size_t next = text.find("-----BEGIN", at + 1);
    blocks.push_back(text.substr(at, next == std::string::npos ? next : next - at));
    at = next;
  }
  return blocks;
}

}  // namespace

TEST_CASE("credential: what was written is read") {
  const Fixture f;
  const Credential credential = f.credential();

  const auto parsed = parse_credential(encode_credential(credential));

  REQUIRE(parsed);
  CHECK(parsed->ca_der == credential.ca_der);
  CHECK(parsed->certificate_der == credential.certificate_der);
  CHECK(parsed->seed.expose() == credential.seed.expose());
  CHECK(parsed->network.name == "testnet");
  CHECK(parsed->network.key.expose() == credential.network.key.expose());
  CHECK(parsed->network.subnets == credential.network.subnets);
  CHECK(parsed->network.inner_mtu == 1400);
  CHECK(parsed->network.bootstrap == credential.network.bootstrap);
}

TEST_CASE("credential: the file has four blocks") {
  const Fixture f;

  const auto blocks = parse_pem(encode_credential(f.credential()));

  REQUIRE(blocks);
  REQUIRE(blocks->size() == 4);
  CHECK((*blocks)[0].label == "CERTIFICATE");
  CHECK((*blocks)[0].bytes == f.network.anchor().der());
  CHECK((*blocks)[1].label == "CERTIFICATE");
  CHECK((*blocks)[1].bytes == f.node.certificate.der());
  CHECK((*blocks)[2].label == "PRIVATE KEY");
  CHECK((*blocks)[3].label == "ROVE NETWORK");
}

TEST_CASE("credential: a block that is missing, doubled, unknown or out of order is refused") {
  const Fixture f;
  const std::vector<std::string> blocks = blocks_of(encode_credential(f.credential()));
  REQUIRE(blocks.size() == 4);

  for (std::size_t missing = 0; missing < blocks.size(); ++missing) {
    std::string text;
    for (std::size_t i = 0; i < blocks.size(); ++i) text += i == missing ? "" : blocks[i];
    CHECK_FALSE(parse_credential(text));
  }
  const std::string whole = blocks[0] + blocks[1] + blocks[2] + blocks[3];
  CHECK(error_of(whole) == std::error_code{});
  for (const std::string& block : blocks) CHECK(error_of(whole + block) == Error::Malformed);
  CHECK(error_of(whole + encode_pem("PUBLIC KEY", {})) == Error::Malformed);
  CHECK(error_of(blocks[1] + blocks[0] + blocks[2] + blocks[3]) == Error::NotAllowed);
  CHECK(error_of("") == Error::Malformed);
}

TEST_CASE("credential: parts of different networks and nodes do not go together") {
  Fixture f;
  TestNetwork foreign{2};
  const TestNode& stranger = foreign.add_node("host-1");
  Credential credential = f.credential();

  SUBCASE("another node's private key") {
    credential.seed = f.network.add_node("host-2").seed.clone();
    CHECK(error_of(encode_credential(credential)) == Error::WeakKey);
  }
  SUBCASE("another network's certificate") {
    credential.certificate_der = stranger.certificate.der();
    credential.seed = stranger.seed.clone();
    CHECK(error_of(encode_credential(credential)) == Error::BadSignature);
  }
  SUBCASE("another network's settings") {
    credential.network.name = "other";
    CHECK(error_of(encode_credential(credential)) == Error::WrongNetwork);
  }
}

TEST_CASE("credential: no shorter text and nothing too long is read") {
  const Fixture f;
  const std::string text = encode_credential(f.credential());

  for (std::size_t size = 0; size + 1 < text.size(); ++size) CHECK_FALSE(parse_credential(text.substr(0, size)));
  CHECK(error_of(text + std::string(kCredentialSizeMax, '\n')) == Error::TooLarge);
}

TEST_CASE("credential: a changed character is noticed, or stands where no secret nor proof does") {
  const Fixture f;
  const std::string text = encode_credential(f.credential());
  const auto expected = parse_credential(text);
  REQUIRE(expected);
  SeededRandom random{8};

  for (int i = 0; i < 3'000; ++i) {
    std::string changed = text;
    changed[random.below(changed.size())] = static_cast<char>(random.below(256));
    const auto parsed = parse_credential(changed);
    if (!parsed) continue;
    CHECK(parsed->seed.expose() == expected->seed.expose());
    CHECK(parsed->certificate_der == expected->certificate_der);
  }
}
