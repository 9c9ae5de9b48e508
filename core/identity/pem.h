// PEM (RFC 7468, strict) and the one form of PKCS #8 that rove uses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/crypto/keys.h"

namespace rove {

inline constexpr std::size_t kPemBlocksMax = 16;
inline constexpr std::string_view kPemCertificate = "CERTIFICATE";
inline constexpr std::string_view kPemPrivateKey = "PRIVATE KEY";

struct PemBlock {
  std::string label;
  Bytes bytes;
};

[[nodiscard]] std::string encode_pem(std::string_view label, BytesView bytes);
// All blocks; between them there may be blank lines only. Errors: Truncated (no end line), Malformed, TooLarge
// (more than kPemBlocksMax).
[[nodiscard]] Result<std::vector<PemBlock>> parse_pem(std::string_view text);

// Ed25519 private key, RFC 8410 §7, without the public key: 48 octets. Errors: Malformed.
[[nodiscard]] Bytes encode_private_key(const SigningSeed& seed);
[[nodiscard]] Result<SigningSeed> decode_private_key(BytesView der);

}  // namespace rove
