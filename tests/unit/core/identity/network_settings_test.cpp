#include "core/identity/network_settings.h"

#include <doctest/doctest.h>

#include <ostream>

#include "core/identity/address_blocks.h"
#include "tests/support/test_network.h"

using namespace rove;

namespace {

const std::string kText =
    "name = \"lab\"\n"
    "key = \"0707070707070707070707070707070707070707070707070707070707070707\"\n"
    "subnets = [\"10.77.0.0/16\", \"fd77::/64\"]\n"
    "inner_mtu = 1400\n"
    "bootstrap = [\"203.0.113.7:7683\", \"[2001:db8::1]:7683\", \"rove.example.net:7683\"]\n";

NetworkSettings settings() {
  NetworkSettings settings;
  settings.name = "lab";
  std::array<std::uint8_t, 32> raw{};
  raw.fill(7);
  settings.key = NetworkKey{raw};
  settings.subnets = {prefix_of("10.77.0.0/16"), prefix_of("fd77::/64")};
  settings.bootstrap = {"203.0.113.7:7683", "[2001:db8::1]:7683", "rove.example.net:7683"};
  return settings;
}

// kText with one line replaced, or dropped when `with` is empty.
std::string changed(const std::string& key, const std::string& with) {
  const std::size_t begin = kText.find(key + " = ");
  REQUIRE(begin != std::string::npos);
  const std::size_t end = kText.find('\n', begin) + 1;
  return kText.substr(0, begin) + (with.empty() ? "" : with + "\n") + kText.substr(end);
}

std::error_code error_of(const std::string& text) {
  const auto parsed = parse_settings(text);
  return parsed ? std::error_code{} : parsed.error();
}

}  // namespace

TEST_CASE("network settings: the text is as documented") {
  CHECK(encode_settings(settings()) == kText);
}

TEST_CASE("network settings: what was written is read") {
  const auto parsed = parse_settings(kText);

  REQUIRE(parsed);
  const NetworkSettings expected = settings();
  CHECK(parsed->name == expected.name);
  CHECK(parsed->key.expose() == expected.key.expose());
  CHECK(parsed->subnets == expected.subnets);
  CHECK(parsed->inner_mtu == 1400);
  CHECK(parsed->bootstrap == expected.bootstrap);
}

TEST_CASE("network settings: any order of lines, and empty lists, are fine") {
  const std::string text =
      "bootstrap = []\nsubnets = [ ]\ninner_mtu = 9000\nname = \"lab\"\nkey = \"" + std::string(64, 'a') + "\"\n";

  const auto parsed = parse_settings(text);

  REQUIRE(parsed);
  CHECK(parsed->bootstrap.empty());
  CHECK(parsed->subnets.empty());
  CHECK(parsed->inner_mtu == 9000);
}

TEST_CASE("network settings: a line that is missing, doubled, unknown or broken is refused") {
  for (const std::string key : {"name", "key", "subnets", "inner_mtu", "bootstrap"}) {
    CHECK(error_of(changed(key, "")) == Error::Malformed);
  }
  CHECK(error_of(kText + "name = \"lab\"\n") == Error::Malformed);
  CHECK(error_of(kText + "colour = \"red\"\n") == Error::Unknown);
  CHECK(error_of(kText + "\n") == Error::Malformed);
  CHECK(error_of(kText + "# comment\n") == Error::Malformed);
  CHECK(error_of(kText.substr(0, kText.size() - 1)) == Error::Malformed);
  CHECK(error_of("") == Error::Malformed);
}

TEST_CASE("network settings: every shorter text is refused") {
  for (std::size_t size = 0; size < kText.size(); ++size) CHECK_FALSE(parse_settings(kText.substr(0, size)));
}

TEST_CASE("network settings: values that break a rule are refused") {
  for (const auto& [key, line] : std::vector<std::pair<std::string, std::string>>{
           {"name", "name = \"Lab\""},
           {"name", "name = lab"},
           {"name", "name = \"la\\b\""},
           {"name", "name = \"lab\" "},
           {"name", "name = [\"lab\"]"},
           {"key", "key = \"07\""},
           {"key", "key = \"" + std::string(66, '0') + "\""},
           {"key", "key = \"" + std::string(64, 'g') + "\""},
           {"subnets", "subnets = [\"10.77.0.0/16\",]x"},
           {"subnets", "subnets = [\"10.77.0.0/16\" \"10.78.0.0/16\"]"},
           {"subnets", "subnets = [\"10.77.0.0/16\"]]"},
           {"subnets", "subnets = [\"10.77.0.0/16\""},
           {"subnets", "subnets = [\"10.77.0.1/16\"]"},
           {"subnets", "subnets = [\"10.77.0.0/33\"]"},
           {"subnets", "subnets = \"10.77.0.0/16\""},
           {"inner_mtu", "inner_mtu = 1279"},
           {"inner_mtu", "inner_mtu = 9001"},
           {"inner_mtu", "inner_mtu = 65537"},
           {"inner_mtu", "inner_mtu = 1400x"},
           {"inner_mtu", "inner_mtu = -1400"},
           {"inner_mtu", "inner_mtu = \"1400\""},
           {"bootstrap", "bootstrap = [\"203.0.113.7\"]"},
           {"bootstrap", "bootstrap = [\":7683\"]"},
           {"bootstrap", "bootstrap = [\"203.0.113.7:0\"]"},
           {"bootstrap", "bootstrap = [\"203.0.113.7:65536\"]"},
           {"bootstrap", "bootstrap = [\"$(reboot):7683\"]"},
           {"bootstrap", "bootstrap = [\"" + std::string(kBootstrapSizeMax, 'x') + ":1\"]"},
       }) {
    CAPTURE(line);
    CHECK(error_of(changed(key, line)) == Error::Malformed);
  }
}

TEST_CASE("network settings: longer lists than the limits are refused") {
  std::string bootstrap = "bootstrap = [\"a:1\"";
  for (std::size_t i = 0; i < kBootstrapsMax; ++i) bootstrap += ", \"a:1\"";
  std::string subnets = "subnets = [\"10.77.0.0/16\"";
  for (std::size_t i = 0; i < kPrefixesMax; ++i) subnets += ", \"10.77.0.0/16\"";

  CHECK(error_of(changed("bootstrap", bootstrap + "]")) == Error::TooLarge);
  CHECK(error_of(changed("subnets", subnets + "]")) == Error::TooLarge);
}

TEST_CASE("network settings: garbage never parses and never crashes") {
  SeededRandom random{6};
  for (int i = 0; i < 20'000; ++i) {
    std::string text = kText;
    for (std::uint64_t n = 0, count = 1 + random.below(4); n < count; ++n) {
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    }
    if (const auto parsed = parse_settings(text)) (void)encode_settings(*parsed);  // must be valid
  }
}
