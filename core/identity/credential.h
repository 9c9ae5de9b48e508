// The enrolment file: all that a node needs to belong to a network. docs/protocol.md §7.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/crypto/keys.h"

namespace rove {

inline constexpr std::size_t kCredentialSizeMax = 64 * 1024;  // a real one has some 2 KiB
inline constexpr std::size_t kBootstrapsMax = 64;
inline constexpr std::size_t kBootstrapSizeMax = 261;  // a DNS name (253 octets), brackets, colon and port
// IPv6 asks for 1280 (RFC 8200 §5); a larger frame than 9018 octets is malformed (docs/protocol.md §2).
inline constexpr std::uint16_t kInnerMtuMin = 1280;
inline constexpr std::uint16_t kInnerMtuMax = 9000;

// What every node of a network has in common.
struct NetworkSettings {
  std::string name;
  NetworkKey key;
  std::vector<Prefix> subnets;
  std::uint16_t inner_mtu = 1400;
  std::vector<std::string> bootstrap;  // "host:port"; names are resolved by who connects
};

struct Credential {
  Bytes ca_der;
  Bytes certificate_der;
  SigningSeed seed;
  NetworkSettings network;
};

// PEM text with the four blocks. Secret: the caller writes it with mode 0600. Settings that parse_credential()
// would refuse are a ROVE_CHECK.
[[nodiscard]] std::string encode_credential(const Credential& credential);

// Errors: TooLarge, Malformed (a block is missing, doubled, unknown or not as encoded), those of
// Certificate::parse and TrustAnchor::parse, WeakKey (the private key is not the certificate's), BadSignature and
// NotAllowed (the CA did not issue the certificate), WrongNetwork (the CA's name is another). Says nothing about
// time.
[[nodiscard]] Result<Credential> parse_credential(std::string_view text);

}  // namespace rove
