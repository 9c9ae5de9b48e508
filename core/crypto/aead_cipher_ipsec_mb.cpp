#include <cstddef>

#include "core/base/check.h"
#include "core/crypto/aead_cipher.h"

#if defined(ROVE_WITH_IPSEC_MB)

#define NO_COMPAT_IMB_API_053  // keeps out macros such as AVX and SSE
#include <intel-ipsec-mb.h>
#include <sodium.h>

#include <memory>
#include <new>
#include <optional>
#include <tuple>

namespace rove {
namespace {

static_assert(IMB_GCM_256_KEY_LEN == AeadKey::kSize);
static_assert(IMB_GCM_IV_DATA_LEN == std::tuple_size_v<AeadNonce>);
static_assert(IMB_MAX_TAG_LEN == kAeadTagSize);

// What a nonce is good for (SP 800-38D §5.2.1.1). More the library refuses by returning without a word: what should
// have been sealed would leave as it is.
constexpr std::uint64_t kPlaintextSizeMax = (std::uint64_t{1} << 36) - 32;

struct Functions {
  aes_gcm_pre_t expand_key;
  aes_gcm_enc_dec_t encrypt;
  aes_gcm_enc_dec_t decrypt;
};

// Not init_mb_mgr_auto(): it asks the CPU alone. Where the kernel does not save the registers of AVX or AVX-512, the
// first such instruction ends the process; the compiler's question covers that (XGETBV, Intel SDM volume 1 §14.3).
init_mb_mgr_t find_initializer() {
  if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("avx")) {
    return nullptr;
  }
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) return init_mb_mgr_avx;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  return avx512 ? init_mb_mgr_avx512 : init_mb_mgr_avx2;
}

struct ManagerDeleter {
  void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
};

// Nothing when the library is of no use here.
std::optional<Functions> find_functions() {
  const init_mb_mgr_t initialize = find_initializer();
  if (initialize == nullptr) return std::nullopt;
  const std::unique_ptr<IMB_MGR, ManagerDeleter> manager{alloc_mb_mgr(0)};
  if (manager == nullptr) return std::nullopt;
  initialize(manager.get());
  // Instructions are missing that this library needs besides, or a known answer of its own test came out wrong.
  if (imb_get_errno(manager.get()) != 0) return std::nullopt;
  return Functions{manager->gcm256_pre, manager->gcm256_enc, manager->gcm256_dec};
}

// These functions get all they need as arguments, and the manager only names them: 200 kB of queues for jobs, and 0.5
// ms to make with its self-test (Xeon of family 6, model 207, 2026-11-28). So it is made once for the process and none
// is kept. What they do share is a number of the last error, which they reset, and which nobody here reads.
const std::optional<Functions>& functions() {
  static const std::optional<Functions> found = find_functions();
  return found;
}

}  // namespace

struct IpsecMbAes256GcmCipher::State {
  // The library's own builds align it so, its header only if LINUX is defined.
  alignas(kStateAlignment) gcm_key_data key;
  // Kept here, to be wiped with the key: a library built without SAFE_DATA leaves key stream in it.
  gcm_context_data context;
};

bool IpsecMbAes256GcmCipher::is_supported() {
  return functions().has_value();
}

IpsecMbAes256GcmCipher::IpsecMbAes256GcmCipher(const AeadKey& key) {
  static_assert(sizeof(State) <= kStateSize && alignof(State) == kStateAlignment);
  ROVE_CHECK(is_supported());
  State* state = new (state_.data()) State;
  functions()->expand_key(key.expose().data(), &state->key);
}

IpsecMbAes256GcmCipher::State& IpsecMbAes256GcmCipher::state() {
  return *std::launder(reinterpret_cast<State*>(state_.data()));
}

void IpsecMbAes256GcmCipher::seal(const AeadNonce& nonce, BytesView associated_data, BytesView plaintext,
                                  std::uint8_t* out) {
  ROVE_CHECK(plaintext.size() <= kPlaintextSizeMax);
  functions()->encrypt(&state().key, &state().context, out, plaintext.data(), plaintext.size(), nonce.data(),
                       associated_data.data(), associated_data.size(), out + plaintext.size(), kAeadTagSize);
}

bool IpsecMbAes256GcmCipher::open(const AeadNonce& nonce, BytesView associated_data, BytesView ciphertext,
                                  std::uint8_t* out) {
  if (ciphertext.size() < kAeadTagSize) return false;
  const std::size_t size = ciphertext.size() - kAeadTagSize;
  if (size > kPlaintextSizeMax) return false;
  std::array<std::uint8_t, kAeadTagSize> tag{};
  functions()->decrypt(&state().key, &state().context, out, ciphertext.data(), size, nonce.data(),
                       associated_data.data(), associated_data.size(), tag.data(), tag.size());
  static_assert(kAeadTagSize == crypto_verify_16_BYTES);
  return crypto_verify_16(tag.data(), ciphertext.data() + size) == 0;  // in constant time
}

}  // namespace rove

#else  // the library is made for x86-64 only, and need not be installed there

namespace rove {

bool IpsecMbAes256GcmCipher::is_supported() {
  return false;
}

IpsecMbAes256GcmCipher::IpsecMbAes256GcmCipher(const AeadKey& /*key*/) {
  ROVE_CHECK(is_supported());
}

void IpsecMbAes256GcmCipher::seal(const AeadNonce& /*nonce*/, BytesView /*associated_data*/, BytesView /*plaintext*/,
                                  std::uint8_t* /*out*/) {
  ROVE_CHECK(is_supported());
}

bool IpsecMbAes256GcmCipher::open(const AeadNonce& /*nonce*/, BytesView /*associated_data*/, BytesView /*ciphertext*/,
                                  std::uint8_t* /*out*/) {
  return false;
}

}  // namespace rove

#endif
