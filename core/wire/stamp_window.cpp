#include "core/wire/stamp_window.h"

#include <algorithm>

namespace rove {

bool StampWindow::may_accept(std::uint64_t stamp) const {
  if (full() && stamp < stamps_.front()) return false;
  return !std::binary_search(stamps_.begin(), stamps_.end(), stamp);
}

bool StampWindow::accept(std::uint64_t stamp) {
  if (!may_accept(stamp)) return false;
  if (full()) stamps_.erase(stamps_.begin());
  stamps_.insert(std::lower_bound(stamps_.begin(), stamps_.end(), stamp), stamp);
  return true;
}

}  // namespace rove
