#include "core/forward/vm_map.h"

#include <doctest/doctest.h>

#include <vector>

namespace rove {
namespace {

constexpr std::size_t kVms = 1000;

MacAddress mac(std::size_t number) {
  return MacAddress{
      {0x02, 0x00, 0x5e, 0x10, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

NodeId owner(std::uint8_t number) {
  NodeId id;
  id.octets.fill(number);
  return id;
}

VmMap map_of(std::size_t vms) {
  VmMap map;
  for (std::size_t i = 0; i < vms; ++i) map[mac(i)].owner = owner(1);
  return map;
}

// How many VMs the two maps hold at different places in memory.
std::size_t unshared(const VmMap& a, const VmMap& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < kVms; ++i) count += a.find(mac(i)) != b.find(mac(i));
  return count;
}

}  // namespace

TEST_CASE("VmMap: what is put in is found until it is erased") {
  VmMap map = map_of(3);
  CHECK(map.size() == 3);
  CHECK(map.find(mac(2))->owner == owner(1));
  CHECK(map.find(mac(3)) == nullptr);

  map[mac(2)].owner = owner(2);
  CHECK(map.size() == 3);
  CHECK(map.find(mac(2))->owner == owner(2));

  map.erase(mac(2));
  map.erase(mac(3));
  CHECK(map.size() == 2);
  CHECK(map.find(mac(2)) == nullptr);

  map.clear();
  CHECK(map.size() == 0);
  CHECK(map.find(mac(0)) == nullptr);
}

TEST_CASE("VmMap: a copy keeps what it saw, whichever of the two changes") {
  VmMap map = map_of(kVms);
  VmMap copy = map;
  map[mac(1)].owner = owner(2);
  copy[mac(2)].owner = owner(3);
  map.erase(mac(3));
  copy.erase(mac(4));

  CHECK(copy.find(mac(1))->owner == owner(1));
  CHECK(map.find(mac(2))->owner == owner(1));
  CHECK(copy.find(mac(3)) != nullptr);
  CHECK(map.find(mac(4)) != nullptr);
  CHECK(map.size() == kVms - 1);
  CHECK(copy.size() == kVms - 1);

  map = copy;
  map[mac(5)].owner = owner(4);
  CHECK(copy.find(mac(5))->owner == owner(1));
  CHECK(map.find(mac(1))->owner == owner(1));
}

TEST_CASE("VmMap: copies share all but the few VMs beside one that changed, for MACs in a row too") {
  VmMap map = map_of(kVms);
  const VmMap copy = map;
  CHECK(unshared(map, copy) == 0);

  for (std::size_t i = 0; i < kVms; ++i) {
    VmMap changed = map;
    changed[mac(i)].owner = owner(2);
    CHECK(unshared(changed, map) <= 24);  // four on average
    CHECK(changed.find(mac(i)) != map.find(mac(i)));
  }
}

}  // namespace rove
