#include "core/crypto/aead.h"

#include <doctest/doctest.h>

#include "core/crypto/aead_cipher.h"
#include "tests/support/allocation_counter.h"
#include "tests/support/seeded_random.h"
#include "tests/support/vector_file.h"

namespace rove {
namespace {

const bool ipsec_mb = IpsecMbAes256GcmCipher::is_supported();  // else GnuTLS is all there is

constexpr AeadAlgorithm kAlgorithms[] = {AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305};

template <typename Key>
Key key_of(const nlohmann::json& test) {
  return Key{hex_array<32>(test.at("key"))};
}

// Runs every vector whose key and nonce the cipher can take, out of place and in place. Returns how many there were.
template <typename Cipher, typename Key, typename Nonce>
std::size_t run_wycheproof(const std::string& file) {
  constexpr std::size_t kNonceSize = std::tuple_size_v<Nonce>;
  std::size_t count = 0;
  const auto document = load_vectors(file);
  for (const auto& group : document.at("testGroups")) {
    if (group.at("keySize") != 256 || group.at("ivSize") != kNonceSize * 8 || group.at("tagSize") != 128) continue;
    for (const auto& test : group.at("tests")) {
      ++count;
      CAPTURE(test.at("tcId").get<int>());
      CAPTURE(test.at("comment").get<std::string>());
      Cipher cipher{key_of<Key>(test)};
      const Nonce nonce = hex_array<kNonceSize>(test.at("iv"));
      const Bytes associated_data = hex_bytes(test.at("aad"));
      const Bytes plaintext = hex_bytes(test.at("msg"));
      Bytes ciphertext = hex_bytes(test.at("ct"));
      const Bytes tag = hex_bytes(test.at("tag"));
      ciphertext.insert(ciphertext.end(), tag.begin(), tag.end());
      Bytes opened(plaintext.size());

      if (test.at("result") != "valid") {
        CHECK_FALSE(cipher.open(nonce, associated_data, ciphertext, opened.data()));
        continue;
      }
      Bytes sealed(ciphertext.size());
      cipher.seal(nonce, associated_data, plaintext, sealed.data());
      CHECK(sealed == ciphertext);
      CHECK(cipher.open(nonce, associated_data, ciphertext, opened.data()));
      CHECK(opened == plaintext);

      Bytes in_place = plaintext;
      in_place.resize(ciphertext.size());
      cipher.seal(nonce, associated_data, BytesView{in_place}.first(plaintext.size()), in_place.data());
      CHECK(in_place == ciphertext);
      CHECK(cipher.open(nonce, associated_data, in_place, in_place.data()));
      in_place.resize(plaintext.size());
      CHECK(in_place == plaintext);
    }
  }
  return count;
}

Bytes counting_octets(std::size_t size) {
  Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i);
  return out;
}

Bytes seal(Aead& aead, std::uint64_t counter, BytesView associated_data, BytesView plaintext) {
  Bytes out(plaintext.size() + kAeadTagSize);
  aead.seal(counter, associated_data, plaintext, out.data());
  return out;
}

bool opens(Aead& aead, std::uint64_t counter, BytesView associated_data, const Bytes& ciphertext) {
  Bytes out(ciphertext.size());
  return aead.open(counter, associated_data, ciphertext, out.data());
}

}  // namespace

TEST_CASE("GnutlsAes256GcmCipher: agrees with Wycheproof's vectors") {
  CHECK(run_wycheproof<GnutlsAes256GcmCipher, AeadKey, AeadNonce>("wycheproof_aes_gcm.json") > 60);
}

TEST_CASE("IpsecMbAes256GcmCipher: agrees with Wycheproof's vectors" * doctest::skip(!ipsec_mb)) {
  CHECK(run_wycheproof<IpsecMbAes256GcmCipher, AeadKey, AeadNonce>("wycheproof_aes_gcm.json") > 60);
}

TEST_CASE("ChaCha20Poly1305Cipher: agrees with Wycheproof's vectors") {
  CHECK(run_wycheproof<ChaCha20Poly1305Cipher, AeadKey, AeadNonce>("wycheproof_chacha20_poly1305.json") > 300);
}

TEST_CASE("XChaCha20Poly1305Cipher: agrees with Wycheproof's vectors") {
  CHECK(run_wycheproof<XChaCha20Poly1305Cipher, SealingKey, ExtendedNonce>("wycheproof_xchacha20_poly1305.json") > 280);
}

TEST_CASE("Aead: the nonce is four zero octets and the counter in network byte order") {
  SeededRandom random{1};
  const AeadKey key = AeadKey::generate(random);
  const Bytes header = counting_octets(16);
  const Bytes plaintext = counting_octets(100);
  const AeadNonce nonce{0, 0, 0, 0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
  Bytes aes(plaintext.size() + kAeadTagSize);
  Bytes chacha(plaintext.size() + kAeadTagSize);
  GnutlsAes256GcmCipher{key}.seal(nonce, header, plaintext, aes.data());
  ChaCha20Poly1305Cipher{key}.seal(nonce, header, plaintext, chacha.data());

  Aead aes_session{AeadAlgorithm::Aes256Gcm, key};
  Aead chacha_session{AeadAlgorithm::ChaCha20Poly1305, key};

  CHECK(seal(aes_session, 0x0102030405060708, header, plaintext) == aes);
  CHECK(seal(chacha_session, 0x0102030405060708, header, plaintext) == chacha);
}

TEST_CASE("Aead: opens what it sealed, of every size up to a jumbo frame, in place") {
  SeededRandom random{2};
  const Bytes header = counting_octets(16);
  for (const AeadAlgorithm algorithm : kAlgorithms) {
    Aead aead{algorithm, AeadKey::generate(random)};
    std::uint64_t counter = 0;
    for (const std::size_t size : {0, 1, 15, 16, 17, 63, 64, 65, 1200, 1426, 9018, 65000}) {
      CAPTURE(size);
      const Bytes plaintext = counting_octets(size);
      Bytes buffer = plaintext;
      buffer.resize(size + kAeadTagSize);
      ++counter;

      aead.seal(counter, header, BytesView{buffer}.first(size), buffer.data());
      CHECK(BytesView{buffer}.first(size).size() == size);
      REQUIRE(aead.open(counter, header, buffer, buffer.data()));
      buffer.resize(size);

      CHECK(buffer == plaintext);
    }
  }
}

TEST_CASE("Aead: a changed octet, header, counter, size or key does not open") {
  SeededRandom random{3};
  const Bytes header = counting_octets(16);
  const Bytes plaintext = counting_octets(60);
  for (const AeadAlgorithm algorithm : kAlgorithms) {
    Aead aead{algorithm, AeadKey::generate(random)};
    Aead stranger{algorithm, AeadKey::generate(random)};
    const Bytes sealed = seal(aead, 7, header, plaintext);
    REQUIRE(opens(aead, 7, header, sealed));

    for (std::size_t i = 0; i < sealed.size(); ++i) {
      CAPTURE(i);
      Bytes forged = sealed;
      forged[i] = static_cast<std::uint8_t>(forged[i] ^ (1 << i % 8));
      CHECK_FALSE(opens(aead, 7, header, forged));
    }
    for (std::size_t i = 0; i < header.size(); ++i) {
      CAPTURE(i);
      Bytes forged = header;
      forged[i] = static_cast<std::uint8_t>(forged[i] ^ (1 << i % 8));
      CHECK_FALSE(opens(aead, 7, forged, sealed));
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(opens(aead, 7, header, Bytes(sealed.begin(), sealed.begin() + static_cast<std::ptrdiff_t>(size))));
    }
    CHECK_FALSE(opens(aead, 8, header, sealed));
    CHECK_FALSE(opens(stranger, 7, header, sealed));
    CHECK(opens(aead, 7, header, sealed));  // failures leave nothing behind
  }
}

TEST_CASE("Aead: the algorithms do not open each other's") {
  SeededRandom random{4};
  const AeadKey key = AeadKey::generate(random);
  Aead aes{AeadAlgorithm::Aes256Gcm, key};
  Aead chacha{AeadAlgorithm::ChaCha20Poly1305, key};

  CHECK_FALSE(opens(chacha, 1, {}, seal(aes, 1, {}, counting_octets(64))));
  CHECK_FALSE(opens(aes, 1, {}, seal(chacha, 1, {}, counting_octets(64))));
}

TEST_CASE("Aead: keeps its key when it moves") {
  SeededRandom random{5};
  for (const AeadAlgorithm algorithm : kAlgorithms) {
    Aead first{algorithm, AeadKey::generate(random)};
    const Bytes sealed = seal(first, 1, {}, counting_octets(64));

    Aead second{std::move(first)};
    CHECK(opens(second, 1, {}, sealed));
    Aead third{algorithm, AeadKey::generate(random)};
    third = std::move(second);
    CHECK(opens(third, 1, {}, sealed));
  }
}

TEST_CASE("Aead: neither sealing nor opening allocates, also when the tag is wrong") {
  SeededRandom random{6};
  const Bytes header = counting_octets(16);
  Bytes buffer(1426 + kAeadTagSize);
  {
    const AllocationCounter allocations;
    const GnutlsAes256GcmCipher cipher{AeadKey::generate(random)};
    REQUIRE(allocations.count() > 0);  // the counter sees what GnuTLS does
  }
  for (const AeadAlgorithm algorithm : kAlgorithms) {
    Aead aead{algorithm, AeadKey::generate(random)};
    bool opened = true;
    bool refused = true;

    const AllocationCounter allocations;
    for (std::uint64_t counter = 0; counter < 100; ++counter) {
      const BytesView plaintext = BytesView{buffer}.first(1426 - counter);
      const BytesView sealed = BytesView{buffer}.first(plaintext.size() + kAeadTagSize);
      aead.seal(counter, header, plaintext, buffer.data());
      opened = aead.open(counter, header, sealed, buffer.data()) && opened;
      refused = !aead.open(counter + 1, header, sealed, buffer.data()) && refused;
    }
    const std::uint64_t count = allocations.count();

    CHECK(count == 0);
    CHECK(opened);
    CHECK(refused);
  }
}

TEST_CASE("choose_aead: AES-256-GCM first, only what both have") {
  const std::uint8_t aes = 1;
  const std::uint8_t chacha = 2;
  const std::uint8_t unknown = 0xfc;

  CHECK(choose_aead(aes | chacha, aes | chacha) == AeadAlgorithm::Aes256Gcm);
  CHECK(choose_aead(aes | chacha, chacha) == AeadAlgorithm::ChaCha20Poly1305);
  CHECK(choose_aead(aes, aes | chacha) == AeadAlgorithm::Aes256Gcm);
  CHECK(choose_aead(aes, chacha) == std::nullopt);
  CHECK(choose_aead(0, aes | chacha) == std::nullopt);
  CHECK(choose_aead(unknown, unknown) == std::nullopt);
}

TEST_CASE("supported_aeads: holds ChaCha20-Poly1305 and nothing unknown") {
  const std::uint8_t supported = supported_aeads();

  CHECK((supported & 2) == 2);
  CHECK((supported & ~3) == 0);
}

}  // namespace rove
