#include "core/base/check.h"
#include "core/wire/header.h"

// A header that parses is stored as the same 16 octets.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const rove::BytesView bytes{data, size};
  const auto header = rove::parse_header(bytes);
  if (!header) return 0;
  std::array<std::uint8_t, rove::kHeaderSize> stored{};
  rove::store_header(stored.data(), *header);
  ROVE_CHECK(std::equal(stored.begin(), stored.end(), data));
  return 0;
}
