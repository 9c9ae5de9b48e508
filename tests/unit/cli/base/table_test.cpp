#include "cli/base/table.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

Table sample() {
  Table table{{"NODE", "STATE", "ID"}};
  table.add_row({"host-a", {"up", Tone::Good}, "1"});
  table.add_row({"b", {"down", Tone::Bad}, ""});
  return table;
}

}  // namespace

TEST_CASE("Table: columns are aligned on a terminal, and no line ends in blanks") {
  CHECK(sample().to_text({.terminal = true, .color = false}) ==
        "NODE    STATE  ID\n"
        "host-a  up     1\n"
        "b       down   -\n");
}

TEST_CASE("Table: elsewhere columns are separated by tabs") {
  CHECK(sample().to_text({}) == "NODE\tSTATE\tID\nhost-a\tup\t1\nb\tdown\t-\n");
}

TEST_CASE("Table: colours do not disturb the alignment") {
  CHECK(sample().to_text({.terminal = true, .color = true}) ==
        "\033[1mNODE\033[0m    \033[1mSTATE\033[0m  \033[1mID\033[0m\n"
        "host-a  \033[32mup\033[0m     1\n"
        "b       \033[31mdown\033[0m   -\n");
}

TEST_CASE("clean_cell: what a peer chose cannot steer a terminal or split a column") {
  CHECK(clean_cell("a\033[31mb\tc\nd\x9b") == "a?[31mb?c?d?");
  CHECK(clean_cell("") == "-");
}

TEST_CASE("format_age: the two largest units") {
  CHECK(format_age(-5) == "0s");
  CHECK(format_age(59'999) == "59s");
  CHECK(format_age(200'000) == "3m20s");
  CHECK(format_age(7'500'000) == "2h05m");
  CHECK(format_age(47LL * 3600 * 1000) == "47h00m");
  CHECK(format_age(48LL * 3600 * 1000) == "2d");
}

}  // namespace rove
