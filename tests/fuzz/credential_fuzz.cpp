#include <string_view>

#include "core/crypto/hash.h"
#include "core/identity/credential.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rove::init_crypto();
  (void)rove::parse_credential(std::string_view{reinterpret_cast<const char*>(data), size});  // must only not crash
  return 0;
}
