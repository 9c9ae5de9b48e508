// The two implementations of AES-256-GCM are one to the peer. Wycheproof's vectors for each are in aead_test.cpp.
#include "core/crypto/aead_cipher.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <new>
#include <optional>
#include <vector>

#include "tests/support/allocation_counter.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

const bool ipsec_mb = IpsecMbAes256GcmCipher::is_supported();

Bytes random_octets(Random& random, std::size_t size) {
  Bytes out(size);
  random.fill(out);
  return out;
}

// Around every size of block, batch and tail that the implementations tell apart, and what rove seals: frames of the
// usual MTU, jumbo frames and the largest datagrams.
std::vector<std::size_t> sizes() {
  std::vector<std::size_t> out;
  for (std::size_t size = 0; size <= 300; ++size) out.push_back(size);
  for (std::size_t size = 1400; size <= 1500; ++size) out.push_back(size);
  out.insert(out.end(), {9000, 65000});
  return out;
}

template <typename Cipher>
Bytes seal(Cipher& cipher, const AeadNonce& nonce, BytesView associated_data, BytesView plaintext) {
  Bytes out(plaintext.size() + kAeadTagSize);
  cipher.seal(nonce, associated_data, plaintext, out.data());
  return out;
}

template <typename Cipher>
Bytes seal_in_place(Cipher& cipher, const AeadNonce& nonce, BytesView associated_data, BytesView plaintext) {
  Bytes out(plaintext.begin(), plaintext.end());
  out.resize(plaintext.size() + kAeadTagSize);
  cipher.seal(nonce, associated_data, BytesView{out}.first(plaintext.size()), out.data());
  return out;
}

// Nothing when the tag does not verify.
template <typename Cipher>
std::optional<Bytes> open(Cipher& cipher, const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext) {
  Bytes out(ciphertext.size() - kAeadTagSize);
  if (!cipher.open(nonce, associated_data, ciphertext, out.data())) return std::nullopt;
  return out;
}

template <typename Cipher>
std::optional<Bytes> open_in_place(Cipher& cipher, const AeadNonce& nonce, BytesView associated_data,
                                   Bytes ciphertext) {
  if (!cipher.open(nonce, associated_data, ciphertext, ciphertext.data())) return std::nullopt;
  ciphertext.resize(ciphertext.size() - kAeadTagSize);
  return ciphertext;
}

template <typename Cipher>
void check_that_it_refuses_what_was_changed() {
  SeededRandom random{2};
  Cipher cipher{AeadKey::generate(random)};
  const AeadNonce nonce{1};
  const Bytes header = random_octets(random, 16);
  for (const std::size_t size : {0, 1, 16, 64, 255, 1420}) {
    CAPTURE(size);
    const Bytes sealed = seal(cipher, nonce, header, random_octets(random, size));
    REQUIRE(open(cipher, nonce, header, sealed).has_value());

    for (std::size_t bit = 0; bit < kAeadTagSize * 8; ++bit) {
      CAPTURE(bit);
      Bytes forged = sealed;
      std::uint8_t& octet = forged[size + bit / 8];
      octet = static_cast<std::uint8_t>(octet ^ 1 << bit % 8);
      CHECK_FALSE(open(cipher, nonce, header, forged).has_value());
      CHECK_FALSE(open_in_place(cipher, nonce, header, forged).has_value());
    }
    for (std::size_t i = 0; i < size; ++i) {
      CAPTURE(i);
      Bytes forged = sealed;
      forged[i] = static_cast<std::uint8_t>(forged[i] ^ 0x80);
      CHECK_FALSE(open(cipher, nonce, header, forged).has_value());
    }
    for (std::size_t i = 0; i < header.size(); ++i) {
      CAPTURE(i);
      Bytes forged = header;
      forged[i] = static_cast<std::uint8_t>(forged[i] ^ 1);
      CHECK_FALSE(open(cipher, nonce, forged, sealed).has_value());
    }
    CHECK_FALSE(open(cipher, nonce, {}, sealed).has_value());
    CHECK_FALSE(open(cipher, AeadNonce{2}, header, sealed).has_value());
  }
  Bytes out(kAeadTagSize);
  for (std::size_t size = 0; size < kAeadTagSize; ++size) {
    CHECK_FALSE(cipher.open(nonce, header, BytesView{header}.first(size), out.data()));
  }
}

template <typename Cipher>
std::uint64_t allocations_of_use() {
  SeededRandom random{3};
  Cipher cipher{AeadKey::generate(random)};
  const AeadNonce nonce{};
  const Bytes header = random_octets(random, 16);
  Bytes buffer(1420 + kAeadTagSize);

  const AllocationCounter allocations;
  cipher.seal(nonce, header, BytesView{buffer}.first(1420), buffer.data());
  const bool opened = cipher.open(nonce, header, buffer, buffer.data());
  const bool again = cipher.open(nonce, header, buffer, buffer.data());  // what was opened in place has lost its tag
  const std::uint64_t count = allocations.count();

  CHECK(opened);
  CHECK_FALSE(again);
  return count;
}

}  // namespace

TEST_CASE("Aes256Gcm: both implementations seal to the same octets and open each other's" * doctest::skip(!ipsec_mb)) {
  SeededRandom random{1};
  const AeadKey key = AeadKey::generate(random);
  GnutlsAes256GcmCipher gnutls{key};
  IpsecMbAes256GcmCipher ipsec{key};
  for (const std::size_t size : sizes()) {
    for (const std::size_t associated_size : {0, 1, 16, 40}) {
      CAPTURE(size);
      CAPTURE(associated_size);
      AeadNonce nonce{};
      random.fill(nonce);
      const Bytes associated_data = random_octets(random, associated_size);
      const Bytes plaintext = random_octets(random, size);

      const Bytes sealed = seal(gnutls, nonce, associated_data, plaintext);
      CHECK(seal_in_place(gnutls, nonce, associated_data, plaintext) == sealed);
      CHECK(seal(ipsec, nonce, associated_data, plaintext) == sealed);
      CHECK(seal_in_place(ipsec, nonce, associated_data, plaintext) == sealed);

      CHECK(open(gnutls, nonce, associated_data, sealed) == plaintext);
      CHECK(open_in_place(gnutls, nonce, associated_data, sealed) == plaintext);
      CHECK(open(ipsec, nonce, associated_data, sealed) == plaintext);
      CHECK(open_in_place(ipsec, nonce, associated_data, sealed) == plaintext);
    }
  }
}

TEST_CASE("GnutlsAes256GcmCipher: a changed octet, header, nonce or size and each bit of the tag count") {
  check_that_it_refuses_what_was_changed<GnutlsAes256GcmCipher>();
}

TEST_CASE("IpsecMbAes256GcmCipher: a changed octet, header, nonce or size and each bit of the tag count" *
          doctest::skip(!ipsec_mb)) {
  check_that_it_refuses_what_was_changed<IpsecMbAes256GcmCipher>();
}

TEST_CASE("GnutlsAes256GcmCipher: neither sealing nor opening allocates") {
  CHECK(allocations_of_use<GnutlsAes256GcmCipher>() == 0);
}

TEST_CASE("IpsecMbAes256GcmCipher: neither sealing nor opening allocates" * doctest::skip(!ipsec_mb)) {
  CHECK(allocations_of_use<IpsecMbAes256GcmCipher>() == 0);
}

TEST_CASE("IpsecMbAes256GcmCipher: leaves no octet of its keys behind" * doctest::skip(!ipsec_mb)) {
  SeededRandom random{4};
  const AeadKey key = AeadKey::generate(random);
  alignas(IpsecMbAes256GcmCipher) std::array<std::uint8_t, sizeof(IpsecMbAes256GcmCipher)> storage{};
  const auto contains_key = [&storage, &key] {
    return std::search(storage.begin(), storage.end(), key.expose().begin(), key.expose().end()) != storage.end();
  };

  auto* cipher = new (storage.data()) IpsecMbAes256GcmCipher{key};
  const Bytes sealed = seal(*cipher, AeadNonce{1}, {}, random_octets(random, 100));
  REQUIRE(contains_key());  // the first two of the round keys are the key itself (FIPS 197 §5.2)
  cipher->~IpsecMbAes256GcmCipher();

  CHECK(std::all_of(storage.begin(), storage.end(), [](std::uint8_t octet) { return octet == 0; }));
}

}  // namespace rove
