#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/identity/certificate.h"

// A parsed certificate has a usable name and key, and its prefixes allow their own addresses.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rove::init_crypto();
  const rove::BytesView bytes{data, size};
  if (const auto certificate = rove::Certificate::parse(bytes)) {
    ROVE_CHECK(!certificate->name().empty() && certificate->name().size() <= 63);
    for (const rove::Prefix& prefix : certificate->prefixes()) ROVE_CHECK(certificate->allows(prefix.address));
  }
  (void)rove::TrustAnchor::parse(bytes);  // must only not crash
  return 0;
}
