#include "tap/fdb_table.h"

#include <doctest/doctest.h>

#include <vector>

namespace rove {
namespace {

const MacAddress kA = *parse_mac("02:00:00:00:00:0a");
const MacAddress kB = *parse_mac("02:00:00:00:00:0b");
const MacAddress kC = *parse_mac("02:00:00:00:00:0c");

std::vector<FdbEvent> poll_all(FdbTable& table) {
  std::vector<FdbEvent> events;
  while (const auto event = table.poll_event()) events.push_back(*event);
  return events;
}

FdbEvent here(const MacAddress& mac, unsigned port) {
  return {mac, port, false};
}
FdbEvent gone(const MacAddress& mac, unsigned port) {
  return {mac, port, true};
}

}  // namespace

TEST_CASE("FdbTable: coming, moving and going are events, staying is not") {
  FdbTable table{8};

  table.handle_event({kA}, 1);
  table.handle_event({kA}, 1);
  table.handle_event({kA}, 2);
  table.handle_deletion({kA});
  table.handle_deletion({kA});

  CHECK(poll_all(table) == std::vector{here(kA, 1), here(kA, 2), gone(kA, 2)});
}

TEST_CASE("FdbTable: a dump reports what is new or elsewhere, and at its end what is no more there") {
  FdbTable table{8};
  table.handle_event({kA}, 1);
  table.handle_event({kB}, 1);
  poll_all(table);

  table.begin_dump();
  table.handle_dumped({kA}, 2);
  table.handle_dumped({kC}, 3);
  CHECK(poll_all(table) == std::vector{here(kA, 2), here(kC, 3)});
  table.end_dump(true);

  CHECK(poll_all(table) == std::vector{gone(kB, 1)});
}

TEST_CASE("FdbTable: what an event told since the dump began is newer than the dump") {
  FdbTable table{8};
  table.handle_event({kA}, 1);
  table.handle_event({kB}, 1);
  poll_all(table);

  table.begin_dump();
  table.handle_event({kA}, 2);  // the dump passed it at port 1
  table.handle_deletion({kB});  // the dump passed it before it went
  table.handle_event({kC}, 3);  // the dump does not have it yet
  table.handle_dumped({kA}, 1);
  table.handle_dumped({kB}, 1);
  table.end_dump(true);

  CHECK(poll_all(table) == std::vector{here(kA, 2), gone(kB, 1), here(kC, 3)});
}

TEST_CASE("FdbTable: an entry deleted and learned again during a dump is there") {
  FdbTable table{8};
  table.handle_event({kA}, 1);
  poll_all(table);

  table.begin_dump();
  table.handle_deletion({kA});
  table.handle_event({kA}, 2);
  table.handle_dumped({kA}, 1);
  table.end_dump(true);

  CHECK(poll_all(table) == std::vector{gone(kA, 1), here(kA, 2)});
}

TEST_CASE("FdbTable: after an incomplete dump nothing is taken for gone, after the next one it is") {
  FdbTable table{8};
  table.handle_event({kA}, 1);
  poll_all(table);

  table.begin_dump();
  table.end_dump(false);
  CHECK(poll_all(table).empty());

  table.begin_dump();
  table.end_dump(true);
  CHECK(poll_all(table) == std::vector{gone(kA, 1)});
}

TEST_CASE("FdbTable: a MAC in two VLANs goes when the last of them goes") {
  FdbTable table{8};
  table.handle_event({kA, 1}, 4);
  table.handle_event({kA, 7}, 4);
  table.handle_event({kB, 1}, 5);
  poll_all(table);

  table.handle_deletion({kA, 1});
  CHECK(poll_all(table).empty());
  table.handle_deletion({kA, 7});

  CHECK(poll_all(table) == std::vector{gone(kA, 4)});
}

TEST_CASE("FdbTable: more MACs than its limit are ignored and counted, until others go") {
  FdbTable table{2};
  table.handle_event({kA}, 1);
  table.handle_event({kB}, 1);
  table.handle_event({kC}, 1);
  CHECK(table.ignored() == 1);
  CHECK(poll_all(table) == std::vector{here(kA, 1), here(kB, 1)});

  table.handle_deletion({kC});
  table.handle_deletion({kA});
  table.handle_event({kC}, 2);

  CHECK(poll_all(table) == std::vector{gone(kA, 1), here(kC, 2)});
  CHECK(table.ignored() == 1);
}

}  // namespace rove
