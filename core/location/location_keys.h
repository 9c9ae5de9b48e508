// The keys under which records stand in the location service. docs/protocol.md §1.
#pragma once

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/crypto/keys.h"

namespace rove {

class LocationKeys {
 public:
  explicit LocationKeys(NamingKey naming_key) : naming_key_(std::move(naming_key)) {}

  [[nodiscard]] LocationKey of(const VmAddress& address) const;
  [[nodiscard]] LocationKey of_node_record(const NodeId& node) const;
  [[nodiscard]] LocationKey of_certificate(const NodeId& node) const;
  [[nodiscard]] LocationKey of_members() const;
  // 20 octets: the node's id in the DHT.
  [[nodiscard]] LocationKey dht_node_id(const NodeKey& key) const;

 private:
  NamingKey naming_key_;
};

}  // namespace rove
