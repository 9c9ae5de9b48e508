// Keys. Secret ones are move-only, wiped, neither comparable nor printable.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/result.h"

namespace rove {

// 32 secret bytes; Tag keeps kinds of keys apart. Wiped on destruction and when moved from.
template <typename Tag>
class SecretBytes {
 public:
  static constexpr std::size_t kSize = 32;

  SecretBytes() = default;
  explicit SecretBytes(const std::array<std::uint8_t, kSize>& bytes) : bytes_(bytes) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(other.bytes_) { other.wipe(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.wipe();
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }

  [[nodiscard]] static SecretBytes generate(Random& random) {
    SecretBytes key;
    random.fill(key.bytes_);
    return key;
  }
  // A deliberate, visible copy.
  [[nodiscard]] SecretBytes clone() const { return SecretBytes{bytes_}; }
  // Borrowed; for the primitives in core/crypto and for the files that keep keys.
  [[nodiscard]] const std::array<std::uint8_t, kSize>& expose() const { return bytes_; }

 private:
  void wipe() noexcept {
    // volatile: the compiler must not drop the store to an object that dies.
    volatile std::uint8_t* out = bytes_.data();
    for (std::size_t i = 0; i < kSize; ++i) out[i] = 0;
  }

  std::array<std::uint8_t, kSize> bytes_{};
};

using NetworkKey = SecretBytes<struct NetworkKeyTag>;
using RingSecret = SecretBytes<struct RingSecretTag>;
using NamingKey = SecretBytes<struct NamingKeyTag>;
using SealingKey = SecretBytes<struct SealingKeyTag>;
using PskKey = SecretBytes<struct PskKeyTag>;
using AeadKey = SecretBytes<struct AeadKeyTag>;
using SigningSeed = SecretBytes<struct SigningSeedTag>;  // Ed25519 private key, RFC 8032 §5.1.5
using DhSecret = SecretBytes<struct DhSecretTag>;        // X25519 scalar

// Ed25519 public key: a node's identity.
struct NodeKey {
  std::array<std::uint8_t, 32> octets{};
  auto operator<=>(const NodeKey&) const = default;
};
struct DhPublic {
  std::array<std::uint8_t, 32> octets{};
  auto operator<=>(const DhPublic&) const = default;
};
using Signature = std::array<std::uint8_t, 64>;

[[nodiscard]] NodeKey node_key_of(const SigningSeed& seed);
[[nodiscard]] NodeId node_id_of(const NodeKey& key);
[[nodiscard]] NetworkId network_id_of(const NodeKey& ca_key);

// Ed25519 (RFC 8032). verify() refuses small-order and non-canonical keys and signatures.
[[nodiscard]] Signature sign(const SigningSeed& seed, BytesView message);
[[nodiscard]] bool verify(const NodeKey& key, BytesView message, const Signature& signature);

// The X25519 key pair of an Ed25519 identity. Fails with WeakKey for a key that is no valid point.
[[nodiscard]] DhSecret dh_secret_of(const SigningSeed& seed);
[[nodiscard]] Result<DhPublic> dh_public_of(const NodeKey& key);
[[nodiscard]] DhPublic dh_public_of(const DhSecret& secret);
// X25519 (RFC 7748). WeakKey when the result is all zero.
[[nodiscard]] Result<std::array<std::uint8_t, 32>> dh(const DhSecret& ours, const DhPublic& theirs);

}  // namespace rove
