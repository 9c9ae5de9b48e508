// Threads inherit the signal mask of who starts them.
#pragma once

#include <signal.h>

#include "core/base/check.h"

namespace rove {

// Blocks all signals of this thread while it lives: a thread started meanwhile gets none. They belong to the control
// thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ROVE_CHECK(pthread_sigmask(SIG_SETMASK, &all, &before_) == 0);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace rove
