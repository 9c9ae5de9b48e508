// Hashes, key derivation and constant-time comparison. docs/protocol.md §1 has every use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/crypto/keys.h"

namespace rove {

// Must run once before anything else of core/crypto; later calls do nothing. Aborts when libsodium
// cannot start, as nothing could go on.
void init_crypto();

// BLAKE2b (RFC 7693) with N octets of output over the concatenation of `parts`.
template <std::size_t N>
[[nodiscard]] std::array<std::uint8_t, N> blake2b(std::initializer_list<BytesView> parts, BytesView key = {});
void blake2b_into(MutableBytes out, std::initializer_list<BytesView> parts, BytesView key);

template <std::size_t N>
std::array<std::uint8_t, N> blake2b(std::initializer_list<BytesView> parts, BytesView key) {
  std::array<std::uint8_t, N> out{};
  blake2b_into(out, parts, key);
  return out;
}

[[nodiscard]] bool equal_constant_time(BytesView a, BytesView b);

// libsodium's crypto_kdf_derive_from_key; `context` has exactly 8 characters.
[[nodiscard]] std::array<std::uint8_t, 32> derive_key(const std::array<std::uint8_t, 32>& secret, std::uint64_t id,
                                                      std::string_view context);

[[nodiscard]] NamingKey derive_naming_key(const NetworkKey& network_key);
[[nodiscard]] RingSecret derive_first_ring_secret(const NetworkKey& network_key);
[[nodiscard]] SealingKey derive_sealing_key(const RingSecret& secret);
[[nodiscard]] PskKey derive_psk(const RingSecret& secret);

// First 8 octets of BLAKE2b-256 of an encoded record, never zero.
[[nodiscard]] RecordId record_id_of(BytesView encoded_record);

}  // namespace rove
