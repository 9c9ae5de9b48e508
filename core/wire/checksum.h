// The Internet checksum (RFC 1071) and its update in place (RFC 1624).
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/base/bytes.h"

namespace rove {

// The sum of the 16-bit words, an odd octet at the end being the high one of its word; and what is left of sums when
// their carries are added to them (RFC 1071 §1). Not complemented: what stands for a checksum that is partial.
[[nodiscard]] std::uint64_t word_sum(BytesView octets);
[[nodiscard]] std::uint16_t fold_sum(std::uint64_t sum);

// Over the concatenation of `parts`; every part but the last has an even size. As it stands in a header.
[[nodiscard]] std::uint16_t internet_checksum(std::initializer_list<BytesView> parts);

// The checksum after one aligned 16-bit word changed (RFC 1624, equation 3). `checksum` is the complemented form
// that stands in a header.
[[nodiscard]] std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t old_word, std::uint16_t new_word);

}  // namespace rove
