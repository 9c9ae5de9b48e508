#include "core/location/node_record.h"

#include <string_view>
#include <tuple>

#include "core/base/check.h"
#include "core/base/endpoint_codec.h"
#include "core/crypto/hash.h"
#include "core/location/record.h"

namespace rove {
namespace {

constexpr std::string_view kDomain = "rove node";
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kNoFlags = 0;

Bytes encode_body(const NodeRecord& record) {
  ROVE_CHECK(record.endpoints.size() <= kEndpointsMax);
  Bytes body;
  Writer to{body};
  to.write(kVersion);
  to.write(kNoFlags);
  to.write_bytes(record.node.octets);
  to.write(record.sequence);
  to.write(to_unix_ms(record.not_after));
  to.write(static_cast<std::uint8_t>(record.endpoints.size()));
  for (const Endpoint& endpoint : record.endpoints) {
    ROVE_CHECK(is_sendable(endpoint));
    write_endpoint(to, endpoint);
  }
  return body;
}

Result<NodeRecord> decode_body(BytesView body) {
  Reader from{body};
  const auto version = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (version != kVersion) return fail(Error::UnknownVersion);

  NodeRecord record;
  const auto flags = from.read<std::uint8_t>();
  record.node.octets = from.read_array<32>();
  record.sequence = from.read<std::uint64_t>();
  const auto not_after = from.read<std::uint64_t>();
  const auto count = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (flags != kNoFlags || not_after > kUnixMsMax) return fail(Error::Malformed);
  if (count > kEndpointsMax) return fail(Error::TooLarge);
  record.not_after = from_unix_ms(not_after);
  for (unsigned i = 0; i < count; ++i) {
    const auto endpoint = read_endpoint(from);
    if (!endpoint) return tl::make_unexpected(endpoint.error());
    if (!*endpoint) return fail(Error::Malformed);
    record.endpoints.push_back(**endpoint);
  }
  if (!from.done()) return fail(Error::Malformed);
  return record;
}

}  // namespace

SignedNodeRecord sign_node_record(NodeRecord record, const NetworkId& network, const SigningSeed& seed) {
  ROVE_CHECK(record.node == node_key_of(seed));
  SignedNodeRecord result;
  result.encoded = sign_record(kDomain, network, encode_body(record), seed);
  result.record = std::move(record);
  result.id = record_id_of(result.encoded);
  return result;
}

Result<SignedNodeRecord> decode_node_record(BytesView encoded, const NetworkId& network) {
  const auto parts = split_record(encoded);
  if (!parts) return tl::make_unexpected(parts.error());
  auto record = decode_body(parts->body);
  if (!record) return tl::make_unexpected(record.error());
  if (!verify_record(kDomain, network, *parts, record->node)) return fail(Error::BadSignature);
  return SignedNodeRecord{std::move(*record), Bytes{encoded.begin(), encoded.end()}, record_id_of(encoded)};
}

bool supersedes(const NodeRecord& a, const NodeRecord& b) {
  ROVE_CHECK(a.node == b.node);
  return std::tie(a.sequence, a.not_after, a.endpoints) > std::tie(b.sequence, b.not_after, b.endpoints);
}

}  // namespace rove
