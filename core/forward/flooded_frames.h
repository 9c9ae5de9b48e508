// Frames for VMs of this host that the bridge flooded to the TAP, for a little while. Commonly the VM got them as well.
// But a bridge forgets where a VM is when the hypervisor closes its port, some time before this host hears of that:
// what it floods then reaches nobody else.
#pragma once

#include <cstddef>
#include <deque>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"

namespace rove {

inline constexpr std::size_t kFloodedFramesMax = 256;
// From the flood to the snapshot in which the VM has no port; 5 to 10 ms were seen on a busy host.
inline constexpr Duration kFloodedTime = std::chrono::milliseconds{20};

struct FloodedFrame {
  TimePoint at{};
  MacAddress vm;
  Bytes frame;
};

// One worker.
class FloodedFrames {
 public:
  void push(TimePoint now, const MacAddress& vm, BytesView frame) {
    frames_.push_back({now, vm, {frame.begin(), frame.end()}});
    while (frames_.size() > kFloodedFramesMax) frames_.pop_front();
    expire(now);
  }

  // Visits what is not too old, oldest first; those that `take` answers with true are taken away.
  template <typename Take>
  void take_if(TimePoint now, const Take& take) {
    expire(now);
    std::erase_if(frames_, take);
  }

 private:
  void expire(TimePoint now) {
    while (!frames_.empty() && now - frames_.front().at > kFloodedTime) frames_.pop_front();
  }

  std::deque<FloodedFrame> frames_;
};

}  // namespace rove
