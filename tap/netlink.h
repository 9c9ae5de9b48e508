// Links, addresses and the bridge's learning, by rtnetlink.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/address.h"

namespace rove {

// An entry of the forwarding database of one bridge came, moved or went.
struct FdbEvent {
  MacAddress mac;
  unsigned port_ifindex = 0;
  bool gone = false;
};

// Watches the forwarding database of one bridge (RTNLGRP_NEIGH, AF_BRIDGE). The ports' own addresses are left out.
// After an overflow (ENOBUFS) it dumps the database again, so that nothing is missed for good.
class FdbMonitor {
 public:
  explicit FdbMonitor(unsigned bridge_ifindex);  // starts with a dump
  ~FdbMonitor();
  FdbMonitor(FdbMonitor&&) noexcept;
  FdbMonitor& operator=(FdbMonitor&&) noexcept;

  [[nodiscard]] int fd() const;  // readable when there is something
  [[nodiscard]] std::optional<FdbEvent> poll_event();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reports changes of links and addresses of this host (our endpoints may have changed).
class AddressMonitor {
 public:
  AddressMonitor();
  ~AddressMonitor();
  AddressMonitor(AddressMonitor&&) noexcept;
  AddressMonitor& operator=(AddressMonitor&&) noexcept;
  [[nodiscard]] int fd() const;
  // Drains the socket; true when something changed.
  [[nodiscard]] bool poll_changed();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The addresses by which other hosts may reach this one: global and private unicast of links that are up, IPv4 first.
// Without loopback, link-local, addresses inside `excluded` (the virtual subnets), and those on `excluded_links`.
[[nodiscard]] std::vector<IpAddress> underlay_addresses(const std::vector<Prefix>& excluded,
                                                        const std::vector<unsigned>& excluded_links);

}  // namespace rove
