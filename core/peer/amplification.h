// docs/protocol.md §3: as long as an address has not proven that it receives, at most so many times the octets go to it
// that came from there. This node is no reflector.
#pragma once

#include <cstddef>

namespace rove {

inline constexpr std::size_t kAmplificationMax = 3;

}  // namespace rove
