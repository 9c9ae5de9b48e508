#include "cli/daemon/priority.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace rove {

std::string set_nice(int nice) {
  if (setpriority(PRIO_PROCESS, 0, nice) < 0) {
    return "nice " + std::to_string(nice) + ": " + std::generic_category().message(errno) +
           ": give the process CAP_SYS_NICE, or set nice = 0";
  }
  if (getsid(0) != getpid()) return {};
  std::ofstream autogroup{"/proc/self/autogroup"};  // absent in kernels that do not know it
  if (!autogroup) return {};
  autogroup << nice << std::flush;
  return autogroup ? std::string{} : "nice " + std::to_string(nice) + ": the kernel refused it for the session";
}

}  // namespace rove
