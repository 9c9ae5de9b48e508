// What a long path does to packets: it delays, loses, repeats, reorders and throttles them.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/support/seeded_random.h"

namespace rove {

// How one direction between two sites behaves. Fractions are in [0, 1].
struct PathConditions {
  Duration delay{0};
  Duration jitter{0};           // up to this much is added, uniformly; order is kept
  double loss = 0;              // of packets that vanish
  double duplicate = 0;         // of packets that arrive twice
  double reorder = 0;           // of packets that later ones overtake
  std::uint64_t rate = 0;       // bits per second; 0: unlimited
  Duration buffer{50'000'000};  // what waits longer than this for `rate` is dropped
  bool cut = false;             // nothing gets through
  bool operator==(const PathConditions&) const = default;
};

struct PathCounters {
  std::uint64_t packets = 0;  // delivered, copies included
  std::uint64_t bytes = 0;
  std::uint64_t lost = 0;
  std::uint64_t cut = 0;
  std::uint64_t overflowed = 0;  // over `buffer`, or over kPathBytesMax
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
};

// Holds the packets of several paths until they are due. Packets of one path that are not picked for reordering
// leave in the order in which they came. Pure: time is an argument, chance is seeded.
class DelayLine {
 public:
  // Of one path, waiting: 1 s at 128 Mb/s. More is dropped, as a router would (PathCounters::overflowed).
  static constexpr std::size_t kPathBytesMax = 16U << 20;
  // A reordered packet is held back by this on top of its delay.
  static constexpr Duration kReorderDelay = std::chrono::milliseconds{5};

  DelayLine(std::size_t paths, std::uint64_t seed);

  [[nodiscard]] PathConditions& conditions(std::size_t path) { return paths_[path].conditions; }
  [[nodiscard]] const PathConditions& conditions(std::size_t path) const { return paths_[path].conditions; }
  [[nodiscard]] const PathCounters& counters(std::size_t path) const { return paths_[path].counters; }

  void push(TimePoint now, std::size_t path, BytesView packet);
  [[nodiscard]] std::optional<TimePoint> next_due() const;
  // The next packet that is due at `now`; packets due at the same time in the order of their push.
  [[nodiscard]] std::optional<Bytes> pop(TimePoint now);

 private:
  struct Path {
    PathConditions conditions;
    PathCounters counters;
    TimePoint sent{};         // when the throttle has let everything through
    TimePoint last_due{};     // of the packets in order
    std::size_t waiting = 0;  // octets
  };
  struct Waiting {
    TimePoint due;
    std::uint64_t serial = 0;
    std::size_t path = 0;
    Bytes packet;
  };
  struct Later {
    bool operator()(const Waiting& a, const Waiting& b) const {
      return a.due != b.due ? a.due > b.due : a.serial > b.serial;
    }
  };

  void enqueue(Path& path, std::size_t index, TimePoint due, BytesView packet);

  std::vector<Path> paths_;
  std::priority_queue<Waiting, std::vector<Waiting>, Later> queue_;
  std::uint64_t serial_ = 0;
  SeededRandom random_;
};

}  // namespace rove
