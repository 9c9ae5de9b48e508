#include "cli/base/terminal.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

TEST_CASE("fit_to_screen: what is longer than a line or lower than the screen is cut") {
  CHECK(fit_to_screen("abcdef\ngh\n", 3, 4) == "abcd\033[K\r\ngh\033[K\r\n");
  CHECK(fit_to_screen("1\n2\n3\n", 2, 10) == "1\033[K\r\n2\033[K");
  CHECK(fit_to_screen("", 2, 10).empty());
}

TEST_CASE("fit_to_screen: colours take no room, and are ended where the text is cut") {
  CHECK(fit_to_screen("\033[32mgreen\033[0m!", 2, 3) == "\033[32mgre\033[0m");
  CHECK(fit_to_screen("\033[3", 2, 3).empty());
}

}  // namespace
}  // namespace rove
