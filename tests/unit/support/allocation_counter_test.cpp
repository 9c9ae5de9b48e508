#include "tests/support/allocation_counter.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace rove {
namespace {

// The optimizer may drop an allocation that nobody looks at; it cannot see who looks at this.
void* volatile last_used = nullptr;

void use(void* address) {
  last_used = address;
}

}  // namespace

TEST_CASE("AllocationCounter: counts nothing when nothing is allocated") {
  std::vector<int> numbers(100);

  const AllocationCounter allocations;
  for (int i = 0; i < 100; ++i) numbers[static_cast<std::size_t>(i)] = i;
  use(numbers.data());

  CHECK(allocations.count() == 0);
}

TEST_CASE("AllocationCounter: counts every way to allocate") {
  std::uint64_t before = 0;
  const AllocationCounter allocations;
  const auto grew = [&] {
    const std::uint64_t count = allocations.count();
    const bool more = count > before;
    before = count;
    return more;
  };

  void* address = std::malloc(10);
  use(address);
  CHECK(grew());
  address = std::realloc(address, 100'000);
  use(address);
  CHECK(grew());
  std::free(address);

  address = std::calloc(3, 5);
  use(address);
  CHECK(grew());
  std::free(address);

  address = std::aligned_alloc(64, 128);
  use(address);
  CHECK(grew());
  std::free(address);

  address = nullptr;
  CHECK(posix_memalign(&address, 64, 128) == 0);
  use(address);
  CHECK(grew());
  std::free(address);

  address = ::operator new(10);
  use(address);
  CHECK(grew());
  ::operator delete(address);

  struct alignas(128) Aligned {
    char bytes[128];
  };
  const auto aligned = std::make_unique<Aligned>();
  use(aligned.get());
  CHECK(grew());

  char* text = strdup("allocated inside a shared library");
  use(text);
  CHECK(grew());
  std::free(text);
}

TEST_CASE("AllocationCounter: does not count what other threads allocate") {
  std::uint64_t of_thread = 0;
  std::vector<char> large;
  std::thread thread{[&] {
    const AllocationCounter allocations;
    large.resize(1'000'000);
    use(large.data());
    of_thread = allocations.count();
  }};

  const AllocationCounter allocations;
  thread.join();
  const std::uint64_t of_main = allocations.count();

  CHECK(of_main == 0);
  CHECK(of_thread > 0);
}

}  // namespace rove
