#include "cli/control/watch_queue.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("WatchQueue: lines come in order, each with its end, and once") {
  WatchQueue queue;
  CHECK(queue.take().empty());

  CHECK(queue.push("one"));
  CHECK(queue.push("two"));

  CHECK(queue.take() == "one\ntwo\n");
  CHECK(queue.take().empty());
}

TEST_CASE("WatchQueue: when it is full lines are lost, and the place where they are missing says how many") {
  WatchQueue queue;
  const std::string line(WatchQueue::kBytesMax / 4, 'x');
  std::size_t held = 0;
  while (queue.push(line)) ++held;
  CHECK_FALSE(queue.push(line));
  CHECK(held == 3);  // the ends of lines take room, too
  const std::string lost_two = "{\"ok\":true,\"data\":{\"schema\":1,\"event\":\"events-lost\",\"count\":2}}\n";

  SUBCASE("in the end") {
    CHECK(queue.take() == line + "\n" + line + "\n" + line + "\n" + lost_two);
    CHECK(queue.take().empty());
  }
  SUBCASE("before what still fits") {
    CHECK(queue.push("small"));
    CHECK(queue.take() == line + "\n" + line + "\n" + line + "\n" + lost_two + "small\n");
  }
}

}  // namespace rove
