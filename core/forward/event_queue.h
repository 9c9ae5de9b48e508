// Events on their way to the control thread, within bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "core/forward/worker_messages.h"

namespace rove {

// One thread. Frames of the guests, and datagrams that any stranger may send, fill at most half of the queue each:
// neither can displace the other, nor both the notices, which are throttled and small.
class EventQueue {
 public:
  enum class Kind : std::uint8_t { Frame, Datagram, Notice };

  explicit EventQueue(std::size_t events_max) : events_max_(events_max) {}

  // Ask first, to spare the copy of a frame that would not fit.
  [[nodiscard]] bool has_room(Kind kind) const;
  // Only when has_room().
  void push(Kind kind, WorkerEvent event);
  [[nodiscard]] std::optional<WorkerEvent> pop();

 private:
  struct Entry {
    Kind kind;
    WorkerEvent event;
  };

  std::size_t events_max_;
  std::deque<Entry> entries_;
  std::size_t frames_ = 0;
  std::size_t datagrams_ = 0;
};

}  // namespace rove
