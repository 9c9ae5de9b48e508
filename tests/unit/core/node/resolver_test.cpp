#include "core/node/resolver.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{100}};

VmAddress address(std::uint8_t last) {
  const std::array<std::uint8_t, 4> octets{10, 77, 0, last};
  return VmAddress{IpAddress::v4(octets.data())};
}

Bytes frame(std::uint8_t mark) {
  return Bytes(14, mark);
}

}  // namespace

TEST_CASE("Resolver: one question per address, however many frames wait for it") {
  Resolver resolver;

  CHECK(resolver.handle_miss(kStart, address(1), frame(1)) == Resolver::Outcome::Held);
  CHECK(resolver.handle_miss(kStart, address(1), frame(2)) == Resolver::Outcome::Held);

  CHECK(resolver.poll_question() == address(1));
  CHECK_FALSE(resolver.poll_question().has_value());
}

TEST_CASE("Resolver: frames come out in the order in which they came in") {
  Resolver resolver;
  for (std::uint8_t mark = 1; mark <= 3; ++mark) (void)resolver.handle_miss(kStart, address(1), frame(mark));

  const std::vector<Bytes> frames = resolver.take_resolved(address(1));

  REQUIRE(frames.size() == 3);
  CHECK(frames[0][0] == 1);
  CHECK(frames[2][0] == 3);
  CHECK_FALSE(resolver.is_waiting(address(1)));
}

TEST_CASE("Resolver: beyond the limit the oldest frame goes, and is counted") {
  Resolver resolver;
  for (std::size_t i = 0; i < kHeldPerAddress + 2; ++i) {
    (void)resolver.handle_miss(kStart, address(1), frame(static_cast<std::uint8_t>(i)));
  }

  const std::vector<Bytes> frames = resolver.take_resolved(address(1));

  REQUIRE(frames.size() == kHeldPerAddress);
  CHECK(frames.front()[0] == 2);
  CHECK(resolver.held_dropped() == 2);
}

TEST_CASE("Resolver: a negative answer is believed for a second") {
  Resolver resolver;
  (void)resolver.handle_miss(kStart, address(1), frame(1));
  CHECK(resolver.take_negative(kStart, address(1)).size() == 1);

  CHECK(resolver.handle_miss(kStart + kNegativeTime / 2, address(1), frame(1)) == Resolver::Outcome::Negative);
  CHECK(resolver.handle_miss(kStart + kNegativeTime, address(1), frame(1)) == Resolver::Outcome::Held);
}

TEST_CASE("Resolver: what is not answered in time is given up, with its frames counted") {
  Resolver resolver;
  (void)resolver.handle_miss(kStart, address(1), frame(1));
  resolver.set_lookup(address(1), LookupId{7});
  CHECK(resolver.poll_timeout() == kStart + kResolveTimeout);

  CHECK(resolver.handle_timeout(kStart + kResolveTimeout - Duration{1}) == 0);
  CHECK(resolver.handle_timeout(kStart + kResolveTimeout) == 1);

  CHECK_FALSE(resolver.is_waiting(address(1)));
  CHECK_FALSE(resolver.find_by_lookup(LookupId{7}).has_value());
  CHECK(resolver.held_dropped() == 1);
}

TEST_CASE("Resolver: a scan of many addresses fills no more than the table") {
  Resolver resolver;
  for (std::size_t i = 0; i < kResolvingMax; ++i) {
    const std::array<std::uint8_t, 4> octets{10, 77, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
    CHECK(resolver.handle_miss(kStart, VmAddress{IpAddress::v4(octets.data())}, frame(1)) == Resolver::Outcome::Held);
  }
  const std::array<std::uint8_t, 4> one_more{10, 99, 0, 1};

  CHECK(resolver.handle_miss(kStart, VmAddress{IpAddress::v4(one_more.data())}, frame(1)) == Resolver::Outcome::Full);
}

}  // namespace rove
