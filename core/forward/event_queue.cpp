#include "core/forward/event_queue.h"

#include <utility>

#include "core/base/check.h"

namespace rove {

bool EventQueue::has_room(Kind kind) const {
  if (entries_.size() >= events_max_) return false;
  switch (kind) {
    case Kind::Frame: return frames_ < events_max_ / 2;
    case Kind::Datagram: return datagrams_ < events_max_ / 2;
    case Kind::Notice: return true;
  }
  return false;
}

void EventQueue::push(Kind kind, WorkerEvent event) {
  ROVE_CHECK(has_room(kind));
  if (kind == Kind::Frame) ++frames_;
  if (kind == Kind::Datagram) ++datagrams_;
  entries_.push_back({kind, std::move(event)});
}

std::optional<WorkerEvent> EventQueue::pop() {
  if (entries_.empty()) return std::nullopt;
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  if (entry.kind == Kind::Frame) --frames_;
  if (entry.kind == Kind::Datagram) --datagrams_;
  return std::move(entry.event);
}

}  // namespace rove
