// The network devices of a QEMU, as its monitor lists them (HMP "info network", QEMU 7.2's net/net.c):
//
//   virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:99:00:10
//    \ net: index=0,type=tap,ifname=vm0,script=no,downscript=no
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"

namespace rove {

inline constexpr std::size_t kQemuNicsMax = 64;  // further ones are left out

struct QemuNic {
  MacAddress mac;
  std::string tap;        // its TAP device's name; empty: QEMU does not tell
  std::optional<int> fd;  // … because it was given a descriptor, as by libvirt

  bool operator==(const QemuNic&) const = default;
};

// Those that a TAP device is behind. Of one with several queues the first counts.
[[nodiscard]] std::vector<QemuNic> parse_qemu_nics(std::string_view info_network);

// The device's name in /proc/PID/fdinfo/FD of a TAP's descriptor (Linux, tun_chr_show_fdinfo()); empty: it is none.
[[nodiscard]] std::string parse_tap_fdinfo(std::string_view fdinfo);

}  // namespace rove
