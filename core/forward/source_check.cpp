#include "core/forward/source_check.h"

#include <algorithm>

namespace rove {
namespace {

bool may_use(const VmView& vm, const IpAddress& ip) {
  if (vm.sourceless || ip.is_unspecified() || ip.is_link_local()) return true;
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
