#include "cli/base/metrics_address.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("parse_metrics_address: addresses, a port alone, and unix sockets; each as it is written") {
  for (const char* text : {"127.0.0.1:9683", "[::1]:9683", "192.0.2.7:80", "unix:/run/rove/demo.metrics"}) {
    CAPTURE(text);
    const auto address = parse_metrics_address(text);
    REQUIRE(address.has_value());
    CHECK(to_string(*address) == text);
  }
  CHECK(to_string(*parse_metrics_address("9683")) == "127.0.0.1:9683");
}

TEST_CASE("parse_metrics_address: only loopback addresses and unix sockets are local") {
  for (const char* text : {"127.0.0.1:9683", "127.8.9.1:1", "[::1]:9683", "9683", "unix:/m"}) {
    CAPTURE(text);
    CHECK(parse_metrics_address(text)->is_local());
  }
  for (const char* text : {"0.0.0.0:9683", "[::]:9683", "10.0.0.1:9683", "[2001:db8::1]:9683"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_metrics_address(text)->is_local());
  }
}

TEST_CASE("parse_metrics_address: what is none is refused") {
  const std::string long_path = "unix:/" + std::string(200, 'x');
  for (const std::string& text :
       {std::string{}, std::string{"0"}, std::string{"65536"}, std::string{"-1"}, std::string{"127.0.0.1"},
        std::string{"127.0.0.1:0"}, std::string{"::1"}, std::string{"localhost:9683"}, std::string{"224.0.0.1:9683"},
        std::string{"unix:"}, std::string{"unix:run/x"}, long_path}) {
    CAPTURE(text);
    CHECK_FALSE(parse_metrics_address(text).has_value());
  }
}

}  // namespace rove
