// Identifiers. Definitions: docs/protocol.md, "Names and keys".
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace rove {

// A fixed-size opaque identifier; Tag keeps kinds apart.
template <typename Tag, std::size_t N>
struct OpaqueId {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> octets{};

  auto operator<=>(const OpaqueId&) const = default;
  [[nodiscard]] BytesView bytes() const { return octets; }
  [[nodiscard]] bool is_zero() const { return *this == OpaqueId{}; }
  [[nodiscard]] static OpaqueId from_bytes(BytesView view) {
    OpaqueId id;
    if (view.size() == N) std::memcpy(id.octets.data(), view.data(), N);
    return id;
  }
};

template <typename Tag, std::size_t N>
[[nodiscard]] std::string to_string(const OpaqueId<Tag, N>& id) {
  return to_hex(id.octets);
}

using NodeId = OpaqueId<struct NodeIdTag, 16>;            // BLAKE2b of the node's Ed25519 key
using NetworkId = OpaqueId<struct NetworkIdTag, 16>;      // BLAKE2b of the CA's Ed25519 key
using RecordId = OpaqueId<struct RecordIdTag, 8>;         // BLAKE2b of an encoded record, never 0
using LocationKey = OpaqueId<struct LocationKeyTag, 20>;  // keyed hash; a DHT key

// A session's index in the receiver's table; stands in every data and control header.
struct SessionIndex {
  std::uint32_t value = 0;
  auto operator<=>(const SessionIndex&) const = default;
};

}  // namespace rove

template <typename Tag, std::size_t N>
struct std::hash<rove::OpaqueId<Tag, N>> {
  static_assert(N >= sizeof(std::uint64_t));
  // They are hashes themselves, every octet as good as another.
  std::size_t operator()(const rove::OpaqueId<Tag, N>& id) const {
    return rove::hash_number(rove::load_be<std::uint64_t>(id.octets.data()));
  }
};
template <>
struct std::hash<rove::SessionIndex> {
  std::size_t operator()(const rove::SessionIndex& index) const { return index.value; }
};
