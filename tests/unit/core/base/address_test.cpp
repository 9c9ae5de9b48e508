#include "core/base/address.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <unordered_set>

namespace rove {
namespace {

IpAddress ip(const char* text) {
  const auto parsed = parse_ip(text);
  REQUIRE_MESSAGE(parsed, text);
  return *parsed;
}

Prefix prefix(const char* text) {
  const auto parsed = parse_prefix(text);
  REQUIRE_MESSAGE(parsed, text);
  return *parsed;
}

}  // namespace

TEST_CASE("parse_mac: six octets with colons or hyphens, nothing else") {
  CHECK(to_string(*parse_mac("02:00:5e:10:00:0A")) == "02:00:5e:10:00:0a");
  CHECK(parse_mac("02-00-5e-10-00-0a") == parse_mac("02:00:5e:10:00:0a"));
  for (const char* wrong : {"", "02:00:5e:10:00", "02:00:5e:10:00:0a:", "02:00:5e:10:00:0g", "02005e10000a",
                            "02:00:5e:10:00:0a:0b", "2:0:5e:10:0:a", "02.00.5e.10.00.0a", "02:00:5e:10:00:+a"}) {
    CHECK_MESSAGE(!parse_mac(wrong), wrong);
  }
}

TEST_CASE("MacAddress: group, broadcast and zero") {
  CHECK(MacAddress::broadcast().is_broadcast());
  CHECK(MacAddress::broadcast().is_group());
  CHECK(parse_mac("33:33:00:00:00:01")->is_group());
  CHECK_FALSE(parse_mac("33:33:00:00:00:01")->is_broadcast());
  CHECK_FALSE(parse_mac("02:00:00:00:00:01")->is_group());
  CHECK(MacAddress{}.is_zero());
  CHECK_FALSE(parse_mac("00:00:00:00:00:01")->is_zero());
}

TEST_CASE("parse_ip: both families, in canonical text, nothing else") {
  CHECK(to_string(ip("10.77.0.5")) == "10.77.0.5");
  CHECK(to_string(ip("2001:DB8:0::1")) == "2001:db8::1");
  CHECK(ip("10.77.0.5").is_v4());
  CHECK(ip("10.77.0.5").bytes().size() == 4);
  CHECK(ip("::").bytes().size() == 16);
  for (const char* wrong : {"", "10.77.0", "10.77.0.256", "10.77.0.5.6", "010.1.1.1", "1::2::3", "fe80::1%eth0", " ::1",
                            "[::1]", "10.77.0.5 "}) {
    CHECK_MESSAGE(!parse_ip(wrong), wrong);
  }
}

TEST_CASE("IpAddress: the families are never equal, not even when they look alike") {
  CHECK(ip("::") != ip("0.0.0.0"));
  CHECK(ip("0.0.0.0") == IpAddress{});
  CHECK(std::hash<IpAddress>{}(ip("::")) != std::hash<IpAddress>{}(ip("0.0.0.0")));
  CHECK(std::set{ip("10.0.0.2"), ip("::1"), ip("10.0.0.1")}.begin()->is_v4());
}

TEST_CASE("IpAddress: special addresses") {
  struct Case {
    const char* text;
    bool unspecified, loopback, multicast, link_local;
  };
  const Case cases[] = {
      {"0.0.0.0", true, false, false, false},     {"127.3.2.1", false, true, false, false},
      {"224.0.0.1", false, false, true, false},   {"239.255.255.255", false, false, true, false},
      {"240.0.0.1", false, false, false, false},  {"255.255.255.255", false, false, true, false},
      {"169.254.9.9", false, false, false, true}, {"169.253.9.9", false, false, false, false},
      {"10.0.0.1", false, false, false, false},   {"::", true, false, false, false},
      {"::1", false, true, false, false},         {"ff02::1", false, false, true, false},
      {"fe80::1", false, false, false, true},     {"febf::1", false, false, false, true},
      {"fec0::1", false, false, false, false},    {"2001:db8::1", false, false, false, false},
      {"::2", false, false, false, false},
  };
  for (const Case& one : cases) {
    CAPTURE(one.text);
    CHECK(ip(one.text).is_unspecified() == one.unspecified);
    CHECK(ip(one.text).is_loopback() == one.loopback);
    CHECK(ip(one.text).is_multicast() == one.multicast);
    CHECK(ip(one.text).is_link_local() == one.link_local);
  }
}

TEST_CASE("parse_prefix: host bits must be zero, a bare address is a host") {
  CHECK(to_string(prefix("10.77.0.0/24")) == "10.77.0.0/24");
  CHECK(to_string(prefix("10.77.0.5")) == "10.77.0.5/32");
  CHECK(to_string(prefix("fd00::/8")) == "fd00::/8");
  CHECK(to_string(prefix("fd00::1")) == "fd00::1/128");
  CHECK(to_string(prefix("0.0.0.0/0")) == "0.0.0.0/0");
  CHECK(to_string(prefix("10.128.0.0/9")) == "10.128.0.0/9");
  for (const char* wrong : {"", "/24", "10.77.0.1/24", "10.77.0.0/", "10.77.0.0/33", "10.77.0.0/-1", "10.77.0.0/+8",
                            "10.77.0.0/24x", "10.128.0.0/8", "fd00::/129", "fd00::1/64", "10.77.0.0/2 4"}) {
    CHECK_MESSAGE(!parse_prefix(wrong), wrong);
  }
}

TEST_CASE("Prefix: holds addresses and prefixes of its own family only") {
  CHECK(prefix("10.77.0.0/23").contains(ip("10.77.1.255")));
  CHECK_FALSE(prefix("10.77.0.0/23").contains(ip("10.77.2.0")));
  CHECK(prefix("0.0.0.0/0").contains(ip("255.255.255.255")));
  CHECK_FALSE(prefix("0.0.0.0/0").contains(ip("::")));
  CHECK(prefix("10.77.0.5").contains(ip("10.77.0.5")));
  CHECK_FALSE(prefix("10.77.0.5").contains(ip("10.77.0.4")));
  CHECK(prefix("fd00::/9").contains(ip("fd7f::1")));
  CHECK_FALSE(prefix("fd00::/9").contains(ip("fd80::1")));

  CHECK(prefix("10.0.0.0/8").contains(prefix("10.77.0.0/24")));
  CHECK(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/8")));
  CHECK_FALSE(prefix("10.77.0.0/24").contains(prefix("10.0.0.0/8")));
  CHECK_FALSE(prefix("10.0.0.0/8").contains(prefix("fd00::/16")));
}

TEST_CASE("parse_endpoint: with and without a port, IPv6 in brackets") {
  CHECK(to_string(*parse_endpoint("203.0.113.7:7683", 1)) == "203.0.113.7:7683");
  CHECK(to_string(*parse_endpoint("203.0.113.7", 7683)) == "203.0.113.7:7683");
  CHECK(to_string(*parse_endpoint("[2001:db8::1]:9", 1)) == "[2001:db8::1]:9");
  CHECK(to_string(*parse_endpoint("[2001:db8::1]", 7683)) == "[2001:db8::1]:7683");
  CHECK(to_string(*parse_endpoint("2001:db8::1", 7683)) == "[2001:db8::1]:7683");
  for (const char* wrong :
       {"", ":7683", "203.0.113.7:", "203.0.113.7:0", "203.0.113.7:65536", "203.0.113.7:x", "[2001:db8::1",
        "[2001:db8::1]7683", "[2001:db8::1]:", "[203.0.113.7]:7683", "[]:7683", "host:7683", "203.0.113.7:-1"}) {
    CHECK_MESSAGE(!parse_endpoint(wrong, 1), wrong);
  }
}

TEST_CASE("parse_vm_address: a MAC or an IP") {
  CHECK(parse_vm_address("02:00:5e:10:00:01")->is_mac());
  CHECK_FALSE(parse_vm_address("10.77.0.5")->is_mac());
  CHECK(to_string(*parse_vm_address("fd00::5")) == "fd00::5");
  CHECK(to_string(*parse_vm_address("02-00-5e-10-00-01")) == "02:00:5e:10:00:01");
  CHECK_FALSE(parse_vm_address("10.77.0.0/24"));
  CHECK_FALSE(parse_vm_address("guest"));
}

TEST_CASE("hash_number: neighbours differ in the highest bits and in the lowest") {
  std::set<std::size_t> highest;
  std::set<std::size_t> lowest;
  for (std::uint8_t octet = 0; octet < 128; ++octet) {
    const std::size_t hash = std::hash<MacAddress>{}({{0x52, 0x54, 0x00, 0x12, 0x34, octet}});
    highest.insert(hash >> 56);
    lowest.insert(hash & 0xff);
  }
  CHECK(highest.size() > 96);
  CHECK(lowest.size() > 64);
}

TEST_CASE("MacAddress: a number of 48 bits, ordered as its octets are") {
  constexpr MacAddress kMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
  static_assert(kMac.value() == 0x525400123456);
  CHECK(MacAddress{{0x52, 0x54, 0x00, 0x12, 0x34, 0x55}} < kMac);
  CHECK(MacAddress{{0x53, 0, 0, 0, 0, 0}} > kMac);
  CHECK(MacAddress{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}} == kMac);
}

TEST_CASE("hash_bytes: FNV-1a, and the seed counts") {
  CHECK(hash_bytes({}) == 0xcbf29ce484222325ULL);
  CHECK(hash_bytes(as_bytes("a")) == 0xaf63dc4c8601ec8cULL);  // published test vector of FNV-1a 64
  CHECK(hash_bytes(as_bytes("foobar")) == 0x85944171f73967e8ULL);
  CHECK(hash_bytes(as_bytes("a"), 1) != hash_bytes(as_bytes("a")));

  std::unordered_set<Endpoint> endpoints;
  endpoints.insert({ip("10.0.0.1"), 1});
  endpoints.insert({ip("10.0.0.1"), 2});
  endpoints.insert({ip("10.0.0.1"), 1});
  CHECK(endpoints.size() == 2);
}

}  // namespace rove
