// Counts the datagrams of a session's lane. A count is given out once: with it goes the AEAD's nonce.
#pragma once

#include <cstdint>
#include <optional>

namespace rove {

inline constexpr std::uint64_t kRekeyAfterMessages = std::uint64_t{1} << 40;  // docs/protocol.md §2
// How long before that a renewal is asked for: a second of the smallest frames at 100 Gb/s.
inline constexpr std::uint64_t kRekeyHeadroom = std::uint64_t{1} << 28;

class LaneCounter {
 public:
  LaneCounter() = default;
  explicit LaneCounter(std::uint64_t next) : next_(next) {}

  // nullopt when the lane is used up.
  [[nodiscard]] std::optional<std::uint64_t> take() {
    return next_ < kRekeyAfterMessages ? std::optional{next_++} : std::nullopt;
  }
  // Nears its end, and was not reported yet.
  [[nodiscard]] bool is_worn() const { return next_ >= kRekeyAfterMessages - kRekeyHeadroom && !worn_reported_; }
  void set_worn_reported() { worn_reported_ = true; }

 private:
  std::uint64_t next_ = 0;
  bool worn_reported_ = false;
};

}  // namespace rove
