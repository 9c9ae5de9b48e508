// Which network namespace this is.
#pragma once

#include <cstdint>

namespace rove {

// The number that lsns(8) and `ip netns identify` know the calling thread's network namespace by (the inode of
// /proc/thread-self/ns/net); 0 where there is no /proc.
[[nodiscard]] std::uint64_t network_namespace_id();

}  // namespace rove
