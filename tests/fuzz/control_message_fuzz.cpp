#include "core/base/check.h"
#include "core/wire/control_message.h"

// What decodes encodes to what decodes to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto decoded = rove::decode_control({data, size});
  if (!decoded) return 0;
  rove::Bytes encoded;
  std::size_t expected = 0;
  for (const rove::ControlMessage& message : decoded->messages) {
    rove::encode(message, encoded);
    expected += rove::encoded_size(message);
  }
  ROVE_CHECK(encoded.size() == expected);
  const auto again = rove::decode_control(encoded);
  ROVE_CHECK(again && again->messages == decoded->messages);
  return 0;
}
