#include "core/location/location_keys.h"

#include "core/crypto/hash.h"

namespace rove {
namespace {

enum class Kind : std::uint8_t { Mac = 1, V4 = 2, V6 = 3, NodeRecord = 4, Certificate = 5, Members = 6, DhtNode = 16 };

LocationKey derive(const NamingKey& naming_key, Kind kind, BytesView address) {
  const auto tag = static_cast<std::uint8_t>(kind);
  LocationKey key;
  key.octets = blake2b<LocationKey::kSize>({BytesView{&tag, 1}, address}, naming_key.expose());
  return key;
}

}  // namespace

LocationKey LocationKeys::of(const VmAddress& address) const {
  if (address.is_mac()) return derive(naming_key_, Kind::Mac, address.mac().octets);
  return derive(naming_key_, address.ip().is_v4() ? Kind::V4 : Kind::V6, address.ip().bytes());
}

LocationKey LocationKeys::of_node_record(const NodeId& node) const {
  return derive(naming_key_, Kind::NodeRecord, node.bytes());
}

LocationKey LocationKeys::of_certificate(const NodeId& node) const {
  return derive(naming_key_, Kind::Certificate, node.bytes());
}

LocationKey LocationKeys::of_members() const {
  return derive(naming_key_, Kind::Members, {});
}

LocationKey LocationKeys::dht_node_id(const NodeKey& key) const {
  return derive(naming_key_, Kind::DhtNode, key.octets);
}

}  // namespace rove
