#include "core/wire/replay_window.h"

#include <algorithm>
#include <limits>

namespace rove {
namespace {

constexpr std::uint64_t kWordBits = 64;

constexpr std::uint64_t bit_of(std::uint64_t counter) {
  return std::uint64_t{1} << counter % kWordBits;
}

}  // namespace

bool ReplayWindow::may_accept(std::uint64_t counter) const {
  if (counter >= highest_plus_one_) return counter != std::numeric_limits<std::uint64_t>::max();
  if (highest_plus_one_ - counter > kSize) return false;
  return (seen_[counter / kWordBits % kWords] & bit_of(counter)) == 0;
}

bool ReplayWindow::accept(std::uint64_t counter) {
  if (!may_accept(counter)) return false;
  const std::uint64_t word = counter / kWordBits;
  if (counter >= highest_plus_one_) {
    // The ring has one word more than the window, so that the words in between hold nothing of the window any more.
    const std::uint64_t newest = highest_plus_one_ == 0 ? 0 : (highest_plus_one_ - 1) / kWordBits;
    const std::uint64_t entered = std::min<std::uint64_t>(word - newest, kWords);
    for (std::uint64_t i = 0; i < entered; ++i) seen_[(word - i) % kWords] = 0;
    highest_plus_one_ = counter + 1;
  }
  seen_[word % kWords] |= bit_of(counter);
  return true;
}

}  // namespace rove
