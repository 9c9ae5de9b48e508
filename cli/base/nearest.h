// The word that an operator probably meant.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace rove {

// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate with the smallest distance to `word`, the first of equals. Empty when none is near:
// more than a third of the longer word would have to change.
[[nodiscard]] std::string_view find_nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace rove
