#include "tap/system_random.h"

#include <sys/random.h>

#include <cerrno>

#include "core/base/check.h"

namespace rove {

void SystemRandom::fill(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t size = getrandom(out.data(), out.size(), 0);
    ROVE_CHECK(size > 0 || errno == EINTR);  // going on without randomness would give keys away
    if (size > 0) out = out.subspan(static_cast<std::size_t>(size));
  }
}

}  // namespace rove
