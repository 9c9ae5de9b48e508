// What every node of a network has in common, and its text form in the enrolment file. docs/protocol.md §7.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/result.h"
#include "core/crypto/keys.h"

namespace rove {

inline constexpr std::size_t kBootstrapsMax = 64;
inline constexpr std::size_t kBootstrapSizeMax = 261;  // a DNS name (253 octets), brackets, colon and port
// IPv6 asks for 1280 (RFC 8200 §5); a larger frame than 9018 octets is malformed (docs/protocol.md §2).
inline constexpr std::uint16_t kInnerMtuMin = 1280;
inline constexpr std::uint16_t kInnerMtuMax = 9000;

struct NetworkSettings {
  std::string name;
  NetworkKey key;
  std::vector<Prefix> subnets;
  std::uint16_t inner_mtu = 1400;
  std::vector<std::string> bootstrap;  // "host:port"; names are resolved by who connects
};

// Lines of `key = value`, a strict part of TOML: strings without escapes, an integer, arrays of strings on one
// line. Settings that parse_settings() would refuse are a ROVE_CHECK.
[[nodiscard]] std::string encode_settings(const NetworkSettings& settings);

// Each key exactly once, in any order. Errors: Malformed, TooLarge (more than kBootstrapsMax or kPrefixesMax),
// Unknown (a key that this build does not know).
[[nodiscard]] Result<NetworkSettings> parse_settings(std::string_view text);

}  // namespace rove
