#include "cli/control/watch_queue.h"

#include <utility>

#include "cli/control/control_protocol.h"
#include "cli/report/report.h"

namespace rove {

bool WatchQueue::push(std::string line) {
  if (lines_.size() + line.size() > kBytesMax) {
    ++lost_;
    return false;
  }
  tell_lost();
  lines_ += line;
  lines_ += '\n';
  return true;
}

std::string WatchQueue::take() {
  tell_lost();
  return std::exchange(lines_, {});
}

void WatchQueue::tell_lost() {
  if (lost_ == 0) return;
  lines_ += encode_data(report_events_lost(lost_)) + '\n';
  lost_ = 0;
}

}  // namespace rove
