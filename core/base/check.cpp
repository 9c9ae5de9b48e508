#include "core/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace rove {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "rove: internal error: %s is false at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace rove
