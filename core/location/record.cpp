#include "core/location/record.h"

#include <cstring>

#include "core/base/check.h"
#include "core/location/claim.h"

namespace rove {
namespace {

// github.com/msgpack/msgpack/blob/master/spec.md
constexpr std::uint8_t kArrayOfTwo = 0x92;
constexpr std::uint8_t kBin8 = 0xc4;
constexpr std::uint8_t kBin16 = 0xc5;
constexpr std::size_t kBin8SizeMax = 255;

Bytes signed_octets(std::string_view domain, const NetworkId& network, BytesView body) {
  Bytes message;
  message.reserve(domain.size() + NetworkId::kSize + body.size());
  Writer to{message};
  to.write_bytes(as_bytes(domain));
  to.write_bytes(network.bytes());
  to.write_bytes(body);
  return message;
}

}  // namespace

Result<RecordParts> split_record(BytesView encoded) {
  if (encoded.size() > kRecordSizeMax) return fail(Error::TooLarge);
  Reader from{encoded};
  const auto array = from.read<std::uint8_t>();
  const auto body_kind = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (array != kArrayOfTwo || (body_kind != kBin8 && body_kind != kBin16)) return fail(Error::Malformed);
  const bool is_long = body_kind == kBin16;
  const std::size_t body_size = is_long ? from.read<std::uint16_t>() : from.read<std::uint8_t>();
  if (from.ok() && is_long && body_size <= kBin8SizeMax) return fail(Error::Malformed);

  RecordParts parts;
  parts.body = from.read_bytes(body_size);
  const auto signature_kind = from.read<std::uint8_t>();
  const auto signature_size = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (signature_kind != kBin8 || signature_size != std::tuple_size_v<Signature>) return fail(Error::Malformed);
  parts.signature = from.read_array<std::tuple_size_v<Signature>>();
  if (!from.ok()) return fail(Error::Truncated);
  if (!from.done()) return fail(Error::Malformed);
  return parts;
}

Bytes sign_record(std::string_view domain, const NetworkId& network, BytesView body, const SigningSeed& seed) {
  const Signature signature = sign(seed, signed_octets(domain, network, body));
  Bytes encoded;
  Writer to{encoded};
  to.write(kArrayOfTwo);
  if (body.size() <= kBin8SizeMax) {
    to.write(kBin8);
    to.write(static_cast<std::uint8_t>(body.size()));
  } else {
    to.write(kBin16);
    to.write(static_cast<std::uint16_t>(body.size()));
  }
  to.write_bytes(body);
  to.write(kBin8);
  to.write(static_cast<std::uint8_t>(signature.size()));
  to.write_bytes(signature);
  ROVE_CHECK(encoded.size() <= kRecordSizeMax);
  return encoded;
}

bool verify_record(std::string_view domain, const NetworkId& network, const RecordParts& parts, const NodeKey& key) {
  return verify(key, signed_octets(domain, network, parts.body), parts.signature);
}

}  // namespace rove
