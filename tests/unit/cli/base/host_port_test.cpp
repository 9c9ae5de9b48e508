#include "cli/base/host_port.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("parse_host_port: names and addresses of both families, with and without a port") {
  CHECK(parse_host_port("boot.example.org:7000") == HostPort{"boot.example.org", 7000});
  CHECK(parse_host_port("boot") == HostPort{"boot", kDefaultPort});
  CHECK(parse_host_port("203.0.113.7:9") == HostPort{"203.0.113.7", 9});
  CHECK(parse_host_port("[2001:db8::1]:9") == HostPort{"2001:db8::1", 9});
  CHECK(parse_host_port("2001:db8::1") == HostPort{"2001:db8::1", kDefaultPort});
}

TEST_CASE("parse_host_port: refuses what is neither") {
  for (const char* text : {"", ":7683", "a b", "host:", "host:0", "host:65536", "host:12x", "-x", ".x", "a/b", "a:b:c",
                           "[::1", "host:-1", "$(reboot)"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_host_port(text).has_value());
  }
}

TEST_CASE("HostPort: its text form parses to the same") {
  for (const HostPort& each : {HostPort{"boot", 1}, HostPort{"203.0.113.7", 2}, HostPort{"2001:db8::1", 3}}) {
    CHECK(parse_host_port(to_string(each)) == each);
  }
}

TEST_CASE("parse_listen_address: a port means every address") {
  CHECK(parse_listen_address("7000") == ListenAddress{std::nullopt, 7000});
  CHECK(parse_listen_address(":7000") == ListenAddress{std::nullopt, 7000});
}

TEST_CASE("parse_listen_address: an address is that address, on the default port when there is none") {
  CHECK(parse_listen_address("0.0.0.0:7000") == ListenAddress{parse_ip("0.0.0.0"), 7000});
  CHECK(parse_listen_address("[::]:7000") == ListenAddress{parse_ip("::"), 7000});
  CHECK(parse_listen_address("10.0.0.1") == ListenAddress{parse_ip("10.0.0.1"), kDefaultPort});
}

TEST_CASE("parse_listen_address: refuses names and impossible ports") {
  for (const char* text : {"", "0", ":0", "65536", "host:1", "10.0.0.1:0", "-1", "7000 "}) {
    CAPTURE(text);
    CHECK_FALSE(parse_listen_address(text).has_value());
  }
}

}  // namespace rove
