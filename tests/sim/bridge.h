// A learning switch, as a host's Linux bridge: ports, forwarding database with ageing, events of its learning.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "tests/sim/virtual_time.h"

namespace rove::sim {

class Bridge {
 public:
  using Port = std::uint32_t;
  using Output = std::function<void(const Bytes& frame)>;
  using Learned = std::function<void(const MacAddress& mac, Port port, bool gone)>;

  Bridge(VirtualTime& time, Learned learned) : time_(time), learned_(std::move(learned)) {}

  // A port's own address: frames for it end in the host's IP stack, as a Linux bridge's do.
  void set_own(const MacAddress& mac) { own_ = mac; }

  Port add_port(Output output) {
    const Port port = ++last_port_;
    ports_[port] = std::move(output);
    return port;
  }

  // Nobody reads from the port any more, though it is there: a hypervisor that has stopped its guest. What goes there
  // is kept, also after remove_port().
  void pause_port(Port port) {
    ports_[port] = [this, port](const Bytes& frame) { unread_[port].push_back(frame); };
  }
  [[nodiscard]] const std::vector<Bytes>& unread(Port port) { return unread_[port]; }
  // Somebody reads again, what was kept first.
  void resume_port(Port port, const Output& out) {
    ports_[port] = out;
    for (const Bytes& frame : std::exchange(unread_[port], {})) output(port, frame);
  }
  void for_each_entry(const std::function<void(const MacAddress& mac, Port port)>& visit) const {
    for (const auto& [mac, entry] : entries_) visit(mac, entry.port);
  }
  // Where frames for the MAC go. Held: also when it is heard at another port, until the next call.
  void set_entry(const MacAddress& mac, Port port, bool held) {
    learn(mac, port, true);
    entries_[mac].held = held;
  }
  // To the port directly: nothing is learned.
  void write_port(Port port, const Bytes& frame) { output(port, frame); }

  void remove_port(Port port) {
    ports_.erase(port);
    for (auto it = entries_.begin(); it != entries_.end();) {
      if (it->second.port != port) {
        ++it;
        continue;
      }
      const MacAddress mac = it->first;
      it = entries_.erase(it);
      learned_(mac, port, true);
    }
  }

  void input(Port port, const Bytes& frame) {
    if (frame.size() < 14) return;
    const MacAddress destination = MacAddress::from_bytes(frame.data());
    const MacAddress source = MacAddress::from_bytes(frame.data() + 6);
    if (!source.is_group() && source != own_) learn(source, port);
    if (destination == own_) return;
    const auto known = entries_.find(destination);
    const bool fresh = known != entries_.end() && time_.steady() - known->second.heard < kAgeing;
    if (!destination.is_group() && fresh) {
      if (known->second.port != port) output(known->second.port, frame);
      return;
    }
    for (const auto& [other, sink] : ports_) {
      if (other != port) output(other, frame);
    }
  }

 private:
  static constexpr std::chrono::seconds kAgeing{300};
  // A frame takes this long through the bridge; also breaks recursion between ports.
  static constexpr std::chrono::microseconds kLatency{5};

  struct Entry {
    Port port = 0;
    TimePoint heard{};
    bool held = false;
  };

  void learn(const MacAddress& mac, Port port, bool told = false) {
    Entry& entry = entries_[mac];
    entry.heard = time_.steady();
    const bool moved = entry.port != port && (told || !entry.held);
    if (moved) entry.port = port;
    if (moved) learned_(mac, port, false);
  }

  void output(Port port, const Bytes& frame) {
    time_.after(kLatency, [this, port, frame] {
      const auto it = ports_.find(port);
      if (it != ports_.end()) it->second(frame);
    });
  }

  VirtualTime& time_;
  Learned learned_;
  MacAddress own_;
  Port last_port_ = 0;
  std::map<Port, Output> ports_;
  std::map<Port, std::vector<Bytes>> unread_;
  std::map<MacAddress, Entry> entries_;
};

}  // namespace rove::sim
