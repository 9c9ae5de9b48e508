#include "cli/daemon/priority.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>

namespace rove {

TEST_CASE("set_nice: changes this process's nice value, and tells when that is not permitted") {
  constexpr int kLowest = 19;
  const int wanted = std::min(kLowest, getpriority(PRIO_PROCESS, 0) + 1);
  CHECK(set_nice(wanted).empty());
  CHECK(getpriority(PRIO_PROCESS, 0) == wanted);

  const int before = wanted - 1;
  const std::string problem = set_nice(before);
  // Back up again needs a privilege.
  CHECK((getpriority(PRIO_PROCESS, 0) == before) == problem.empty());
}

}  // namespace rove
