// Names of networks and nodes: they reach file names, logs and hooks, so they can hold nothing else.
#pragma once

#include <string_view>

namespace rove {

inline constexpr std::size_t kNameSizeMax = 63;

// [a-z0-9-]{1,63}
[[nodiscard]] bool is_valid_name(std::string_view name);

}  // namespace rove
