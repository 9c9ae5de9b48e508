// The enrolment file: all that a node needs to belong to a network. docs/protocol.md §7.
#pragma once

#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/crypto/keys.h"
#include "core/identity/network_settings.h"

namespace rove {

inline constexpr std::size_t kCredentialSizeMax = 64 * 1024;  // a real one has some 2 KiB

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
