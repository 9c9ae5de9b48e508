// A bounded queue from one thread to one other, without locks.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace rove {

// Single producer, single consumer ring. push() and empty() belong to the one, pop() to the other; both
// may ask empty(). A full mailbox refuses: the producer counts and drops, or tries again later.
template <typename T>
class Mailbox {
 public:
  // Holds at least `capacity` messages (rounded up to a power of two).
  explicit Mailbox(std::size_t capacity) : slots_(std::bit_ceil(capacity)), mask_(slots_.size() - 1) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False, and `message` untouched, when full.
  [[nodiscard]] bool push(T&& message) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == slots_.size()) return false;
    slots_[tail & mask_].emplace(std::move(message));  // pop() left it empty
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  [[nodiscard]] std::optional<T> pop() {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    std::optional<T> message;
    if (head == tail_.load(std::memory_order_acquire)) return message;
    message.swap(slots_[head & mask_]);
    head_.store(head + 1, std::memory_order_release);
    return message;
  }

  [[nodiscard]] bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

 private:
  static constexpr std::size_t kCacheLine = 64;  // keeps the two sides' counters apart

  std::vector<std::optional<T>> slots_;
  std::size_t mask_;
  alignas(kCacheLine) std::atomic<std::size_t> head_{0};
  alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
};

}  // namespace rove
