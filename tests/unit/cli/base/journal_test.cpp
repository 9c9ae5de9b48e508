#include "cli/base/journal.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tap/file_descriptor.h"

namespace rove {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

bool has(const std::vector<std::string>& fields, const std::string& field) {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

}  // namespace

TEST_CASE("parse_fields: finds the pairs of a line, whatever their values are") {
  CHECK(parse_fields("vm-moved-here peer=b vm=02:00:5e:10:00:05 seq=7 ips=10.0.0.5,fd00::5") ==
        Pairs{{"peer", "b"}, {"vm", "02:00:5e:10:00:05"}, {"seq", "7"}, {"ips", "10.0.0.5,fd00::5"}});
  CHECK(parse_fields("stopped").empty());
  CHECK(parse_fields("").empty());
  CHECK(parse_fields("x a= b").size() == 1);
}

TEST_CASE("parse_fields: values are again what they were before they were escaped") {
  for (const std::string& value : {std::string{"two words"}, std::string{"a=b"}, std::string{"say \"hi\" \\ bye"},
                                   std::string{"line\nbreak\ttab"}, std::string{"\033[31m\xff"}, std::string{}}) {
    CAPTURE(value);
    CHECK(parse_fields("event reason=" + escape_value(value) + " vm=x") == Pairs{{"reason", value}, {"vm", "x"}});
  }
}

TEST_CASE("parse_fields: a text that ends in the middle of a value ends nothing else") {
  const std::string line = "event reason=\"a \\\"b\\\" \\x1b c\" vm=x";
  for (std::size_t size = 0; size <= line.size(); ++size) CHECK(parse_fields(line.substr(0, size)).size() <= 2);
}

TEST_CASE("make_journal_fields: the line, its priority, and a field for each pair") {
  const auto fields =
      make_journal_fields(LogLevel::Warn, "demo", "claim-refused", "claim-refused vm=x reason=\"not allowed\"");

  CHECK(has(fields, "MESSAGE=claim-refused vm=x reason=\"not allowed\""));
  CHECK(has(fields, "PRIORITY=4"));
  CHECK(has(fields, "SYSLOG_IDENTIFIER=rove"));
  CHECK(has(fields, "ROVE_NETWORK=demo"));
  CHECK(has(fields, "ROVE_EVENT=claim-refused"));
  CHECK(has(fields, "ROVE_VM=x"));
  CHECK(has(fields, "ROVE_REASON=not allowed"));
  CHECK(fields.size() == 7);
}

TEST_CASE("make_journal_fields: names are as the journal takes them, and no line has too many") {
  CHECK(has(make_journal_fields(LogLevel::Info, "", "e", "e log-level.now=1"), "ROVE_LOG_LEVEL_NOW=1"));
  CHECK(has(make_journal_fields(LogLevel::Error, "", "e", "e"), "PRIORITY=3"));
  std::string line = "e";
  for (int i = 0; i < 200; ++i) line += " k" + std::to_string(i) + "=v";
  CHECK(make_journal_fields(LogLevel::Debug, "", "e", line).size() == kJournalFieldsMax);
}

TEST_CASE("is_journal: only for the descriptor that the environment names") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const FileDescriptor in{ends[0]};
  const FileDescriptor out{ends[1]};
  struct stat info{};
  REQUIRE(::fstat(out.get(), &info) == 0);
  const std::string named = std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);

  CHECK(is_journal(out.get(), named.c_str()));
  CHECK_FALSE(is_journal(out.get(), nullptr));
  CHECK_FALSE(is_journal(out.get(), ""));
  CHECK_FALSE(is_journal(out.get(), (named + "1").c_str()));
  CHECK_FALSE(is_journal(-1, named.c_str()));
}

}  // namespace rove
