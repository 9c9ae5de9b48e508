// Wakes a thread that polls, from another one.
#pragma once

#include "tap/file_descriptor.h"

namespace rove {

// An eventfd: any number of notify() between two drain() are one wake-up. notify() is thread-safe, does not
// block and does not allocate.
class WakeSignal {
 public:
  WakeSignal();  // throws std::system_error

  void notify() const noexcept;
  void drain() const noexcept;
  [[nodiscard]] int fd() const { return event_.get(); }

 private:
  FileDescriptor event_;
};

}  // namespace rove
