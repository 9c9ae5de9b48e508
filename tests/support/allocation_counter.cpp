#include "tests/support/allocation_counter.h"

#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROVE_SANITIZER_ALLOCATES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROVE_SANITIZER_ALLOCATES 1
#endif
#endif

namespace {

// Needs no constructor: malloc() runs before any.
constinit thread_local std::uint64_t allocations = 0;

}  // namespace

#ifdef ROVE_SANITIZER_ALLOCATES

// As in clang's <sanitizer/allocator_interface.h>, which g++ 12 comes without, though its runtime has the function.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, std::size_t),
                                                         void (*on_free)(const volatile void*));

namespace {

void count_allocation(const volatile void* /*address*/, std::size_t /*size*/) {
  ++allocations;
}
void ignore_free(const volatile void* /*address*/) {}

const int kHooksInstalled = __sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_free);

}  // namespace

#else

// glibc's own names for what is replaced here; free() stays as it is.
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* address, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
  ++allocations;
  return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) noexcept {
  ++allocations;
  return __libc_calloc(count, size);
}

void* realloc(void* address, std::size_t size) noexcept {
  ++allocations;
  return __libc_realloc(address, size);
}

void* memalign(std::size_t alignment, std::size_t size) noexcept {
  ++allocations;
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return memalign(alignment, size);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t size) noexcept {
  void* address = memalign(alignment, size);
  if (address == nullptr) return ENOMEM;
  *out = address;
  return 0;
}

}  // extern "C"

#endif

namespace rove {

AllocationCounter::AllocationCounter() : start_(allocations) {}

std::uint64_t AllocationCounter::count() const {
  return allocations - start_;
}

}  // namespace rove
