#include "core/forward/vm_map.h"

namespace rove {

const VmView* VmMap::find(const MacAddress& mac) const {
  const Shard* shard = shards_[shard_of(mac)].get();
  if (shard == nullptr) return nullptr;
  const auto it = shard->find(mac);
  return it == shard->end() ? nullptr : &it->second;
}

VmView& VmMap::operator[](const MacAddress& mac) {
  const auto [it, is_new] = own_shard(shard_of(mac)).try_emplace(mac);
  if (is_new) ++size_;
  return it->second;
}

void VmMap::erase(const MacAddress& mac) {
  if (find(mac) == nullptr) return;
  own_shard(shard_of(mac)).erase(mac);
  --size_;
}

VmMap::Shard& VmMap::own_shard(std::size_t index) {
  if (!own_[index]) {
    shards_[index] = shards_[index] ? std::make_shared<Shard>(*shards_[index]) : std::make_shared<Shard>();
    own_.set(index);
  }
  // Made by this map and held by no other.
  return const_cast<Shard&>(*shards_[index]);
}

}  // namespace rove
