#include "core/base/endpoint_codec.h"

namespace rove {
namespace {

constexpr std::uint8_t kFamilyNone = 0;
constexpr std::uint8_t kFamilyV4 = 4;
constexpr std::uint8_t kFamilyV6 = 6;

}  // namespace

bool is_sendable(const Endpoint& endpoint) {
  return endpoint.port != 0 && !endpoint.address.is_unspecified() && !endpoint.address.is_multicast();
}

void write_endpoint(Writer& to, const std::optional<Endpoint>& endpoint) {
  if (!endpoint || !is_sendable(*endpoint)) {
    to.write(kFamilyNone);
    return;
  }
  to.write(endpoint->address.is_v4() ? kFamilyV4 : kFamilyV6);
  to.write_bytes(endpoint->address.bytes());
  to.write(endpoint->port);
}

std::size_t encoded_size(const std::optional<Endpoint>& endpoint) {
  if (!endpoint || !is_sendable(*endpoint)) return 1;
  return 1 + endpoint->address.size() + 2;
}

Result<std::optional<Endpoint>> read_endpoint(Reader& from) {
  const std::uint8_t family = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (family == kFamilyNone) return std::optional<Endpoint>{};
  if (family != kFamilyV4 && family != kFamilyV6) return fail(Error::Malformed);

  const BytesView address = from.read_bytes(family == kFamilyV4 ? 4 : 16);
  const std::uint16_t port = from.read<std::uint16_t>();
  if (!from.ok()) return fail(Error::Truncated);
  const Endpoint endpoint{family == kFamilyV4 ? IpAddress::v4(address.data()) : IpAddress::v6(address.data()), port};
  if (!is_sendable(endpoint)) return fail(Error::Malformed);
  return std::optional<Endpoint>{endpoint};
}

}  // namespace rove
