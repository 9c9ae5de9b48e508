// Whether datagrams that the kernel is to cut (UDP_SEGMENT) arrive at one peer.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/time.h"

namespace rove {

// A round is two pings in one piece, for the kernel or the network card to cut, and a plain one beside them. The
// second of the two comes back only if the cut worked.
//
//   Unknown ─ second ping answered ─→ Works        (also from Broken)
//   Unknown, Works ─ kRoundsMax rounds in a row of which only the plain ping was answered ─→ Broken
//
// Some kernels and network cards send segments that nobody takes (tailscale/tailscale#13041, #21335): as long as it is
// not known whether they arrive, nothing is sent that way, so that nothing is lost.
class SegmentProbe {
 public:
  enum class State : std::uint8_t { Unknown, Works, Broken };

  // Packet loss of 20% each way makes a working path Broken once in 500 times.
  static constexpr unsigned kRoundsMax = 5;
  // Rounds that nobody answered at all say nothing; after so many, the next session tries again.
  static constexpr unsigned kTriesMax = 20;
  static constexpr std::chrono::seconds kInterval{1};
  static constexpr std::size_t kPings = 2;  // in one piece

  struct Round {
    std::array<std::uint64_t, kPings> cut{};  // ids of pings
    std::uint64_t plain = 0;
  };

  // A new address: what held for the old one is forgotten.
  void forget() { *this = {}; }
  // A series of rounds begins at once.
  void start(TimePoint now);
  void stop() { next_.reset(); }
  // Not without start() before. Judges the round that is over; true: another one is to be sent, as begin_round() says.
  [[nodiscard]] bool handle_timeout(TimePoint now);
  void begin_round(const Round& round) { round_ = round; }
  void handle_pong(std::uint64_t id);

  [[nodiscard]] std::optional<TimePoint> poll_timeout() const { return next_; }
  [[nodiscard]] State state() const { return state_; }

 private:
  State state_ = State::Unknown;
  std::optional<TimePoint> next_;
  std::optional<Round> round_;
  bool plain_answered_ = false;
  unsigned failed_ = 0;  // rounds in a row
  unsigned tries_ = 0;
};

[[nodiscard]] std::string_view to_string(SegmentProbe::State state);  // "unknown", "works", "broken"

}  // namespace rove
