// A virtual machine, as the network sees it: a MAC, an IP, an ARP cache, numbered datagrams to others.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "tests/sim/bridge.h"
#include "tests/sim/virtual_time.h"

namespace rove::sim {

class SimVm {
 public:
  SimVm(VirtualTime& time, const MacAddress& mac, const IpAddress& ip) : time_(time), mac_(mac), ip_(ip) {}
  SimVm(const SimVm&) = delete;
  SimVm& operator=(const SimVm&) = delete;

  [[nodiscard]] const MacAddress& mac() const { return mac_; }
  [[nodiscard]] const IpAddress& ip() const { return ip_; }

  // Plugs the VM into a bridge; the old place, if any, must have been left.
  void plug(Bridge& bridge);
  // The port at which it will come there: nobody reads it until it is plugged in.
  Bridge::Port expect_at(Bridge& bridge);
  // Gone from its host at once: sends and receives nothing.
  void unplug();
  // Paused: its port stays, and nobody reads it, until it is closed or the VM is resumed there.
  struct Left {
    Bridge* bridge = nullptr;
    Bridge::Port port = 0;
    void close() const {
      if (bridge != nullptr) bridge->remove_port(port);
    }
  };
  [[nodiscard]] Left pause();
  void resume(const Left& left);
  [[nodiscard]] bool is_plugged() const { return bridge_ != nullptr; }

  // What QEMU sends for a guest that has arrived: five RARP frames within 800 ms.
  void announce_arrival();
  // Gratuitous ARP, as a guest sends when its interface comes up.
  void announce_address();
  // One address more, announced and answered for, or given up without a word.
  void take_address(const IpAddress& ip);
  void give_up_address(const IpAddress& ip) { more_ips_.erase(ip); }
  // Sends one numbered datagram; asks for the destination's MAC first when it is not known.
  void send(const IpAddress& to);

  // Datagrams that came from `ip`: numbers seen, and how many came twice.
  struct Received {
    std::set<std::uint32_t> numbers;
    std::uint64_t duplicates = 0;
    std::uint64_t overtaken = 0;  // came after a later one
    TimePoint last{};
    Duration longest_gap{};
  };
  [[nodiscard]] const std::map<IpAddress, Received>& received() const { return received_; }
  [[nodiscard]] std::uint32_t sent_to(const IpAddress& ip) const;

 private:
  [[nodiscard]] bool owns(const std::optional<IpAddress>& ip) const {
    return ip && (*ip == ip_ || more_ips_.contains(*ip));
  }
  void transmit(const Bytes& frame);
  void receive(const Bytes& frame);

  VirtualTime& time_;
  MacAddress mac_;
  IpAddress ip_;
  std::set<IpAddress> more_ips_;
  Bridge* bridge_ = nullptr;
  Bridge::Port port_ = 0;
  std::map<Bridge*, Bridge::Port> expected_;
  std::uint64_t generation_ = 0;  // of being plugged in; late announces of an earlier one are not sent

  struct Resolved {
    MacAddress mac;
    TimePoint until{};
  };
  std::map<IpAddress, Resolved> arp_;
  std::map<IpAddress, Bytes> waiting_;  // one datagram per unresolved destination, as Linux keeps few
  std::map<IpAddress, std::uint32_t> sent_;
  std::map<IpAddress, Received> received_;
};

// An IPv4/UDP-like frame that carries a number; for tests that look inside.
[[nodiscard]] Bytes make_numbered_frame(const MacAddress& from_mac, const IpAddress& from, const MacAddress& to_mac,
                                        const IpAddress& to, std::uint32_t number);

}  // namespace rove::sim
