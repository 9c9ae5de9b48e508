#include "cli/daemon/state_keeper.h"

#include <doctest/doctest.h>

#include "core/crypto/hash.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

Now at(std::chrono::seconds seconds) {
  return {TimePoint{seconds}, WallTime{std::chrono::seconds{1'700'000'000} + seconds}};
}

std::uint64_t stamp_at(Now now) {
  return to_unix_ms(now.wall) * 1000;
}

}  // namespace

TEST_CASE("StateKeeper: is due every 30 seconds, not before") {
  init_crypto();
  const TemporaryDirectory directory;
  Log log{LogLevel::Error};
  StateKeeper keeper{StateStore{directory / "state"}, log, at(std::chrono::seconds{0})};

  CHECK_FALSE(keeper.is_due(at(std::chrono::seconds{29}).steady, {}));
  CHECK(keeper.is_due(at(std::chrono::seconds{30}).steady, {}));
  keeper.save(at(std::chrono::seconds{30}), 1, 1, {});
  CHECK_FALSE(keeper.is_due(at(std::chrono::seconds{59}).steady, {}));
}

TEST_CASE("StateKeeper: the first nodes that are known are saved at once, later ones with the next save") {
  init_crypto();
  const TemporaryDirectory directory;
  Log log{LogLevel::Error};
  StateKeeper keeper{StateStore{directory / "state"}, log, at(std::chrono::seconds{0})};
  const std::vector<KnownDhtNode> nodes{{{}, *parse_endpoint("203.0.113.1:7683", 0)}};

  CHECK(keeper.is_due(at(std::chrono::seconds{1}).steady, nodes));
  keeper.save(at(std::chrono::seconds{1}), 1, 1, nodes);
  CHECK_FALSE(keeper.is_due(at(std::chrono::seconds{2}).steady, nodes));
}

TEST_CASE("StateKeeper: a daemon that is killed at once, twice, never starts at a stamp that was used") {
  init_crypto();
  const TemporaryDirectory directory;
  Log log{LogLevel::Error};
  const Now now = at(std::chrono::seconds{0});
  // The first run gets as far as a save; its stamps follow the clock.
  StateKeeper first{StateStore{directory / "state"}, log, now};
  first.save(now, stamp_at(now), 5, {});

  // The second is killed before it saves, after a thousand datagrams, with a clock that went back an hour.
  const Now back = at(-std::chrono::hours{1});
  StateKeeper second{StateStore{directory / "state"}, log, back};
  const std::uint64_t last_used = second.loaded().first_stamp + 1'000;
  StateKeeper third{StateStore{directory / "state"}, log, back};

  CHECK(second.loaded().first_stamp > stamp_at(now));
  CHECK(second.loaded().highest_sequence == 5);
  CHECK(third.loaded().first_stamp > last_used);
  CHECK(third.loaded().highest_sequence == 5);
}

TEST_CASE("StateKeeper: at exit no margin is needed") {
  init_crypto();
  const TemporaryDirectory directory;
  Log log{LogLevel::Error};
  StateKeeper keeper{StateStore{directory / "state"}, log, at(std::chrono::seconds{0})};

  keeper.save_at_exit(12345, 678, {});

  CHECK(StateStore{directory / "state"}.load().state == NodeState{12345, 678, {}});
}

TEST_CASE("StateKeeper: DHT nodes of the last run are kept until this one knows better") {
  init_crypto();
  const TemporaryDirectory directory;
  Log log{LogLevel::Error};
  KnownDhtNode node;
  node.id.octets.fill(1);
  node.endpoint = *parse_endpoint("203.0.113.1:7683", 0);
  StateStore{directory / "state"}.save({1, 2, {node}});

  StateKeeper keeper{StateStore{directory / "state"}, log, at(std::chrono::seconds{0})};
  keeper.save(at(std::chrono::seconds{30}), 1, 2, {});

  CHECK(keeper.loaded().known_nodes == std::vector<KnownDhtNode>{node});
  CHECK(StateStore{directory / "state"}.load().state.known_nodes == std::vector<KnownDhtNode>{node});
}

TEST_CASE("StateKeeper: a disk that takes nothing is a problem, and no reason to stop") {
  init_crypto();
  const TemporaryDirectory directory;
  Log log{LogLevel::Error};

  StateKeeper keeper{StateStore{directory.path()}, log, at(std::chrono::seconds{0})};

  CHECK_FALSE(keeper.problem().empty());
  keeper.save(at(std::chrono::seconds{30}), 1, 1, {});
  CHECK_FALSE(keeper.problem().empty());
}

}  // namespace rove
