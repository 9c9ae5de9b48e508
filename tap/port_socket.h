// A bridge port of a VM, from the host's side: what goes to the VM (AF_PACKET), and what of it was read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/replay/port_ring.h"
#include "tap/file_descriptor.h"
#include "tap/rtnetlink.h"

namespace rove {

// A TAP device, as a link message tells of it.
struct PortLink {
  std::string name;
  PortCounters counters;
  bool carrier = false;  // somebody holds it open
};
// Of RTM_NEWLINK and RTM_DELLINK; nullopt: it is no TAP, so nothing is queued in it for anybody.
[[nodiscard]] std::optional<PortLink> port_link_of(const NetlinkMessage& message);
[[nodiscard]] std::optional<PortLink> find_port_link(NetlinkSocket& netlink, unsigned ifindex);

// The counters of all devices of this thread's network namespace. From /proc: netlink would wait for whoever changes a
// device just now, which takes tens of milliseconds when one is removed, and a hypervisor that leaves removes one.
class PortCounterReader {
 public:
  PortCounterReader();
  void read();
  // As of the last read(); nullopt: no such device.
  [[nodiscard]] std::optional<PortCounters> find(const std::string& name) const;

 private:
  FileDescriptor fd_;
  std::string text_;
};

// Sees every frame that goes to the port, from the bridge or past it. One thread.
class PortSocket {
 public:
  // Needs CAP_NET_RAW. Throws std::system_error.
  explicit PortSocket(unsigned ifindex);

  // Visits what has come since. Returns how many frames were lost meanwhile because the socket's buffer was full.
  std::uint64_t read(const std::function<void(PortFrame frame)>& visit);
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  FileDescriptor fd_;
  Bytes buffer_;
};

// Sees every frame to one MAC at every device of this network namespace, on its way in and on its way out. It costs
// something for each frame of this host, so it is for short times. One thread.
class TransitSocket {
 public:
  struct Frame {
    unsigned ifindex = 0;
    bool outgoing = false;
    bool whole = true;  // no superframe, and without a VLAN tag
    PortFrame frame;    // its checksum is complete, as the kernel may complete it on the way
  };

  // Needs CAP_NET_RAW. Throws std::system_error.
  explicit TransitSocket(const MacAddress& destination);
  // As PortSocket::read().
  std::uint64_t read(const std::function<void(Frame frame)>& visit);

 private:
  FileDescriptor fd_;
  Bytes buffer_;
};

// The ports of the bridge that `port` belongs to; empty: of none.
[[nodiscard]] std::set<unsigned> find_bridge_ports(NetlinkSocket& netlink, unsigned port);

}  // namespace rove
