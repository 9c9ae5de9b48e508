#include "tap/datagram_exchange.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace rove {

DatagramExchange::DatagramExchange(unsigned workers) : workers_(workers) {
  for (unsigned i = 0; i < workers * workers; ++i) boxes_.push_back(std::make_unique<Box>(kDatagramsMax));
  for (unsigned i = 0; i < workers; ++i) {
    wake_fds_.emplace_back(check_syscall("create an eventfd", eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)));
  }
}

bool DatagramExchange::hand(unsigned from, unsigned to, Datagram datagram) {
  if (!box(from, to).push(std::move(datagram))) return false;
  const std::uint64_t one = 1;
  // Only EAGAIN is possible, when the count is at its maximum: then it is awake.
  [[maybe_unused]] const ssize_t size = write(wake_fds_[to].get(), &one, sizeof one);
  return true;
}

void DatagramExchange::acknowledge(unsigned worker) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = read(wake_fds_[worker].get(), &count, sizeof count);
}

std::optional<DatagramExchange::Datagram> DatagramExchange::take(unsigned worker) {
  for (unsigned from = 0; from < workers_; ++from) {
    if (auto datagram = box(from, worker).pop()) return datagram;
  }
  return std::nullopt;
}

}  // namespace rove
