#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/location/claim.h"
#include "core/location/node_record.h"

// Claims and node records, as they come from the location service or a peer. A mutation that still verifies would be a
// forgery: the corpus holds records of the all-zero network.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rove::init_crypto();
  const rove::BytesView bytes{data, size};
  if (const auto claim = rove::decode_claim(bytes, rove::NetworkId{})) {
    ROVE_CHECK(std::equal(claim->encoded.begin(), claim->encoded.end(), data, data + size));
  }
  if (const auto record = rove::decode_node_record(bytes, rove::NetworkId{})) {
    ROVE_CHECK(std::equal(record->encoded.begin(), record->encoded.end(), data, data + size));
  }
  return 0;
}
