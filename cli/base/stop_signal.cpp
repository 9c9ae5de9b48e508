#include "cli/base/stop_signal.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace rove {

StopSignal::StopSignal(std::initializer_list<int> more) {
  sigemptyset(&mask_);
  sigaddset(&mask_, SIGTERM);
  sigaddset(&mask_, SIGINT);
  for (const int number : more) sigaddset(&mask_, number);
  check_syscall("block signals", pthread_sigmask(SIG_BLOCK, &mask_, &before_) == 0 ? 0 : -1);
  fd_ = FileDescriptor{check_syscall("create a signalfd", signalfd(-1, &mask_, SFD_CLOEXEC | SFD_NONBLOCK))};
}

// What came is taken first: unblocked, it would end the process.
StopSignal::~StopSignal() {
  signalfd_siginfo taken{};
  while (::read(fd(), &taken, sizeof taken) > 0) continue;
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool StopSignal::wait(std::chrono::milliseconds time) const {
  pollfd entry{fd(), POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace rove
