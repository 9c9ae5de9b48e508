#include "core/forward/batch.h"

namespace rove {

DatagramBatch::DatagramBatch(std::size_t slots_max)
    : memory_(std::make_unique<std::uint8_t[]>(slots_max * kDatagramSizeMax)), slots_(slots_max) {
  for (std::size_t i = 0; i < slots_max; ++i) slots_[i].data = memory_.get() + i * kDatagramSizeMax;
}

}  // namespace rove
