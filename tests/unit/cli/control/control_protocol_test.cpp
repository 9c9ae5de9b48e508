#include "cli/control/control_protocol.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

const MacAddress kMac = *parse_mac("02:00:5e:10:00:01");

std::vector<ControlRequest> every_request() {
  return {
      {.verb = ControlVerb::Status, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Peers, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Vms, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Lookup, .address = *parse_ip("fd00::5"), .refresh = true, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Lookup, .address = kMac, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Claim, .address = {}, .refresh = false, .mac = kMac, .ips = {*parse_ip("10.77.0.5")}},
      {.verb = ControlVerb::Claim, .address = {}, .refresh = false, .mac = kMac, .ips = {}},
      {.verb = ControlVerb::Timeline, .address = *parse_ip("10.0.0.1"), .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Watch, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Release, .address = {}, .refresh = false, .mac = kMac, .ips = {}},
      {.verb = ControlVerb::Prepare, .address = kMac, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Prepare, .address = kMac, .refresh = false, .mac = {}, .ips = {}, .port = "vnet0"},
      {.verb = ControlVerb::Prepare, .address = *parse_ip("10.0.0.1"), .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Stopped, .address = {}, .refresh = false, .mac = kMac, .ips = {}},
      {.verb = ControlVerb::Stopped, .address = {}, .refresh = false, .mac = kMac, .ips = {}, .delivered = 1ULL << 60},
      {.verb = ControlVerb::LogLevel, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::LogLevel,
       .address = {},
       .refresh = false,
       .mac = {},
       .ips = {},
       .log_level = LogLevel::Warn},
      {.verb = ControlVerb::Reload, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Down, .address = {}, .refresh = false, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Lookup, .address = kMac, .trace = true, .mac = {}, .ips = {}},
      {.verb = ControlVerb::Info, .address = {}, .mac = {}, .ips = {}, .target = "host-b"},
      {.verb = ControlVerb::Ping, .address = {}, .mac = {}, .ips = {}, .target = "10.77.0.5"},
      {.verb = ControlVerb::Ping, .address = {}, .mac = {}, .ips = {}, .target = "0a0b", .timeout_ms = 500},
  };
}

}  // namespace

TEST_CASE("control request: every verb survives a round trip on one line") {
  for (const ControlRequest& request : every_request()) {
    const std::string line = encode_request(request);
    CAPTURE(line);

    const DecodedRequest decoded = decode_request(line);

    CHECK(line.find('\n') == std::string::npos);
    REQUIRE(decoded.request.has_value());
    CHECK(*decoded.request == request);
  }
}

TEST_CASE("control request: the line is as documented") {
  CHECK(encode_request(every_request()[3]) == R"({"verb":"lookup","args":{"address":"fd00::5","refresh":true}})");
  CHECK(encode_request(every_request()[19]) ==
        R"({"verb":"lookup","args":{"address":"02:00:5e:10:00:01","trace":true}})");
  CHECK(encode_request(every_request()[20]) == R"({"verb":"info","args":{"target":"host-b"}})");
  CHECK(encode_request(every_request()[22]) == R"({"verb":"ping","args":{"target":"0a0b","timeout_ms":500}})");
  CHECK(encode_request(every_request()[7]) == R"({"verb":"timeline","args":{"address":"10.0.0.1"}})");
  CHECK(encode_request(every_request()[5]) ==
        R"({"verb":"claim","args":{"mac":"02:00:5e:10:00:01","ips":["10.77.0.5"]}})");
  CHECK(encode_request(every_request()[14]) ==
        R"({"verb":"stopped","args":{"mac":"02:00:5e:10:00:01","delivered":1152921504606846976}})");
}

TEST_CASE("control request: a log level is one of four words, or left out") {
  CHECK(encode_request(every_request()[16]) == R"({"verb":"log-level","args":{"level":"warn"}})");
  CHECK(decode_request(R"({"verb":"log-level"})").request.has_value());
  CHECK(decode_request(R"({"verb":"log-level","args":{"level":"loud"}})").error ==
        "level must be one of error, warn, info, debug");
  CHECK_FALSE(decode_request(R"({"verb":"log-level","args":{"level":7}})").request.has_value());
  CHECK_FALSE(decode_request(R"({"verb":"reload","args":{"level":"warn"}})").request.has_value());
}

TEST_CASE("control request: args may be missing where the verb needs none") {
  CHECK(decode_request(R"({"verb":"status"})").request.has_value());
}

TEST_CASE("control request: what is none is refused with a reason") {
  const std::vector<std::pair<std::string, std::string>> lines{
      {"", "not a JSON object"},
      {"status", "not a JSON object"},
      {"[]", "not a JSON object"},
      {"{", "not a JSON object"},
      {"\xff\xfe", "not a JSON object"},
      {R"({"verb":"status"}x)", "not a JSON object"},
      {"{}", "unknown verb"},
      {R"({"verb":1})", "unknown verb"},
      {R"({"verb":"reboot"})", "unknown verb"},
      {R"({"verb":"status","extra":1})", "unknown field"},
      {R"({"verb":"status","args":[]})", "args must be an object"},
      {R"({"verb":"status","args":{"x":1}})", "unknown argument"},
      {R"({"verb":"lookup"})", "address must be an IP or a MAC"},
      {R"({"verb":"lookup","args":{"address":5}})", "address must be an IP or a MAC"},
      {R"({"verb":"lookup","args":{"address":"x"}})", "address must be an IP or a MAC"},
      {R"({"verb":"lookup","args":{"address":"10.0.0.1","refresh":1}})", "refresh must be true or false"},
      {R"({"verb":"lookup","args":{"address":"10.0.0.1","trace":"yes"}})", "trace must be true or false"},
      {R"({"verb":"info"})", "target must be a name, an id or an address"},
      {R"({"verb":"info","args":{"target":7}})", "target must be a name, an id or an address"},
      {R"({"verb":"info","args":{"target":"b","timeout_ms":1}})", "unknown argument"},
      {R"({"verb":"ping","args":{"target":""}})", "target must be a name, an id or an address"},
      {R"({"verb":"ping","args":{"target":"b","timeout_ms":-1}})", "timeout_ms must be a count"},
      {R"({"verb":"timeline"})", "address must be an IP or a MAC"},
      {R"({"verb":"timeline","args":{"address":"10.0.0.1","refresh":true}})", "unknown argument"},
      {R"({"verb":"watch","args":{"address":"10.0.0.1"}})", "unknown argument"},
      {R"({"verb":"claim","args":{}})", "mac must be a MAC address"},
      {R"({"verb":"claim","args":{"mac":"02:00:5e:10:00:01","ips":"10.0.0.1"}})", "ips must be a list"},
      {R"({"verb":"claim","args":{"mac":"02:00:5e:10:00:01","ips":[1]}})", "ips must hold IP addresses"},
      {R"({"verb":"stopped","args":{"delivered":1}})", "mac must be a MAC address"},
      {R"({"verb":"stopped","args":{"mac":"02:00:5e:10:00:01","delivered":-1}})", "delivered must be a count"},
      {R"({"verb":"stopped","args":{"mac":"02:00:5e:10:00:01","delivered":1.5}})", "delivered must be a count"},
      {R"({"verb":"release","args":{"mac":"02:00:5e:10:00:01","ips":[]}})", "unknown argument"},
  };
  for (const auto& [line, reason] : lines) {
    CAPTURE(line);
    const DecodedRequest decoded = decode_request(line);
    CHECK_FALSE(decoded.request.has_value());
    CHECK(decoded.error == reason);
  }
}

TEST_CASE("control request: no prefix of a line is a request, and none crashes") {
  for (const ControlRequest& request : every_request()) {
    const std::string line = encode_request(request);
    for (std::size_t size = 0; size < line.size(); ++size) {
      CHECK_FALSE(decode_request(std::string_view{line}.substr(0, size)).request.has_value());
    }
  }
}

TEST_CASE("control request: the deepest nesting that a line can hold is refused without harm") {
  const std::string open(kRequestSizeMax, '[');
  CHECK_FALSE(decode_request(open).request.has_value());
  CHECK_FALSE(decode_request(R"({"verb":)" + open).request.has_value());

  const std::size_t half = kRequestSizeMax / 2;
  CHECK_FALSE(decode_request(R"({"verb":"status","args":)" + std::string(half, '[') + std::string(half, ']') + "}")
                  .request.has_value());
}

TEST_CASE("control response: success and failure survive a round trip") {
  const ControlResponse found{
      .status = ExitStatus::Ok, .data = R"({"schema":1,"b":2,"a":1})", .what = {}, .why = {}, .next = {}};
  const ControlResponse missing{.status = ExitStatus::NotFound,
                                .data = R"({"schema":1,"found":false})",
                                .what = "lookup 10.0.0.1",
                                .why = "nobody claims it",
                                .next = "rove vms"};
  const ControlResponse denied{
      .status = ExitStatus::Conflict, .data = {}, .what = "claim", .why = "denied", .next = {}};

  CHECK(decode_response(encode_response(found)) == found);
  CHECK(decode_response(encode_response(missing)) == missing);
  CHECK(decode_response(encode_response(denied)) == denied);
}

TEST_CASE("control response: the line is as documented") {
  CHECK(encode_response({.status = ExitStatus::Ok, .data = R"({"schema":1})", .what = {}, .why = {}, .next = {}}) ==
        R"({"ok":true,"data":{"schema":1}})");
  CHECK(encode_response({.status = ExitStatus::NotFound, .data = {}, .what = "a", .why = "b", .next = "c"}) ==
        R"({"ok":false,"status":3,"what":"a","why":"b","next":"c"})");
}

TEST_CASE("control response: octets that are no UTF-8 are mended, not fatal") {
  const std::string line =
      encode_response({.status = ExitStatus::Failure, .data = {}, .what = "a\xff", .why = {}, .next = {}});

  CHECK(decode_response(line).has_value());
}

TEST_CASE("control response: what is none is refused") {
  for (const char* line :
       {"", "[]", "{}", R"({"ok":1})", R"({"ok":true})", R"({"ok":true,"data":[]})", R"({"ok":false})",
        R"({"ok":false,"status":0})", R"({"ok":false,"status":6})", R"({"ok":false,"status":"3"})"}) {
    CAPTURE(line);
    CHECK_FALSE(decode_response(line).has_value());
  }
}

}  // namespace rove
