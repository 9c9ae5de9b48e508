// What a daemon remembers across restarts: high-water marks, and the DHT nodes that it knew.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "dht/dht_engine.h"

namespace rove {

struct NodeState {
  std::uint64_t first_stamp = 0;       // no sealed stamp up to here may be used again
  std::uint64_t highest_sequence = 0;  // of claims
  std::vector<KnownDhtNode> known_nodes;

  bool operator==(const NodeState&) const = default;
};

inline constexpr std::size_t kKnownNodesMax = 256;  // as many as OpenDHT bootstraps from at once; the rest is left out

// Text: a version line, one line per value, and a BLAKE2b-128 of all before it, so that a torn or damaged
// file is noticed.
[[nodiscard]] std::string encode_state(const NodeState& state);
[[nodiscard]] std::optional<NodeState> decode_state(std::string_view text);

// The stamp to write down while the daemon runs: above everything it will use until the next save, also if
// it is killed before that and the clock goes back.
[[nodiscard]] std::uint64_t reserve_stamps(std::uint64_t last_stamp, WallTime now);

// The nodes to remember: those that are good now, then earlier ones, as far as there is room.
[[nodiscard]] std::vector<KnownDhtNode> merge_known_nodes(std::vector<KnownDhtNode> current,
                                                          const std::vector<KnownDhtNode>& earlier);

// One file. Losing it loses nothing but time: sequences and stamps have a clock part, and bootstrap finds
// the DHT again.
class StateStore {
 public:
  static constexpr std::chrono::seconds kSaveInterval{30};

  explicit StateStore(std::filesystem::path file) : file_(std::move(file)) {}

  // The last state; a default one when there is none. `damage` says what was wrong with a file that could
  // not be used; it is kept beside as FILE.damaged.
  struct Loaded {
    NodeState state;
    std::string damage;
  };
  [[nodiscard]] Loaded load() const;
  // Creates the directory (0700) when needed. Throws std::system_error; the last state stands then.
  void save(const NodeState& state) const;

 private:
  std::filesystem::path file_;
};

}  // namespace rove
