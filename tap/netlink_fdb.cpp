// The path of an entry: kernel event or dump entry → handle_entry() → table of what is known → events that differ.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <map>
#include <system_error>

#include "tap/netlink.h"
#include "tap/rtnetlink.h"

namespace rove {
namespace {

// With VLAN filtering a bridge learns a MAC once for each VLAN.
struct FdbKey {
  MacAddress mac;
  std::uint16_t vlan = 0;
  auto operator<=>(const FdbKey&) const = default;
};

struct FdbValue {
  unsigned port = 0;
  std::uint64_t heard = 0;  // the last event or dump that had it
};

}  // namespace

struct FdbMonitor::Impl {
  explicit Impl(unsigned bridge_ifindex) : bridge(bridge_ifindex), socket({RTNLGRP_NEIGH}) { start_dump(); }

  void start_dump();
  void finish_dump();
  void handle_message(const NetlinkMessage& message);
  void handle_present(const FdbKey& key, unsigned port, bool from_dump);
  void handle_gone(const FdbKey& key, bool from_dump);
  void erase(std::map<FdbKey, FdbValue>::iterator entry);
  [[nodiscard]] bool has_mac(const MacAddress& mac) const;

  unsigned bridge;
  NetlinkSocket socket;
  std::vector<NetlinkMessage> messages;
  std::map<FdbKey, FdbValue> table;
  std::deque<FdbEvent> events;
  bool dumping = false;
  bool dump_again = false;
  std::uint32_t dump_sequence = 0;
  // Counts events and dumps. What an event told since the dump's start is newer than what the dump tells.
  std::uint64_t clock = 0;
  std::uint64_t dump_started = 0;
  std::map<FdbKey, std::uint64_t> deleted;  // entries that went since the dump's start
  std::uint64_t overflowed = 0;
  std::uint64_t redumped = 0;
};

void FdbMonitor::Impl::start_dump() {
  // The header is ifinfomsg, and the filter IFLA_MASTER, since Linux 3.5 (rtnl_fdb_dump); older ones ignore it.
  ifinfomsg head{};
  head.ifi_family = AF_BRIDGE;
  NetlinkRequest request{RTM_GETNEIGH, NLM_F_DUMP};
  request.header(head).add(IFLA_MASTER, std::uint32_t{bridge});
  dump_sequence = socket.send(request);
  dump_started = ++clock;
  dumping = true;
  dump_again = false;
  deleted.clear();
}

void FdbMonitor::Impl::finish_dump() {
  dumping = false;
  deleted.clear();
  if (dump_again) {
    start_dump();
    return;
  }
  for (auto entry = table.begin(); entry != table.end();) {
    const auto here = entry++;
    if (here->second.heard < dump_started) erase(here);
  }
}

void FdbMonitor::Impl::handle_message(const NetlinkMessage& message) {
  const bool from_dump = dumping && message.sequence == dump_sequence && (message.flags & NLM_F_MULTI) != 0;
  if (dumping && message.sequence == dump_sequence && (message.type == NLMSG_DONE || message.type == NLMSG_ERROR)) {
    const int error = message.type == NLMSG_ERROR ? -load_native<std::int32_t>(message.payload).value_or(-EPROTO) : 0;
    // ENODEV: the bridge is gone, and with it all of its entries.
    if (error != 0 && error != ENODEV) {
      throw std::system_error(error, std::generic_category(), "list the addresses that the bridge has learned");
    }
    finish_dump();
    return;
  }
  if (from_dump && (message.flags & NLM_F_DUMP_INTR) != 0) dump_again = true;
  if (message.type != RTM_NEWNEIGH && message.type != RTM_DELNEIGH) return;
  const auto head = load_native<ndmsg>(message.payload);
  if (!head || head->ndm_family != AF_BRIDGE || (head->ndm_flags & NTF_SELF) != 0) return;
  const BytesView attributes = attributes_after<ndmsg>(message);
  const auto address = find_attribute(attributes, NDA_LLADDR);
  if (find_attribute_as<std::uint32_t>(attributes, NDA_MASTER) != bridge || !address || address->size() != 6) return;

  const FdbKey key{MacAddress::from_bytes(address->data()),
                   find_attribute_as<std::uint16_t>(attributes, NDA_VLAN).value_or(0)};
  // A permanent entry is the port's own address, also when it was learned elsewhere before.
  const bool present = message.type == RTM_NEWNEIGH && (head->ndm_state & NUD_PERMANENT) == 0;
  if (present) {
    handle_present(key, static_cast<unsigned>(head->ndm_ifindex), from_dump);
  } else if (message.type == RTM_DELNEIGH || table.count(key) > 0) {
    handle_gone(key, from_dump);
  }
}

void FdbMonitor::Impl::handle_present(const FdbKey& key, unsigned port, bool from_dump) {
  const auto found = table.find(key);
  if (from_dump) {
    const bool told_since = found != table.end() && found->second.heard > dump_started;
    if (told_since || deleted.count(key) > 0) return;
  } else {
    deleted.erase(key);
  }
  const std::uint64_t heard = from_dump ? dump_started : ++clock;
  if (found == table.end()) {
    if (table.size() == kFdbEntriesMax) {
      ++overflowed;
      return;
    }
    table.emplace(key, FdbValue{port, heard});
    events.push_back({key.mac, port, false});
    return;
  }
  found->second.heard = heard;
  if (found->second.port == port) return;
  found->second.port = port;
  events.push_back({key.mac, port, false});
}

void FdbMonitor::Impl::handle_gone(const FdbKey& key, bool from_dump) {
  if (dumping && !from_dump && deleted.size() < kFdbEntriesMax) deleted.emplace(key, ++clock);
  const auto found = table.find(key);
  if (found != table.end()) erase(found);
}

void FdbMonitor::Impl::erase(std::map<FdbKey, FdbValue>::iterator entry) {
  const FdbEvent event{entry->first.mac, entry->second.port, true};
  table.erase(entry);
  if (!has_mac(event.mac)) events.push_back(event);
}

bool FdbMonitor::Impl::has_mac(const MacAddress& mac) const {
  const auto first = table.lower_bound(FdbKey{mac, 0});
  return first != table.end() && first->first.mac == mac;
}

FdbMonitor::FdbMonitor(unsigned bridge_ifindex) : impl_(std::make_unique<Impl>(bridge_ifindex)) {}
FdbMonitor::~FdbMonitor() = default;
FdbMonitor::FdbMonitor(FdbMonitor&&) noexcept = default;
FdbMonitor& FdbMonitor::operator=(FdbMonitor&&) noexcept = default;

int FdbMonitor::fd() const {
  return impl_->socket.fd();
}

std::optional<FdbEvent> FdbMonitor::poll_event() {
  Impl& impl = *impl_;
  while (impl.events.empty()) {
    const NetlinkSocket::Received received = impl.socket.receive(impl.messages);
    if (received == NetlinkSocket::Received::Nothing) return std::nullopt;
    if (received == NetlinkSocket::Received::Overflow) {
      ++impl.redumped;
      // A dump under way may have passed the entries whose events were lost: another one follows it.
      if (impl.dumping) {
        impl.dump_again = true;
      } else {
        impl.start_dump();
      }
      continue;
    }
    for (const NetlinkMessage& message : impl.messages) impl.handle_message(message);
  }
  const FdbEvent event = impl.events.front();
  impl.events.pop_front();
  return event;
}

std::uint64_t FdbMonitor::overflowed() const {
  return impl_->overflowed;
}

std::uint64_t FdbMonitor::redumped() const {
  return impl_->redumped;
}

}  // namespace rove
