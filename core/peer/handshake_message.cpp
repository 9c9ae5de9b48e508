#include "core/peer/handshake_message.h"

#include <tuple>

#include "core/base/endpoint_codec.h"
#include "core/crypto/noise.h"
#include "core/wire/handshake_payload.h"

namespace rove {
namespace {

// Versions, features, session index, timestamp, AEADs, MTU, endpoint, and the lengths of the two blocks.
constexpr std::size_t kPayloadFixedMax =
    1 + 1 + 4 + 4 + std::tuple_size_v<Tai64n> + 1 + 2 + kEncodedEndpointSizeMax + 2 + 2;
constexpr std::size_t kPayloadMax = kPayloadFixedMax + kHandshakeCertificateMax + kHandshakeRecordMax;

Bytes encode_index(SessionIndex index) {
  Bytes out;
  Writer{out}.write(index.value);
  return out;
}

Result<BytesView> check_noise(BytesView noise, std::size_t overhead) {
  if (noise.size() < overhead) return fail(Error::Truncated);
  if (noise.size() > overhead + kPayloadMax) return fail(Error::TooLarge);
  return noise;
}

}  // namespace

Bytes encode(const InitMessage& message) {
  Bytes out = encode_index(message.initiator);
  Writer to{out};
  to.write(static_cast<std::uint8_t>(message.cookie ? message.cookie->size() : 0));
  if (message.cookie) to.write_bytes(*message.cookie);
  to.write_bytes(message.noise);
  return out;
}

Bytes encode(const ResponseMessage& message) {
  Bytes out = encode_index(message.initiator);
  Writer{out}.write_bytes(message.noise);
  return out;
}

Bytes encode(const CookieMessage& message) {
  Bytes out = encode_index(message.initiator);
  Writer{out}.write_bytes(message.cookie);
  return out;
}

std::size_t response_size_max(std::size_t certificate_size, std::size_t record_size) {
  return sizeof(SessionIndex::value) + NoiseResponder::kOverhead2 + kPayloadFixedMax + certificate_size + record_size;
}

Result<InitMessage> decode_init(BytesView body) {
  Reader from{body};
  InitMessage message;
  message.initiator.value = from.read<std::uint32_t>();
  const std::uint8_t cookie_size = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (message.initiator.value == 0) return fail(Error::Malformed);
  if (cookie_size == std::tuple_size_v<HandshakeCookie>) {
    message.cookie = from.read_array<std::tuple_size_v<HandshakeCookie>>();
  } else if (cookie_size != 0) {
    return fail(Error::Malformed);
  }
  if (!from.ok()) return fail(Error::Truncated);
  const Result<BytesView> noise = check_noise(from.rest(), NoiseInitiator::kOverhead1);
  if (!noise) return tl::make_unexpected(noise.error());
  message.noise = *noise;
  return message;
}

Result<ResponseMessage> decode_response(BytesView body) {
  Reader from{body};
  ResponseMessage message;
  message.initiator.value = from.read<std::uint32_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (message.initiator.value == 0) return fail(Error::Malformed);
  const Result<BytesView> noise = check_noise(from.rest(), NoiseResponder::kOverhead2);
  if (!noise) return tl::make_unexpected(noise.error());
  message.noise = *noise;
  return message;
}

Result<CookieMessage> decode_cookie(BytesView body) {
  Reader from{body};
  CookieMessage message;
  message.initiator.value = from.read<std::uint32_t>();
  message.cookie = from.read_array<std::tuple_size_v<HandshakeCookie>>();
  if (!from.ok()) return fail(Error::Truncated);
  if (message.initiator.value == 0 || !from.done()) return fail(Error::Malformed);
  return message;
}

}  // namespace rove
