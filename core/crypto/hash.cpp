#include "core/crypto/hash.h"

#include <sodium.h>

#include "core/base/check.h"
#include "core/crypto/wiped.h"

namespace rove {
namespace {

// Number and context of each derived key: docs/protocol.md §1.
constexpr std::uint64_t kFirstRingId = 1;
constexpr std::uint64_t kNamingId = 2;
constexpr std::uint64_t kSealingId = 1;
constexpr std::uint64_t kPskId = 2;

template <typename Key>
Key derive(const std::array<std::uint8_t, 32>& secret, std::uint64_t id, std::string_view context) {
  const Wiped<32> derived{derive_key(secret, id, context)};
  return Key{derived.octets};
}

}  // namespace

void init_crypto() {
  ROVE_CHECK(sodium_init() >= 0);
}

void blake2b_into(MutableBytes out, std::initializer_list<BytesView> parts, BytesView key) {
  crypto_generichash_state state;
  ROVE_CHECK(crypto_generichash_init(&state, key.data(), key.size(), out.size()) == 0);
  for (const BytesView part : parts) crypto_generichash_update(&state, part.data(), part.size());
  crypto_generichash_final(&state, out.data(), out.size());
  sodium_memzero(&state, sizeof state);
}

bool equal_constant_time(BytesView a, BytesView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::array<std::uint8_t, 32> derive_key(const std::array<std::uint8_t, 32>& secret, std::uint64_t id,
                                        std::string_view context) {
  static_assert(crypto_kdf_KEYBYTES == 32);
  ROVE_CHECK(context.size() == crypto_kdf_CONTEXTBYTES);
  std::array<std::uint8_t, 32> out{};
  ROVE_CHECK(crypto_kdf_derive_from_key(out.data(), out.size(), id, context.data(), secret.data()) == 0);
  return out;
}

RingSecret derive_first_ring_secret(const NetworkKey& network_key) {
  return derive<RingSecret>(network_key.expose(), kFirstRingId, "roveRING");
}

NamingKey derive_naming_key(const NetworkKey& network_key) {
  return derive<NamingKey>(network_key.expose(), kNamingId, "roveNAME");
}

SealingKey derive_sealing_key(const RingSecret& secret) {
  return derive<SealingKey>(secret.expose(), kSealingId, "roveSEAL");
}

PskKey derive_psk(const RingSecret& secret) {
  return derive<PskKey>(secret.expose(), kPskId, "rove PSK");
}

RecordId record_id_of(BytesView encoded_record) {
  const auto hash = blake2b<32>({encoded_record});
  RecordId id = RecordId::from_bytes(BytesView{hash}.first(RecordId::kSize));
  if (id.is_zero()) id.octets.back() = 1;
  return id;
}

}  // namespace rove
