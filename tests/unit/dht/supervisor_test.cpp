#include "dht/supervisor.h"

#include <doctest/doctest.h>

#include "tests/support/test_network.h"

namespace rove {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Order = Supervisor::Order;
using Orders = std::vector<Order>;

constexpr Supervisor::Time kStart{std::chrono::hours{1}};

Orders take(Supervisor& supervisor) {
  Orders orders;
  while (const auto order = supervisor.poll_order()) orders.push_back(*order);
  return orders;
}

// Connected to three nodes at kStart, with nothing left to do.
Supervisor make_connected() {
  Supervisor supervisor{kStart};
  supervisor.handle_status(kStart, 3);
  supervisor.handle_received(kStart);
  (void)take(supervisor);
  return supervisor;
}

const std::vector<Endpoint> kPeers = {endpoint_of("10.0.0.1:1"), endpoint_of("10.0.0.2:1"), endpoint_of("10.0.0.3:1")};

}  // namespace

TEST_CASE("Supervisor: it pings the seeds at once and every five seconds, until a node is good") {
  Supervisor supervisor{kStart};

  supervisor.handle_timeout(kStart, false);
  CHECK(take(supervisor) == Orders{Order::PingSeeds});
  CHECK(supervisor.poll_timeout() == kStart + seconds{5});
  supervisor.handle_timeout(kStart + seconds{4}, false);
  CHECK(take(supervisor).empty());
  supervisor.handle_timeout(kStart + seconds{5}, false);
  CHECK(take(supervisor) == Orders{Order::PingSeeds});

  supervisor.handle_status(kStart + seconds{6}, 1);
  CHECK(take(supervisor) == Orders{Order::Attach});
  CHECK(supervisor.is_connected());
  supervisor.handle_timeout(kStart + seconds{10}, false);
  CHECK(take(supervisor).empty());
}

TEST_CASE("Supervisor: it rebuilds after ten seconds without a good node") {
  Supervisor supervisor = make_connected();

  supervisor.handle_status(kStart + seconds{1}, 0);
  supervisor.handle_timeout(kStart + seconds{11}, false);
  CHECK(take(supervisor).empty());
  supervisor.handle_timeout(kStart + seconds{11} + milliseconds{1}, false);

  CHECK(take(supervisor) == Orders{Order::Rebuild, Order::PingSeeds});
  CHECK_FALSE(supervisor.is_connected());
  CHECK(supervisor.searching_since() == kStart + seconds{11} + milliseconds{1});
}

TEST_CASE("Supervisor: a good node in time prevents the rebuild") {
  Supervisor supervisor = make_connected();

  supervisor.handle_status(kStart + seconds{1}, 0);
  supervisor.handle_status(kStart + seconds{9}, 1);
  supervisor.handle_timeout(kStart + seconds{12}, false);

  CHECK(take(supervisor).empty());
}

TEST_CASE("Supervisor: it rebuilds when three nodes have been silent for five seconds") {
  Supervisor supervisor = make_connected();
  for (const Endpoint& peer : kPeers) supervisor.handle_sent(kStart + seconds{1}, peer);

  supervisor.handle_timeout(kStart + seconds{6}, false);
  CHECK(take(supervisor) == Orders{Order::Keepalive});
  supervisor.handle_timeout(kStart + seconds{6} + milliseconds{1}, false);

  CHECK(take(supervisor) == Orders{Order::Rebuild, Order::PingSeeds});
}

TEST_CASE("Supervisor: the silence of one node of three is that node's") {
  Supervisor supervisor = make_connected();
  supervisor.handle_sent(kStart, kPeers[0]);
  supervisor.handle_sent(kStart + seconds{1}, kPeers[0]);

  // Others are asked meanwhile, once a second.
  int keepalives = 0;
  for (int i = 1; i <= 20; ++i) {
    supervisor.handle_timeout(kStart + milliseconds{500} * i, false);
    for (const Order order : take(supervisor)) {
      REQUIRE(order == Order::Keepalive);
      ++keepalives;
    }
  }
  CHECK(keepalives >= 8);

  // One of them answers.
  supervisor.handle_received(kStart + seconds{10});
  CHECK(take(supervisor).empty());
  CHECK_FALSE(supervisor.is_in_doubt(kStart + seconds{10}));
}

TEST_CASE("Supervisor: in a network of two one silent node is enough") {
  Supervisor supervisor{kStart};
  supervisor.handle_status(kStart, 1);
  (void)take(supervisor);

  supervisor.handle_sent(kStart, kPeers[0]);
  supervisor.handle_timeout(kStart + seconds{6}, false);

  CHECK(take(supervisor) == Orders{Order::Rebuild, Order::PingSeeds});
}

TEST_CASE("Supervisor: after a short gap everything watched is read again") {
  Supervisor supervisor = make_connected();
  for (const Endpoint& peer : kPeers) supervisor.handle_sent(kStart, peer);

  SUBCASE("a gap of four seconds") {
    supervisor.handle_received(kStart + seconds{4});
    CHECK(take(supervisor) == Orders{Order::Reread});
  }
  SUBCASE("a round trip") {
    supervisor.handle_received(kStart + milliseconds{300});
    CHECK(take(supervisor).empty());
  }
}

TEST_CASE("Supervisor: five seconds of silence are broken by a keepalive, if there is anything to keep alive") {
  Supervisor supervisor = make_connected();

  SUBCASE("nothing") {
    supervisor.handle_timeout(kStart + seconds{30}, false);
    CHECK(take(supervisor).empty());
    CHECK(supervisor.poll_timeout() == kStart + Supervisor::kMergeInterval);
  }
  SUBCASE("something") {
    supervisor.handle_timeout(kStart + seconds{4}, true);
    CHECK(take(supervisor).empty());
    CHECK(supervisor.poll_timeout() == kStart + seconds{5});
    supervisor.handle_timeout(kStart + seconds{5}, true);
    CHECK(take(supervisor) == Orders{Order::Keepalive});
    supervisor.handle_received(kStart + seconds{6});
    CHECK(supervisor.poll_timeout() == kStart + seconds{11});
  }
}

TEST_CASE("Supervisor: once a minute a seed is asked, as the network may be in two halves") {
  Supervisor supervisor = make_connected();
  supervisor.handle_timeout(kStart + seconds{60}, false);
  CHECK(take(supervisor) == Orders{Order::MergePing});
  supervisor.handle_timeout(kStart + seconds{61}, false);
  CHECK(take(supervisor).empty());
}

TEST_CASE("Supervisor: new seeds are asked at once") {
  Supervisor searching{kStart};
  searching.handle_timeout(kStart, false);
  (void)take(searching);
  searching.handle_new_seeds(kStart + seconds{1});
  searching.handle_timeout(kStart + seconds{1}, false);
  CHECK(take(searching) == Orders{Order::PingSeeds});

  Supervisor connected = make_connected();
  connected.handle_new_seeds(kStart + seconds{1});
  connected.handle_timeout(kStart + seconds{1}, false);
  CHECK(take(connected) == Orders{Order::MergePing});
}

TEST_CASE("Supervisor: its deadline always comes later than what it has done") {
  Supervisor supervisor = make_connected();
  Supervisor::Time now = kStart;
  for (const Endpoint& peer : kPeers) supervisor.handle_sent(now, peer);

  for (int i = 0; i < 100; ++i) {
    supervisor.handle_timeout(now, true);
    (void)take(supervisor);
    const auto next = supervisor.poll_timeout();
    REQUIRE(next > now);
    now = next;
  }
}

}  // namespace rove
