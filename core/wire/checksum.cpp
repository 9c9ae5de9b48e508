#include "core/wire/checksum.h"

namespace rove {

std::uint64_t word_sum(BytesView octets) {
  std::uint64_t sum = 0;
  std::size_t i = 0;
  for (; i + 1 < octets.size(); i += 2) sum += load_be<std::uint16_t>(octets.data() + i);
  if (i < octets.size()) sum += std::uint64_t{octets[i]} << 8;
  return sum;
}

std::uint16_t fold_sum(std::uint64_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t internet_checksum(std::initializer_list<BytesView> parts) {
  std::uint64_t sum = 0;
  for (const BytesView part : parts) sum += word_sum(part);
  return static_cast<std::uint16_t>(~fold_sum(sum));
}

std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t old_word, std::uint16_t new_word) {
  const std::uint64_t sum =
      std::uint64_t{static_cast<std::uint16_t>(~checksum)} + static_cast<std::uint16_t>(~old_word) + new_word;
  return static_cast<std::uint16_t>(~fold_sum(sum));
}

}  // namespace rove
