#include "dht/message_check.h"

// What passes here reaches OpenDHT's own parser, which tests/unit/dht does with mutated live traffic.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)rove::check_dht_message({data, size});  // must only not crash, hang or allocate without bound
  return 0;
}
