#include "cli/base/nearest.h"

#include <doctest/doctest.h>

#include <string>

namespace rove {

TEST_CASE("edit_distance: counts insertions, deletions, substitutions and swaps of neighbours") {
  CHECK(edit_distance("bridge", "bridge") == 0);
  CHECK(edit_distance("", "tap") == 3);
  CHECK(edit_distance("brige", "bridge") == 1);
  CHECK(edit_distance("bridgee", "bridge") == 1);
  CHECK(edit_distance("bricge", "bridge") == 1);
  CHECK(edit_distance("birdge", "bridge") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("find_nearest: gives the closest word, and none when all are far") {
  const std::vector<std::string_view> words{"bridge", "bootstrap", "tap"};

  CHECK(find_nearest("brige", words) == "bridge");
  CHECK(find_nearest("bootsrap", words) == "bootstrap");
  CHECK(find_nearest("tpa", words) == "tap");
  CHECK(find_nearest("zzzzzz", words).empty());
  CHECK(find_nearest("", words).empty());
}

TEST_CASE("find_nearest: a key of megabytes is no word of ours, and costs nothing") {
  CHECK(find_nearest(std::string(1 << 20, 'b'), {"bridge"}).empty());
}

}  // namespace rove
