#include "tap/wake_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace rove {

WakeSignal::WakeSignal() : event_(check_syscall("create an eventfd", ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {}

void WakeSignal::notify() const noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is at its top: then it is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void WakeSignal::drain() const noexcept {
  std::uint64_t count = 0;
  // Fails only when nobody notified.
  [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
}

}  // namespace rove
