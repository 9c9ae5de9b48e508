#include "tap/datagram_exchange.h"

#include <utility>

namespace rove {

DatagramExchange::DatagramExchange(unsigned workers) : workers_(workers), signals_(workers) {
  for (unsigned i = 0; i < workers * workers; ++i) boxes_.push_back(std::make_unique<Box>(kDatagramsMax));
}

bool DatagramExchange::hand(unsigned from, unsigned to, Datagram datagram) {
  if (!box(from, to).push(std::move(datagram))) return false;
  signals_[to].notify();
  return true;
}

std::optional<DatagramExchange::Datagram> DatagramExchange::take(unsigned worker) {
  for (unsigned from = 0; from < workers_; ++from) {
    if (auto datagram = box(from, worker).pop()) return datagram;
  }
  return std::nullopt;
}

}  // namespace rove
