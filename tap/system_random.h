// The system's randomness.
#pragma once

#include "core/base/random.h"

namespace rove {

// getrandom(2); fit for keys. Any thread.
class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) override;
};

}  // namespace rove
