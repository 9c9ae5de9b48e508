// The network's certificate authority: offline, in the hands of who made the network.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"
#include "core/identity/certificate.h"

namespace rove {

struct Validity {
  WallTime not_before{};  // whole seconds count, as X.509 has no finer ones
  WallTime not_after{};
};

// The CA's key and certificate. Its output is a function of its arguments: the same seed and `random` give
// the same octets.
class Authority {
 public:
  // A new CA. `random` gives the serial number. Errors: Malformed (name, or an empty validity), TooLarge (more
  // than kPrefixesMax subnets).
  [[nodiscard]] static Result<Authority> create(const std::string& network_name, const std::vector<Prefix>& subnets,
                                                SigningSeed seed, const Validity& validity, Random& random);
  // From the two PEM blocks of to_pem(), in any order. Errors: Malformed, TooLarge, those of TrustAnchor::parse,
  // and WeakKey when the key is not the certificate's.
  [[nodiscard]] static Result<Authority> from_pem(std::string_view text);
  // Certificate and private key (PKCS #8). Secret.
  [[nodiscard]] std::string to_pem() const;

  [[nodiscard]] const TrustAnchor& anchor() const { return anchor_; }

  // A node's certificate, DER. `random` gives the serial number. Errors: Malformed (name, or an empty validity),
  // NotAllowed (a prefix or the validity exceeds the CA's), TooLarge (more than kPrefixesMax prefixes), WeakKey.
  [[nodiscard]] Result<Bytes> issue(const std::string& node_name, const NodeKey& key,
                                    const std::vector<Prefix>& prefixes, const Validity& validity,
                                    Random& random) const;

 private:
  Authority(TrustAnchor anchor, SigningSeed seed) : anchor_(std::move(anchor)), seed_(std::move(seed)) {}

  TrustAnchor anchor_;
  SigningSeed seed_;
};

}  // namespace rove
