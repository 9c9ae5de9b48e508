#include "core/peer/handshake_timestamp.h"

#include <doctest/doctest.h>

#include <chrono>

#include "core/base/bytes.h"

namespace rove {
namespace {

constexpr WallTime kNow = from_unix_ms(1'767'225'600'123);

NodeId node(std::uint8_t number) {
  NodeId id;
  id.octets[0] = number;
  return id;
}
Tai64n stamp(std::uint8_t value) {
  Tai64n label{};
  label.back() = value;
  return label;
}

TEST_CASE("TimestampClock: a label is the TAI64N form of the wall clock") {
  TimestampClock clock;

  // 1767225600 s = 0x6955b900, plus 10 s as everybody writes it; 123 ms = 0x0754d4c0 ns.
  CHECK(to_hex(clock.next(kNow, 0)) == "400000006955b90a0754d4c0");
}

TEST_CASE("lead_of: a label tells its clock; one of no time tells nothing") {
  TimestampClock clock;
  const Tai64n label = clock.next(kNow, 0);

  CHECK(lead_of(label, kNow) == Duration{0});
  CHECK(lead_of(label, kNow - std::chrono::minutes{5}) == std::chrono::minutes{5});
  CHECK(lead_of(label, kNow + std::chrono::milliseconds{7}) == -std::chrono::milliseconds{7});
  CHECK_FALSE(lead_of(Tai64n{}, kNow));
  Tai64n far{};
  far.fill(0xff);
  CHECK_FALSE(lead_of(far, kNow));
}

TEST_CASE("TimestampClock: labels rise within one millisecond and when the clock goes back") {
  TimestampClock clock;
  const Tai64n first = clock.next(kNow, 0);
  const Tai64n second = clock.next(kNow, 0);
  const Tai64n back = clock.next(kNow - std::chrono::hours{1}, 0);

  CHECK(first < second);
  CHECK(second < back);
}

TEST_CASE("TimestampClock: what was reached before a restart is a floor") {
  TimestampClock before;
  const Tai64n reached = before.next(kNow, 0);
  TimestampClock restarted;

  const Tai64n label = restarted.next(kNow - std::chrono::hours{1}, to_unix_ms(kNow) * 1000 + 1);

  CHECK(reached < label);
}

TEST_CASE("TimestampTable: only what is newer than the last accepted of that node is new") {
  TimestampTable table;
  CHECK(table.compare(node(1), stamp(5)) == TimestampTable::Order::Newer);
  table.accept(node(1), stamp(5));

  CHECK(table.compare(node(1), stamp(4)) == TimestampTable::Order::Older);
  CHECK(table.compare(node(1), stamp(5)) == TimestampTable::Order::Same);
  CHECK(table.compare(node(1), stamp(6)) == TimestampTable::Order::Newer);
  CHECK(table.compare(node(2), stamp(1)) == TimestampTable::Order::Newer);
}

TEST_CASE("TimestampTable: accepting an older one changes nothing") {
  TimestampTable table;
  table.accept(node(1), stamp(5));

  table.accept(node(1), stamp(3));

  CHECK(table.compare(node(1), stamp(4)) == TimestampTable::Order::Older);
  CHECK(table.size() == 1);
}

TEST_CASE("TimestampTable: when full it forgets the node with the oldest timestamp") {
  TimestampTable table{3};
  table.accept(node(1), stamp(1));
  table.accept(node(2), stamp(2));
  table.accept(node(3), stamp(3));
  table.accept(node(1), stamp(9));

  table.accept(node(4), stamp(4));

  CHECK(table.size() == 3);
  CHECK(table.compare(node(2), stamp(1)) == TimestampTable::Order::Newer);
  CHECK(table.compare(node(1), stamp(8)) == TimestampTable::Order::Older);
  CHECK(table.compare(node(3), stamp(2)) == TimestampTable::Order::Older);
  CHECK(table.compare(node(4), stamp(3)) == TimestampTable::Order::Older);
}

}  // namespace
}  // namespace rove
