#include "core/forward/source_check.h"

#include <algorithm>

namespace rove {
namespace {

bool may_use(const VmView& vm, const IpAddress& ip) {
  if (vm.sourceless || ip.is_unspecified()) return true;
  // Every IPv6 interface has one. IPv4's are none of a VM's: 169.254.169.254 hands out credentials in many clouds.
  if (!ip.is_v4() && ip.is_link_local()) return true;
  return std::find(vm.ips.begin(), vm.ips.end(), ip) != vm.ips.end();
}

}  // namespace

bool has_own_source(const FrameInfo& info, const VmView& vm) {
  if (info.sender_mac && *info.sender_mac != info.source) return false;
  if (info.is_rarp()) return true;
  if (info.source_ip && !may_use(vm, *info.source_ip)) return false;
  return info.kind != FrameKind::NeighborAdvertisement || may_use(vm, *info.nd_target);
}

}  // namespace rove
