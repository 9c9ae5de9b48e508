#include "core/forward/batch.h"

namespace rove {

// Not initialized: pages that are never written to cost no memory.
DatagramBatch::DatagramBatch(std::size_t slots_max, std::size_t octets_max)
    : octets_max_(octets_max), memory_(new std::uint8_t[octets_max]), slots_(slots_max) {}

}  // namespace rove
