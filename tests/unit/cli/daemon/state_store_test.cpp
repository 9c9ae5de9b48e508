#include "cli/daemon/state_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "cli/base/file_io.h"
#include "core/crypto/hash.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

KnownDhtNode known_node(std::uint8_t number) {
  KnownDhtNode node;
  node.id.octets.fill(number);
  node.endpoint = *parse_endpoint("203.0.113." + std::to_string(number) + ":7683", 0);
  return node;
}

NodeState sample_state() {
  return {.first_stamp = 1'700'000'000'000'000,
          .highest_sequence = 0xffff'ffff'ffff'fffe,
          .known_nodes = {known_node(1), {known_node(2).id, *parse_endpoint("[2001:db8::1]:9", 0)}}};
}

constexpr WallTime kNow{std::chrono::milliseconds{1'700'000'000'000}};

}  // namespace

TEST_CASE("state: survives a round trip") {
  init_crypto();
  CHECK(decode_state(encode_state(sample_state())) == sample_state());
  CHECK(decode_state(encode_state({})) == NodeState{});
}

TEST_CASE("state: every truncation and every changed octet is noticed") {
  init_crypto();
  const std::string text = encode_state(sample_state());

  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_FALSE(decode_state(std::string_view{text}.substr(0, size)).has_value());
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(decode_state(changed).has_value());
  }
  CHECK_FALSE(decode_state(text + "\n").has_value());
}

TEST_CASE("state: no more known nodes are kept than are read") {
  init_crypto();
  NodeState state;
  state.known_nodes.assign(kKnownNodesMax + 1, known_node(1));

  const auto decoded = decode_state(encode_state(state));

  REQUIRE(decoded.has_value());
  CHECK(decoded->known_nodes.size() == kKnownNodesMax);
}

TEST_CASE("merge_known_nodes: those that are good now go first, and replace their earlier selves") {
  KnownDhtNode moved = known_node(1);
  moved.endpoint = *parse_endpoint("198.51.100.1:1", 0);

  const auto merged = merge_known_nodes({moved, known_node(3)}, {known_node(1), known_node(2)});

  CHECK(merged == std::vector<KnownDhtNode>{moved, known_node(3), known_node(2)});
  CHECK(merge_known_nodes({}, {known_node(1)}) == std::vector<KnownDhtNode>{known_node(1)});
}

TEST_CASE("reserve_stamps: covers what is used until the next save, also when the clock goes back") {
  const std::uint64_t now_us = to_unix_ms(kNow) * 1000;
  const std::uint64_t interval_us = std::chrono::microseconds{StateStore::kSaveInterval}.count();

  CHECK(reserve_stamps(0, kNow) > now_us + interval_us);
  const std::uint64_t ahead = now_us + 10 * interval_us;
  CHECK(reserve_stamps(ahead, kNow) >= ahead + 1'000'000);
}

TEST_CASE("reserve_stamps: a daemon that is killed again and again stays near the clock") {
  std::uint64_t stamp = 0;
  WallTime now = kNow;

  for (int restart = 0; restart < 10'000; ++restart) {
    stamp = reserve_stamps(stamp, now);  // at start; killed a second later
    now += std::chrono::seconds{1};
  }

  const std::uint64_t day_us = std::chrono::microseconds{std::chrono::hours{24}}.count();
  CHECK(stamp < to_unix_ms(now) * 1000 + day_us / 100);
}

TEST_CASE("StateStore: saves and loads, and makes its directory for its owner only") {
  init_crypto();
  const TemporaryDirectory directory;
  const StateStore store{directory / "demo/state"};

  CHECK(store.load().state == NodeState{});
  CHECK(store.load().damage.empty());
  store.save(sample_state());

  CHECK(store.load().state == sample_state());
  struct stat info{};
  REQUIRE(::stat((directory / "demo").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
  REQUIRE(::stat((directory / "demo/state").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("StateStore: a damaged file is set aside, and the node starts without it") {
  init_crypto();
  const TemporaryDirectory directory;
  const StateStore store{directory / "state"};
  replace_file(directory / "state", "rove-state 1\nfirst_stamp 1\n", 0600);

  const auto loaded = store.load();

  CHECK(loaded.state == NodeState{});
  CHECK_FALSE(loaded.damage.empty());
  CHECK(std::filesystem::exists(directory / "state.damaged"));
  store.save(sample_state());
  CHECK(store.load().state == sample_state());
}

TEST_CASE("StateStore: a save that fails leaves the last state") {
  init_crypto();
  const TemporaryDirectory directory;
  const StateStore store{directory / "state"};
  store.save(sample_state());
  // A directory in the way of the rename: no permission is needed to fail, so root fails too.
  const StateStore blocked{directory.path()};

  CHECK_THROWS_AS(blocked.save({}), std::system_error);

  CHECK(store.load().state == sample_state());
}

}  // namespace rove
