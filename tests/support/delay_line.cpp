#include "tests/support/delay_line.h"

#include <algorithm>

namespace rove {

DelayLine::DelayLine(std::size_t paths, std::uint64_t seed) : paths_(paths), random_(seed) {}

void DelayLine::push(TimePoint now, std::size_t index, BytesView packet) {
  Path& path = paths_[index];
  const PathConditions& conditions = path.conditions;
  if (conditions.cut) {
    ++path.counters.cut;
    return;
  }
  if (random_.fraction() < conditions.loss) {
    ++path.counters.lost;
    return;
  }
  TimePoint due = now;
  if (conditions.rate > 0) {
    path.sent = std::max(path.sent, now);
    if (path.sent - now > conditions.buffer) {
      ++path.counters.overflowed;
      return;
    }
    path.sent += Duration{packet.size() * 8 * 1'000'000'000 / conditions.rate};
    due = path.sent;
  }
  due += conditions.delay;
  if (conditions.jitter.count() > 0) {
    due += Duration{static_cast<std::int64_t>(random_.fraction() * static_cast<double>(conditions.jitter.count()))};
  }
  if (random_.fraction() < conditions.reorder) {
    ++path.counters.reordered;
    due += kReorderDelay;
  } else {
    due = path.last_due = std::max(path.last_due, due);
  }
  enqueue(path, index, due, packet);
  if (random_.fraction() < conditions.duplicate) {
    ++path.counters.duplicated;
    enqueue(path, index, due, packet);
  }
}

void DelayLine::enqueue(Path& path, std::size_t index, TimePoint due, BytesView packet) {
  if (path.waiting + packet.size() > kPathBytesMax) {
    ++path.counters.overflowed;
    return;
  }
  path.waiting += packet.size();
  queue_.push({due, serial_++, index, Bytes{packet.begin(), packet.end()}});
}

std::optional<TimePoint> DelayLine::next_due() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.top().due;
}

std::optional<Bytes> DelayLine::pop(TimePoint now) {
  if (queue_.empty() || queue_.top().due > now) return std::nullopt;
  // top() is const only to protect the order, which pop() ends at once.
  Waiting& first = const_cast<Waiting&>(queue_.top());
  std::optional<Bytes> packet{std::move(first.packet)};
  Path& path = paths_[first.path];
  queue_.pop();
  path.waiting -= packet->size();
  ++path.counters.packets;
  path.counters.bytes += packet->size();
  return packet;
}

}  // namespace rove
