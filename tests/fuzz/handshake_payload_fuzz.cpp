#include "core/base/check.h"
#include "core/wire/handshake_payload.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto payload = rove::decode_handshake_payload({data, size});
  if (!payload) return 0;
  const auto again = rove::decode_handshake_payload(rove::encode(*payload));
  ROVE_CHECK(again && *again == *payload);
  return 0;
}
