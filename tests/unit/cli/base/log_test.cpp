#include "cli/base/log.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("escape_value: plain words stay as they are") {
  CHECK(escape_value("host-a") == "host-a");
  CHECK(escape_value("[2001:db8::1]:7683") == "[2001:db8::1]:7683");
}

TEST_CASE("escape_value: anything that could break a line or a field is quoted") {
  CHECK(escape_value("") == "\"\"");
  CHECK(escape_value("two words") == "\"two words\"");
  CHECK(escape_value("a=b") == "\"a=b\"");
  CHECK(escape_value("say \"hi\"\\") == "\"say \\\"hi\\\"\\\\\"");
  CHECK(escape_value("line\nbreak\ttab") == "\"line\\nbreak\\ttab\"");
  CHECK(escape_value("\033[31m\xff") == "\"\\x1b[31m\\xff\"");
}

TEST_CASE("format_event: an event, then its fields; empty ones are left out") {
  CHECK(format_event("started", {{"network", "demo"}, {"bridge", ""}, {"reason", "no reason"}}) ==
        "started network=demo reason=\"no reason\"");
}

TEST_CASE("LogLevel: every level has a name that parses to it") {
  for (const LogLevel level : {LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug}) {
    CHECK(parse_log_level(to_string(level)) == level);
    CHECK(kLogLevels.find(to_string(level)) != std::string_view::npos);
  }
  CHECK_FALSE(parse_log_level("loud").has_value());
}

}  // namespace rove
