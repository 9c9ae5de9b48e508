#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/crypto/aead_cipher.h"
#include "core/wire/header.h"
#include "tests/bench/workload.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

constexpr std::size_t kDatagrams = 64;  // of one run: 90 kB of the largest, which stay in the cache as a batch does

AeadKey some_key() {
  SeededRandom random{1};
  return AeadKey::generate(random);
}

// A batch of datagrams that lie one behind the other.
template <typename Cipher>
class CipherWorkload : public Workload {
 public:
  explicit CipherWorkload(std::size_t size)
      : size_(size), cipher_(some_key()), plaintext_(size), sealed_(kDatagrams * (size + kAeadTagSize)) {
    SeededRandom{2}.fill(plaintext_);
  }

  [[nodiscard]] std::size_t items() const override { return kDatagrams; }
  [[nodiscard]] std::string item() const override { return "datagram"; }
  [[nodiscard]] std::size_t octets() const override { return kDatagrams * size_; }

 protected:
  void seal_all() {
    for (std::size_t i = 0; i < kDatagrams; ++i) cipher_.seal(nonce_of(count_++), header_, plaintext_, sealed_at(i));
  }
  [[nodiscard]] std::uint8_t* sealed_at(std::size_t i) { return &sealed_[i * (size_ + kAeadTagSize)]; }
  [[nodiscard]] static AeadNonce nonce_of(std::uint64_t counter) {
    AeadNonce nonce{};
    store_be(nonce.data() + nonce.size() - sizeof counter, counter);
    return nonce;
  }

  std::size_t size_;
  Cipher cipher_;
  std::array<std::uint8_t, kHeaderSize> header_{};
  Bytes plaintext_;
  Bytes sealed_;
  std::uint64_t count_ = 0;
};

template <typename Cipher>
class Seal final : public CipherWorkload<Cipher> {
 public:
  using CipherWorkload<Cipher>::CipherWorkload;
  void run() override { this->seal_all(); }
};

// Always the same datagrams, into other memory: a cipher has no memory of counters.
template <typename Cipher>
class Open final : public CipherWorkload<Cipher> {
 public:
  explicit Open(std::size_t size) : CipherWorkload<Cipher>(size), opened_(kDatagrams * size) { this->seal_all(); }

  void run() override {
    for (std::size_t i = 0; i < kDatagrams; ++i) {
      const BytesView ciphertext{this->sealed_at(i), this->size_ + kAeadTagSize};
      intact_ += this->cipher_.open(this->nonce_of(i), this->header_, ciphertext, &opened_[i * this->size_]);
    }
  }
  void verify() override { ROVE_CHECK(std::exchange(intact_, 0) == kDatagrams); }

 private:
  Bytes opened_;
  std::size_t intact_ = 0;
};

// Asked when one is wanted only: the library looks at the CPU, and a simulated one may not be to its liking.
template <typename Work, typename Cipher>
std::unique_ptr<Workload> make(std::size_t size) {
  if constexpr (std::is_same_v<Cipher, IpsecMbAes256GcmCipher>) {
    if (!Cipher::is_supported()) return nullptr;
  }
  return std::make_unique<Work>(size);
}

template <typename Cipher>
void add(std::vector<NamedWorkload>& to, const std::string& cipher) {
  for (const std::size_t size : {64, 256, 1400}) {
    to.push_back(
        {"aead_seal/" + cipher + "/" + std::to_string(size), [size] { return make<Seal<Cipher>, Cipher>(size); }});
    to.push_back(
        {"aead_open/" + cipher + "/" + std::to_string(size), [size] { return make<Open<Cipher>, Cipher>(size); }});
  }
}

}  // namespace

std::vector<NamedWorkload> aead_workloads() {
  std::vector<NamedWorkload> workloads;
  add<IpsecMbAes256GcmCipher>(workloads, "aes256gcm_ipsec_mb");
  add<GnutlsAes256GcmCipher>(workloads, "aes256gcm_gnutls");
  add<ChaCha20Poly1305Cipher>(workloads, "chacha20poly1305");
  return workloads;
}

}  // namespace rove
