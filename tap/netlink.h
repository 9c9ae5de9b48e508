// What the kernel tells of this host: the bridge's learning, links and addresses. By rtnetlink.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/address.h"

namespace rove {

class NetlinkSocket;

// An entry of the forwarding database of one bridge came, moved or went.
struct FdbEvent {
  MacAddress mac;
  unsigned port_ifindex = 0;  // gone: where it was
  bool gone = false;
  bool operator==(const FdbEvent&) const = default;
};

// Watches the forwarding database of one bridge (RTNLGRP_NEIGH, AF_BRIDGE). The ports' own addresses are left out.
// After an overflow (ENOBUFS) it dumps the database again and reports what differs, so that nothing is missed for
// good. A change on the same port is no event: the kernel tells of moves, not of frames.
//
// One thread. At most kFdbEntriesMax MACs are followed; further ones are ignored (ignored()) until others go.
// Throws std::system_error when netlink itself fails.
class FdbMonitor {
 public:
  // A bridge of VMs holds some hundreds; a guest that forges sources must not eat our memory.
  static constexpr std::size_t kFdbEntriesMax = 65'536;

  explicit FdbMonitor(unsigned bridge_ifindex);  // starts with a dump
  ~FdbMonitor();
  FdbMonitor(FdbMonitor&&) noexcept;
  FdbMonitor& operator=(FdbMonitor&&) noexcept;

  [[nodiscard]] int fd() const;  // readable when there is something
  // Until it returns nullopt: fd() does not tell of events that were read already.
  [[nodiscard]] std::optional<FdbEvent> poll_event();
  // How often a MAC was ignored, and how often the kernel dropped events (repaired by a dump).
  [[nodiscard]] std::uint64_t ignored() const;
  [[nodiscard]] std::uint64_t redumped() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Tells a bridge where a MAC is. One thread.
class FdbWriter {
 public:
  FdbWriter();
  ~FdbWriter();
  FdbWriter(FdbWriter&&) noexcept;
  FdbWriter& operator=(FdbWriter&&) noexcept;

  // An entry like a learned one, in all VLANs of the port. `held` (NTF_STICKY, Linux 4.20): it stays there, from
  // wherever frames of that MAC come, until the next call. It goes with the port in any case. Returns 0 or the kernel's
  // errno.
  [[nodiscard]] int set(const MacAddress& mac, unsigned port_ifindex, bool held);

 private:
  std::unique_ptr<NetlinkSocket> socket_;
};

// Reports changes of links and addresses of this host (our endpoints may have changed). One thread.
class AddressMonitor {
 public:
  AddressMonitor();
  ~AddressMonitor();
  AddressMonitor(AddressMonitor&&) noexcept;
  AddressMonitor& operator=(AddressMonitor&&) noexcept;
  [[nodiscard]] int fd() const;
  // Drains the socket; true when something may have changed: compare what underlay_addresses() says.
  [[nodiscard]] bool poll_changed();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The addresses by which other hosts may reach this one: global and private unicast of links that are up, IPv4 first,
// and within a family those of a link with a default route first (a host's private bridges, such as docker0, have
// addresses too, which nobody else reaches). Without loopback, link-local, tentative, deprecated and temporary ones,
// addresses inside `excluded` (the virtual subnets), and those on `excluded_links`.
[[nodiscard]] std::vector<IpAddress> underlay_addresses(const std::vector<Prefix>& excluded,
                                                        const std::vector<unsigned>& excluded_links);

}  // namespace rove
