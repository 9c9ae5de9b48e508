#include "core/identity/address_blocks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "core/identity/der.h"
#include "tests/support/test_network.h"

using namespace rove;

namespace {

std::vector<Prefix> prefixes_of(const std::vector<std::string>& texts) {
  std::vector<Prefix> prefixes;
  for (const std::string& text : texts) prefixes.push_back(prefix_of(text));
  return prefixes;
}

std::string encoded(const std::vector<std::string>& texts) {
  return to_hex(encode_address_blocks(prefixes_of(texts)));
}

std::error_code error_of(std::string_view hex) {
  const Bytes der = from_hex(hex);
  REQUIRE(!der.empty());
  const auto decoded = decode_address_blocks(der);
  return decoded ? std::error_code{} : decoded.error();
}

}  // namespace

TEST_CASE("address blocks: a prefix has the bits that it names and no more") {
  CHECK(encoded({"10.77.0.0/16", "fd77::/64"}) ==
        "3020"
        "300b040200013005"
        "0303000a4d"
        "301104020002300b"
        "030900fd77000000000000");
  CHECK(encoded({"::/0", "0.0.0.0/0"}) == "301630090402000130030301003009040200023003030100");
}

// RFC 3779 appendix B has these (there with a SAFI); the fourth and the fifth are neighbours and make a range.
TEST_CASE("address blocks: neighbours that make no prefix make a range") {
  CHECK(encoded({"10.3.0.0/16", "10.0.64.0/24", "10.0.32.0/20", "10.2.48.0/20", "10.2.64.0/24", "10.1.0.0/16",
                 "2001:0:2::/48"}) ==
        "303d302a040200013024"
        "0304040a0020"
        "0304000a0040"
        "0303000a01"
        "300c0304040a02300304000a0240"
        "0303000a03"
        "300f040200023009"
        "030700200100000002");
}

TEST_CASE("address blocks: decoding gives back the fewest prefixes, sorted") {
  const auto decoded = decode_address_blocks(encode_address_blocks(
      prefixes_of({"fd77::/64", "10.77.1.0/24", "10.77.0.0/24", "10.77.0.5/32", "192.0.2.1/32", "10.78.0.0/15"})));

  REQUIRE(decoded);
  CHECK(*decoded == prefixes_of({"10.77.0.0/23", "10.78.0.0/15", "192.0.2.1/32", "fd77::/64"}));
}

TEST_CASE("address blocks: a range is split into prefixes") {
  const auto decoded = decode_address_blocks(from_hex("30183016040200013010300e0305000a0000010305000a000006"));

  REQUIRE(decoded);
  CHECK(*decoded == prefixes_of({"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32"}));
}

TEST_CASE("address blocks: what may not be there is refused") {
  CHECK(error_of("3000") == Error::Malformed);  // no family
  CHECK(error_of("300830060402000105"
                 "00") == Error::Malformed);  // inherit
  CHECK(error_of("300830060402000130"
                 "00") == Error::Malformed);                                // a family without addresses
  CHECK(error_of("300e300c040300010130050303000a4d") == Error::Malformed);  // a SAFI
  CHECK(error_of("300d300b0402000330050303000a4d") == Error::Malformed);    // no IP family
  CHECK(error_of("300d300b0402000130050303"
                 "080a4d") == Error::Malformed);  // eight unused bits
  CHECK(error_of("300d300b0402000130050303"
                 "010a4d") == Error::Malformed);  // an unused bit that is set
  CHECK(error_of("30093007040200013001"
                 "00") == Error::Malformed);  // no BIT STRING
  CHECK(error_of("300a3008040200013002"
                 "0300") == Error::Malformed);  // an empty one
  CHECK(error_of("300b300904020001300303"
                 "0101") == Error::Malformed);                                  // unused bits of nothing
  CHECK(error_of("3010300e0402000130080306000a4d000000") == Error::Malformed);  // five octets of IPv4
  CHECK(error_of("300d300b0402000130050303000a4d00") == Error::Malformed);      // trailing
}

TEST_CASE("address blocks: there is one encoding of a set") {
  const auto with_v4 = [](std::string_view choices) {
    const Bytes inner = from_hex(choices);
    Bytes block = from_hex("04020001");
    write_der(block, DerTag::Sequence, inner);
    Bytes blocks;
    write_der(blocks, DerTag::Sequence, block);
    Bytes der;
    write_der(der, DerTag::Sequence, blocks);
    return error_of(to_hex(der));
  };
  CHECK(with_v4("0303000a4d0303000a4f") == std::error_code{});

  CHECK(with_v4("0303000a4f0303000a4d") == Error::Malformed);          // not sorted
  CHECK(with_v4("0303000a4d0303000a4d") == Error::Malformed);          // doubled
  CHECK(with_v4("0303000a4d0304000a4d01") == Error::Malformed);        // overlapping
  CHECK(with_v4("0303000a4c0303000a4d") == Error::Malformed);          // two halves of one prefix
  CHECK(with_v4("0303000a4d0303000a4e") == Error::Malformed);          // neighbours, so a range
  CHECK(with_v4("300a0303000a4d0303000a4d") == Error::Malformed);      // a range that is a prefix
  CHECK(with_v4("300a0303000a4f0303000a4d") == Error::Malformed);      // a range that ends before it begins
  CHECK(with_v4("300a0303000a4d0303000a4e") == std::error_code{});     // 10.77.0.0 to 10.78.255.255
  CHECK(with_v4("300c0305000a4d00000303000a4e") == Error::Malformed);  // with zero bits that say nothing
  CHECK(with_v4("300b0303000a4d0304000a4eff") == Error::Malformed);    // with one bits that say nothing
  CHECK(error_of("301a300b0402000130050303000a4d300b0402000130050303000a4f") == Error::Malformed);  // a family twice
  CHECK(error_of("30163009040200023003030100300904020001300303"
                 "0100") == Error::Malformed);  // IPv6 first
}

TEST_CASE("address blocks: a set that makes too many prefixes is refused") {
  // fd77::1 to fd77::ffff:ffff:ffff:fffe makes 126 prefixes; three of the kind are too many.
  Bytes choices;
  for (std::uint8_t net = 1; net <= 3; ++net) {
    Bytes ends;
    Bytes first = from_hex("00fd770000000000000000000000000001");
    Bytes last = from_hex("00fd77000000000000fffffffffffffffe");
    first[8] = last[8] = net;
    write_der(ends, DerTag::BitString, first);
    write_der(ends, DerTag::BitString, last);
    write_der(choices, DerTag::Sequence, ends);
  }
  Bytes block = from_hex("04020002");
  write_der(block, DerTag::Sequence, choices);
  Bytes blocks;
  write_der(blocks, DerTag::Sequence, block);
  Bytes der;
  write_der(der, DerTag::Sequence, blocks);

  CHECK(error_of(to_hex(der)) == Error::TooLarge);
  CHECK(error_of(to_hex(Bytes(kAddressBlocksSizeMax + 1, 0x30))) == Error::TooLarge);
}

TEST_CASE("address blocks: no shorter prefix decodes") {
  const Bytes der = encode_address_blocks(prefixes_of({"10.77.0.0/16", "10.78.0.0/17", "fd77::/64"}));
  REQUIRE(decode_address_blocks(der));

  for (std::size_t size = 0; size < der.size(); ++size) {
    CHECK_FALSE(decode_address_blocks(BytesView{der}.first(size)));
  }
}

TEST_CASE("address blocks: a changed octet is refused, or encodes again to the same octets") {
  SeededRandom random{3};
  const Bytes valid = encode_address_blocks(
      prefixes_of({"10.77.0.0/16", "10.78.0.0/17", "10.99.0.0/20", "fd77::/64", "fd77:0:0:1::/65"}));
  std::size_t decoded_count = 0;

  for (int i = 0; i < 20'000; ++i) {
    Bytes der = valid;
    for (std::uint64_t n = 0, count = 1 + random.below(3); n < count; ++n) {
      der[random.below(der.size())] = static_cast<std::uint8_t>(random.below(256));
    }
    const auto decoded = decode_address_blocks(der);
    if (!decoded) continue;
    ++decoded_count;
    REQUIRE(encode_address_blocks(*decoded) == der);
  }
  CHECK(decoded_count > 100);
}

TEST_CASE("address blocks: random prefixes come back as the same addresses") {
  SeededRandom random{4};
  for (int round = 0; round < 300; ++round) {
    std::vector<Prefix> prefixes;
    for (std::uint64_t n = 0, count = 1 + random.below(20); n < count; ++n) {
      // Long ones within a small space, so that they often meet.
      const auto length = 24 + random.below(9);
      const auto host = static_cast<std::uint32_t>(random.below(1024)) >> (32 - length) << (32 - length);
      prefixes.push_back(prefix_of("10.0." + std::to_string(host >> 8) + "." + std::to_string(host & 255) + "/" +
                                   std::to_string(length)));
    }

    const auto decoded = decode_address_blocks(encode_address_blocks(prefixes));

    REQUIRE(decoded);
    CHECK(*decoded == simplified(prefixes));
    for (std::uint32_t host = 0; host < 1200; ++host) {
      const IpAddress ip = ip_of("10.0." + std::to_string(host >> 8) + "." + std::to_string(host & 255));
      const auto holds = [&ip](const Prefix& prefix) { return prefix.contains(ip); };
      const auto times = std::count_if(decoded->begin(), decoded->end(), holds);
      REQUIRE(times == (std::any_of(prefixes.begin(), prefixes.end(), holds) ? 1 : 0));
    }
  }
}

TEST_CASE("is_subset: what several prefixes cover together counts as covered") {
  const std::vector<Prefix> outer = simplified(prefixes_of({"10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "fd77::/64"}));

  CHECK(is_subset({}, outer));
  CHECK(is_subset(prefixes_of({"10.0.0.0/23", "10.0.2.128/25", "fd77::1/128"}), outer));
  CHECK_FALSE(is_subset(prefixes_of({"10.0.0.0/22"}), outer));
  CHECK_FALSE(is_subset(prefixes_of({"10.0.0.0/24", "10.0.3.0/24"}), outer));
  CHECK_FALSE(is_subset(prefixes_of({"fd77::/63"}), outer));
  CHECK_FALSE(is_subset(prefixes_of({"::/0"}), outer));
  CHECK_FALSE(is_subset(prefixes_of({"10.0.0.0/24"}), {}));
}
