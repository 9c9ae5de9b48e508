#include "cli/qemu/qemu_nics.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

const MacAddress kMac = *parse_mac("52:54:00:99:00:10");

}  // namespace

TEST_CASE("qemu nics: a device with a TAP by name, as QEMU 7.2 prints it") {
  const auto nics = parse_qemu_nics(
      "virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:99:00:10\r\n"
      " \\ net: index=0,type=tap,ifname=vm0,script=no,downscript=no\r\n");

  CHECK(nics == std::vector<QemuNic>{{kMac, "vm0", std::nullopt}});
}

TEST_CASE("qemu nics: libvirt's descriptors, several devices, several queues") {
  const auto nics = parse_qemu_nics(
      "net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:99:00:10\n"
      " \\ hostnet0: index=0,type=tap,fd=29\n"
      "net1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:99:00:11\n"
      " \\ hostnet1: index=0,type=tap,fd=31\n"
      "net1: index=1,type=nic,model=virtio-net-pci,macaddr=52:54:00:99:00:11\n"
      " \\ hostnet1: index=1,type=tap,fd=32\n");

  REQUIRE(nics.size() == 2);
  CHECK(nics[0] == QemuNic{kMac, "", 29});
  CHECK(nics[1].fd == 31);
}

TEST_CASE("qemu nics: what is behind no TAP, and what is no list, has none") {
  CHECK(parse_qemu_nics("").empty());
  CHECK(parse_qemu_nics("\n\n \\ \n:\n: ,,=\n").empty());
  CHECK(parse_qemu_nics("n: index=0,type=nic,model=e1000,macaddr=52:54:00:99:00:10\n"
                        " \\ user: index=0,type=user,net=10.0.2.0\n")
            .empty());
  CHECK(parse_qemu_nics("n: index=0,type=nic,model=e1000,macaddr=nonsense\n \\ t: type=tap,ifname=vm0\n").empty());
  CHECK(parse_qemu_nics("hub 0\n \\ t: index=0,type=tap,ifname=vm0\n").empty());
}

TEST_CASE("qemu nics: the kernel names the TAP of a descriptor") {
  CHECK(parse_tap_fdinfo("pos:\t17\nflags:\t0104002\nmnt_id:\t15\niff:\tvnet3\n") == "vnet3");
  CHECK(parse_tap_fdinfo("pos:\t0\nflags:\t02\n").empty());
  CHECK(parse_tap_fdinfo("iff:").empty());
}

}  // namespace rove
