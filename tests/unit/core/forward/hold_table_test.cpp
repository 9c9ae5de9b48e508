#include "core/forward/hold_table.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/test_frames.h"

namespace rove {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1h};

struct Holding {
  [[nodiscard]] static VmView view(std::uint64_t id = 1) {
    VmView vm;
    vm.hold = {id, kStart + 40ms, kStart + 80ms, false};
    return vm;
  }
  [[nodiscard]] static NodeId peer(std::uint8_t number) {
    NodeId id;
    id.octets[0] = number;
    return id;
  }
  bool keep(std::string_view text, const NodeId& from, const VmView& vm = view()) {
    return table.keep(mac, vm, from, 0, as_bytes(text));
  }
  // The texts of what may go at `now`, in order.
  [[nodiscard]] std::string released(TimePoint now) {
    std::string texts;
    while (table.has_released(now)) {
      const auto held = table.take_released();
      texts += std::string{held->frame.begin(), held->frame.end()};
    }
    return texts;
  }

  MacAddress mac = mac_of("02:00:00:00:00:01");
  HoldTable table;
};

TEST_CASE("HoldTable: frames wait for the end of the replay and leave in their order") {
  Holding h;
  CHECK(h.keep("a", h.peer(1)));
  CHECK(h.keep("b", h.peer(2)));
  CHECK(h.keep("c", h.peer(1)));
  CHECK(h.released(kStart + 3ms).empty());

  h.table.handle_replay_end(h.mac, h.view());

  CHECK(h.released(kStart + 4ms) == "abc");
  CHECK_FALSE(h.keep("d", h.peer(1)));
}

TEST_CASE("HoldTable: a frame does not overtake those of its VM that were released and have not left") {
  Holding h;
  CHECK(h.keep("a", h.peer(1)));
  h.table.handle_replay_end(h.mac, h.view());

  CHECK(h.keep("b", h.peer(1)));

  CHECK(h.released(kStart) == "ab");
  CHECK_FALSE(h.keep("c", h.peer(1)));
}

TEST_CASE("HoldTable: a sender that has switched ways waits for its marker, others do not") {
  Holding h;
  h.table.handle_switch_ahead(h.mac, h.view(), h.peer(1));
  CHECK(h.keep("a", h.peer(1)));
  CHECK(h.keep("b", h.peer(2)));
  h.table.handle_replay_end(h.mac, h.view());
  CHECK(h.released(kStart + 1ms) == "b");
  CHECK(h.keep("c", h.peer(1)));

  h.table.handle_path_switch(h.mac, h.view(), h.peer(1));

  CHECK(h.released(kStart + 3ms) == "ac");
}

TEST_CASE("HoldTable: a marker that came before the notice of it counts") {
  Holding h;
  h.table.handle_path_switch(h.mac, h.view(), h.peer(1));
  h.table.handle_switch_ahead(h.mac, h.view(), h.peer(1));
  h.table.handle_replay_end(h.mac, h.view());

  CHECK_FALSE(h.keep("a", h.peer(1)));
}

TEST_CASE("HoldTable: a hold ends by itself, later when the replay has begun") {
  Holding h;
  CHECK(h.keep("a", h.peer(1)));
  CHECK(h.table.poll_timeout() == kStart + 40ms);
  h.table.handle_forwarded(h.mac, h.view());
  CHECK(h.table.poll_timeout() == kStart + 80ms);
  CHECK(h.released(kStart + 79ms).empty());
  CHECK(h.table.has_released(kStart + 80ms));
  CHECK(h.released(kStart + 80ms) == "a");
  CHECK(h.table.poll_timeout() == std::nullopt);
  CHECK_FALSE(h.keep("b", h.peer(1)));
}

TEST_CASE("HoldTable: what waited for an earlier move of the VM waits no longer, and goes first") {
  Holding h;
  CHECK(h.keep("a", h.peer(1), h.view(1)));
  CHECK(h.keep("b", h.peer(1), h.view(2)));

  CHECK(h.released(kStart + 1ms) == "a");
  h.table.handle_replay_end(h.mac, h.view(2));
  CHECK(h.released(kStart + 2ms) == "b");
}

TEST_CASE("HoldTable: what has no room is not held") {
  Holding h;
  const Bytes large(9000);
  std::size_t kept = 0;
  while (h.table.keep(h.mac, h.view(), h.peer(1), 0, large)) ++kept;
  CHECK(kept == kHeldOctetsMax / large.size());

  h.table.handle_replay_end(h.mac, h.view());
  std::size_t released = 0;
  while (h.table.take_released()) ++released;
  CHECK(released == kept);
}

TEST_CASE("HoldTable: only so many VMs are held at once") {
  HoldTable table;
  const Bytes frame(60);
  const VmView view = Holding::view();
  for (std::size_t i = 0; i < kHeldVmsMax; ++i) {
    const MacAddress mac{{2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    REQUIRE(table.keep(mac, view, {}, 0, frame));
  }
  CHECK_FALSE(table.keep(mac_of("02:00:00:00:ff:ff"), view, {}, 0, frame));
}

}  // namespace
}  // namespace rove
