// SIGTERM and SIGINT as something to poll, for verbs that go on until they are told to end.
#pragma once

#include <csignal>

#include <chrono>
#include <initializer_list>

#include "tap/file_descriptor.h"

namespace rove {

// While it lives, these signals do not end the process and interrupt no system call of this thread. Threads that are
// started meanwhile inherit that; those that run already do not.
class StopSignal {
 public:
  // `more`: signals besides SIGTERM and SIGINT. Throws std::system_error.
  explicit StopSignal(std::initializer_list<int> more = {});
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Readable once one came, from then on.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // True when one came within this time.
  [[nodiscard]] bool wait(std::chrono::milliseconds time) const;

 private:
  sigset_t mask_{};
  sigset_t before_{};
  FileDescriptor fd_;
};

}  // namespace rove
