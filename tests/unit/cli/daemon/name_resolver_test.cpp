#include "cli/daemon/name_resolver.h"

#include <doctest/doctest.h>
#include <poll.h>

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{1000}};

// Waits for the resolving thread's word, and takes the outcome.
std::vector<ResolvedName> wait_resolved(NameResolver& resolver, const WakeSignal& wake, TimePoint now) {
  pollfd entry{wake.fd(), POLLIN, 0};
  REQUIRE(::poll(&entry, 1, 30'000) == 1);
  wake.drain();
  auto resolved = resolver.poll_resolved(now);
  REQUIRE(resolved.has_value());
  return std::move(*resolved);
}

bool is_busy(const WakeSignal& wake) {
  pollfd entry{wake.fd(), POLLIN, 0};
  return ::poll(&entry, 1, 200) == 1;
}

}  // namespace

TEST_CASE("resolve_name: an address is itself, a name that cannot exist is an error") {
  const ResolvedName address = resolve_name({"2001:db8::1", 7000});
  CHECK(address.endpoints == std::vector<Endpoint>{*parse_endpoint("[2001:db8::1]:7000", 0)});
  CHECK(address.error.empty());

  const ResolvedName nothing = resolve_name({"no-such-name.invalid", 7000});
  CHECK(nothing.endpoints.empty());
  CHECK_FALSE(nothing.error.empty());
}

TEST_CASE("NameResolver: addresses come with the first round, and are never asked again") {
  const auto wake = std::make_shared<WakeSignal>();
  NameResolver resolver{{{"203.0.113.1", 1}, {"203.0.113.2", 2}}, wake};

  resolver.handle_timeout(kStart, /*connected=*/false);
  const auto resolved = wait_resolved(resolver, *wake, kStart);
  REQUIRE(resolved.size() == 2);
  CHECK(resolved[1].endpoints == std::vector<Endpoint>{*parse_endpoint("203.0.113.2:2", 0)});

  resolver.handle_timeout(kStart + std::chrono::hours{1}, /*connected=*/false);
  CHECK_FALSE(is_busy(*wake));
}

TEST_CASE("NameResolver: a name that does not resolve is asked again after five seconds, not before") {
  const auto wake = std::make_shared<WakeSignal>();
  NameResolver resolver{{{"no-such-name.invalid", 1}}, wake};
  resolver.handle_timeout(kStart, false);
  CHECK(wait_resolved(resolver, *wake, kStart).front().endpoints.empty());

  resolver.handle_timeout(kStart + std::chrono::seconds{4}, true);
  CHECK_FALSE(is_busy(*wake));
  resolver.handle_timeout(kStart + std::chrono::seconds{5}, true);
  CHECK(wait_resolved(resolver, *wake, kStart + std::chrono::seconds{5}).size() == 1);
}

TEST_CASE("NameResolver: a name that resolves is asked again after a minute, while not connected") {
  const auto wake = std::make_shared<WakeSignal>();
  NameResolver resolver{{{"localhost", 1}}, wake};
  resolver.handle_timeout(kStart, false);
  REQUIRE_FALSE(wait_resolved(resolver, *wake, kStart).front().endpoints.empty());

  resolver.handle_timeout(kStart + std::chrono::seconds{59}, false);
  resolver.handle_timeout(kStart + std::chrono::seconds{61}, true);
  CHECK_FALSE(is_busy(*wake));
  resolver.handle_timeout(kStart + std::chrono::seconds{61}, false);
  CHECK(wait_resolved(resolver, *wake, kStart).size() == 1);
}

TEST_CASE("NameResolver: without names there is nothing to do, and it may go while a round is under way") {
  const auto wake = std::make_shared<WakeSignal>();
  NameResolver nothing{{}, wake};
  nothing.handle_timeout(kStart, false);
  CHECK_FALSE(is_busy(*wake));

  {
    NameResolver leaving{{{"no-such-name.invalid", 1}}, wake};
    leaving.handle_timeout(kStart, false);
  }
  pollfd entry{wake->fd(), POLLIN, 0};
  CHECK(::poll(&entry, 1, 30'000) == 1);
}

}  // namespace rove
