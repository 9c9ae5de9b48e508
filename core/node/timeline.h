// What happened, and when, in the last moves of each VM that this node had a part in.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/address.h"
#include "core/base/histogram.h"
#include "core/base/time.h"
#include "core/wire/ethernet.h"

namespace rove {

struct NodeEvent;

// Moves that are kept of a VM: an operator looks at the last one or two, and at a few more when a VM goes to and fro.
inline constexpr std::size_t kMovesMax = 8;
// VMs that moves are kept of; beyond, the one that was unused longest is forgotten. A move takes about 200 octets.
inline constexpr std::size_t kTimelineVmsMax = 1024;
// Signs of VMs that no claim has followed yet; beyond, the oldest goes and its move begins with the claim.
inline constexpr std::size_t kSignalsMax = 1024;
// A sign that no claim followed within this time did not lead to the next one: more than an arrival takes
// (kArrivalTime), and less than it takes an operator to try again.
inline constexpr std::chrono::seconds kSignalTime{5};

// What told that a VM is here.
enum class SignalKind : std::uint8_t {
  Rarp,           // the hypervisor's announce
  Arp,            // gratuitous ARP, request or reply
  Advertisement,  // unsolicited neighbor advertisement
  Probe,          // ARP or neighbor solicitation that asks whether an address is taken
  Frame,          // any other frame
  Bridge,         // the bridge learned its MAC
  Operator,       // rove claim
};
[[nodiscard]] std::string_view to_string(SignalKind kind);
[[nodiscard]] SignalKind signal_of(const FrameInfo& info);

// A step within a move; the first of each kind is kept.
enum class MoveStep : std::uint8_t {
  Pushed,        // the claim was sent to a peer
  Acknowledged,  // … and a peer confirmed it
  Forwarded,     // a frame came by way of the old host; at the old host: was sent on
  Direct,        // a frame came straight from its sender
  Redirected,    // the old host told a sender where the VM is now
};
inline constexpr std::size_t kMoveSteps = 5;

struct Move {
  enum class Kind : std::uint8_t {
    Claimed,    // came up here, without a host before that was known
    MovedHere,  // from `peer`
    Reclaimed,  // back from `peer` while frames were still forwarded there
    MovedAway,  // to `peer`
    Prepared,   // it was said to come, from `peer`
  };
  enum class End : std::uint8_t {
    MovedAway,        // of an arrival: it went to another host
    Released,         // … it was switched off, or silent for good
    ForwardingEnded,  // of a departure: nothing more is sent on
    Reclaimed,        // … the VM is back
    Arrived,          // of a preparation: its first sign came
    Expired,          // … it did not come
    Undone,           // … it will not come
  };

  Kind kind = Kind::Claimed;
  std::string peer;                  // the other host's name; empty when there is none
  WallTime began_wall{};             // of `began`, by this host's clock
  TimePoint began{};                 // the signal; without one, the claim
  std::optional<SignalKind> signal;  // arrivals only
  TimePoint claimed{};               // ours was made; of a departure: the other's was accepted
  std::array<std::optional<TimePoint>, kMoveSteps> steps{};
  std::uint64_t redirects = 0;
  std::optional<End> end;  // not yet over
  TimePoint ended{};

  [[nodiscard]] bool is_arrival() const { return kind != Kind::MovedAway && kind != Kind::Prepared; }
  // Times since `began`; nullopt for what has not happened.
  [[nodiscard]] Duration to_claim() const { return claimed - began; }
  [[nodiscard]] std::optional<Duration> to_step(MoveStep step) const;
  [[nodiscard]] std::optional<Duration> to_end() const;
};
[[nodiscard]] std::string_view to_string(Move::Kind kind);
[[nodiscard]] std::string_view to_string(Move::End end);

// What the arrivals of VMs from other hosts took, since the signal (without one, since the claim).
struct MoveHistograms {
  DurationHistogram claim;        // until it was claimed
  DurationHistogram acknowledge;  // until a peer had confirmed the claim
  DurationHistogram frame;        // until a frame came for it by the network
};

// Control thread. Decides nothing: it only listens. Times are those of the control thread, which hears of frames a
// turn after they passed.
class Timeline {
 public:
  // Whether this is the first sign of a VM that is not known to be here.
  bool handle_signal(TimePoint now, const MacAddress& mac, SignalKind kind);
  // Whether this step is the first of its kind in the VM's current move. Steps that do not belong to one are ignored.
  bool handle_step(TimePoint now, const MacAddress& mac, MoveStep step);
  // Begins and ends moves; other events are ignored.
  void handle_event(WallTime now, const NodeEvent& event);

  // The last moves of a VM, oldest first, or nullptr.
  [[nodiscard]] const std::deque<Move>* find(const MacAddress& mac) const;
  [[nodiscard]] std::size_t size() const { return vms_.size(); }
  [[nodiscard]] const MoveHistograms& histograms() const { return histograms_; }

 private:
  struct Signal {
    SignalKind kind;
    TimePoint at;
  };
  struct History {
    std::deque<Move> moves;
    TimePoint used{};
  };

  [[nodiscard]] Move* find_open(const MacAddress& mac);
  void begin(WallTime now, const NodeEvent& event, Move::Kind kind);
  void end(const NodeEvent& event, Move::End how);
  void measure(const Move& move, MoveStep step);

  std::map<MacAddress, History> vms_;
  std::map<MacAddress, Signal> signals_;
  MoveHistograms histograms_;
};

}  // namespace rove
