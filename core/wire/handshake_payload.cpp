#include "core/wire/handshake_payload.h"

#include "core/base/check.h"
#include "core/base/endpoint_codec.h"
#include "core/crypto/aead.h"

namespace rove {
namespace {

constexpr std::uint8_t kKnownAeads =
    static_cast<std::uint8_t>(AeadAlgorithm::Aes256Gcm) | static_cast<std::uint8_t>(AeadAlgorithm::ChaCha20Poly1305);

void write_block(Writer& to, BytesView block, std::size_t size_max) {
  ROVE_CHECK(block.size() <= size_max);
  to.write(static_cast<std::uint16_t>(block.size()));
  to.write_bytes(block);
}

Result<Bytes> read_block(Reader& from, std::size_t size_max) {
  const std::size_t size = from.read<std::uint16_t>();
  if (size > size_max) return fail(Error::TooLarge);
  const BytesView block = from.read_bytes(size);
  if (!from.ok()) return fail(Error::Truncated);
  return Bytes{block.begin(), block.end()};
}

}  // namespace

Bytes encode(const HandshakePayload& payload) {
  ROVE_CHECK(payload.session.value != 0);
  Bytes out;
  Writer to{out};
  to.write(payload.version_min);
  to.write(payload.version_max);
  to.write(payload.features);
  to.write(payload.session.value);
  to.write_bytes(payload.timestamp);
  to.write(payload.aeads);
  to.write(payload.mtu);
  write_endpoint(to, payload.observed);
  write_block(to, payload.certificate, kHandshakeCertificateMax);
  write_block(to, payload.node_record, kHandshakeRecordMax);
  return out;
}

Result<HandshakePayload> decode_handshake_payload(BytesView plaintext) {
  Reader from{plaintext};
  HandshakePayload payload;
  payload.version_min = from.read<std::uint8_t>();
  payload.version_max = from.read<std::uint8_t>();
  payload.features = from.read<std::uint32_t>();
  payload.session.value = from.read<std::uint32_t>();
  payload.timestamp = from.read_array<std::tuple_size_v<Tai64n>>();
  payload.aeads = from.read<std::uint8_t>();
  payload.mtu = from.read<std::uint16_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (payload.version_min > payload.version_max || payload.session.value == 0) return fail(Error::Malformed);
  if (payload.aeads == 0 || (payload.aeads & ~kKnownAeads) != 0) return fail(Error::Malformed);

  const Result<std::optional<Endpoint>> observed = read_endpoint(from);
  if (!observed) return tl::make_unexpected(observed.error());
  payload.observed = *observed;

  Result<Bytes> certificate = read_block(from, kHandshakeCertificateMax);
  if (!certificate) return tl::make_unexpected(certificate.error());
  payload.certificate = *std::move(certificate);

  Result<Bytes> record = read_block(from, kHandshakeRecordMax);
  if (!record) return tl::make_unexpected(record.error());
  payload.node_record = *std::move(record);

  if (!from.done()) return fail(Error::Malformed);
  return payload;
}

}  // namespace rove
