// Counts heap allocations, to prove that the packet path makes none.
//
// Link the library `allocation_counter` (tests/support/CMakeLists.txt) to the test. Naming AllocationCounter pulls the
// object file in, which puts itself before the C library's malloc(), calloc(), realloc() and their aligned kin for the
// whole process, shared libraries and operator new included. Under AddressSanitizer and ThreadSanitizer, which have an
// allocator of their own, it counts through their hooks instead.
#pragma once

#include <cstdint>

namespace rove {

// The allocations of the calling thread since its construction. Frees do not count, a realloc() does.
class AllocationCounter {
 public:
  AllocationCounter();

  [[nodiscard]] std::uint64_t count() const;

 private:
  std::uint64_t start_;
};

}  // namespace rove
