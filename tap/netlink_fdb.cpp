#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "tap/fdb_table.h"
#include "tap/netlink.h"
#include "tap/rtnetlink.h"

namespace rove {

struct FdbMonitor::Impl {
  explicit Impl(unsigned bridge_ifindex) : bridge(bridge_ifindex), socket({RTNLGRP_NEIGH}) { start_dump(); }

  void start_dump();
  void handle_overflow();
  void handle_message(const NetlinkMessage& message);
  void handle_dump_end(const NetlinkMessage& message);
  void handle_entry(const NetlinkMessage& message, bool from_dump);

  unsigned bridge;
  NetlinkSocket socket;
  std::vector<NetlinkMessage> messages;
  FdbTable table{kFdbEntriesMax};
  bool dumping = false;
  bool dump_again = false;  // events were lost since the dump began
  std::uint32_t dump_sequence = 0;
  std::uint64_t redumped = 0;
};

void FdbMonitor::Impl::start_dump() {
  // The kernel tells this form, with IFLA_MASTER as a filter, from ndmsg by its size (rtnl_fdb_dump).
  ifinfomsg head{};
  head.ifi_family = AF_BRIDGE;
  NetlinkRequest request{RTM_GETNEIGH, NLM_F_DUMP};
  request.header(head).add(IFLA_MASTER, std::uint32_t{bridge});
  table.begin_dump();
  dump_sequence = socket.send(request);
  dumping = true;
  dump_again = false;
}

void FdbMonitor::Impl::handle_overflow() {
  ++redumped;
  // A dump under way may have passed the entries whose events were lost: another one follows it.
  if (dumping) {
    dump_again = true;
  } else {
    start_dump();
  }
}

void FdbMonitor::Impl::handle_message(const NetlinkMessage& message) {
  const bool from_dump = dumping && message.sequence == dump_sequence;
  if (from_dump && (message.type == NLMSG_DONE || message.type == NLMSG_ERROR)) {
    handle_dump_end(message);
  } else if (message.type == RTM_NEWNEIGH || message.type == RTM_DELNEIGH) {
    if (from_dump && (message.flags & NLM_F_DUMP_INTR) != 0) dump_again = true;
    handle_entry(message, from_dump);
  }
}

void FdbMonitor::Impl::handle_dump_end(const NetlinkMessage& message) {
  const int error = message.type == NLMSG_ERROR ? -load_native<std::int32_t>(message.payload).value_or(-EPROTO) : 0;
  // ENODEV: the bridge is gone, and with it all of its entries.
  if (error != 0 && error != ENODEV) {
    throw std::system_error(error, std::generic_category(), "list the addresses that the bridge has learned");
  }
  dumping = false;
  table.end_dump(!dump_again);
  if (dump_again) start_dump();
}

void FdbMonitor::Impl::handle_entry(const NetlinkMessage& message, bool from_dump) {
  const auto head = load_native<ndmsg>(message.payload);
  if (!head || head->ndm_family != AF_BRIDGE || (head->ndm_flags & NTF_SELF) != 0) return;
  const BytesView attributes = attributes_after<ndmsg>(message);
  const auto address = find_attribute(attributes, NDA_LLADDR);
  if (find_attribute_as<std::uint32_t>(attributes, NDA_MASTER) != bridge || !address || address->size() != 6) return;

  const FdbKey key{MacAddress::from_bytes(address->data()),
                   find_attribute_as<std::uint16_t>(attributes, NDA_VLAN).value_or(0)};
  const auto port = static_cast<unsigned>(head->ndm_ifindex);
  // A permanent entry is a port's own address. If it was learned elsewhere before, that has ended.
  const bool is_own = (head->ndm_state & NUD_PERMANENT) != 0;
  if (message.type == RTM_DELNEIGH || is_own) {
    if (!from_dump) table.handle_deletion(key);
  } else if (from_dump) {
    table.handle_dumped(key, port);
  } else {
    table.handle_event(key, port);
  }
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
  while (true) {
    if (const auto event = impl.table.poll_event()) return event;
    switch (impl.socket.receive(impl.messages)) {
      case NetlinkSocket::Received::Nothing: return std::nullopt;
      case NetlinkSocket::Received::Overflow: impl.handle_overflow(); break;
      case NetlinkSocket::Received::Messages:
        for (const NetlinkMessage& message : impl.messages) impl.handle_message(message);
    }
  }
}

std::uint64_t FdbMonitor::ignored() const {
  return impl_->table.ignored();
}

std::uint64_t FdbMonitor::redumped() const {
  return impl_->redumped;
}

FdbWriter::FdbWriter() : socket_(std::make_unique<NetlinkSocket>()) {}
FdbWriter::~FdbWriter() = default;
FdbWriter::FdbWriter(FdbWriter&&) noexcept = default;
FdbWriter& FdbWriter::operator=(FdbWriter&&) noexcept = default;

int FdbWriter::set(const MacAddress& mac, unsigned port_ifindex, bool held) {
  ndmsg head{};
  head.ndm_family = AF_BRIDGE;
  head.ndm_ifindex = static_cast<int>(port_ifindex);
  head.ndm_state = NUD_REACHABLE;  // ages as a learned one
  head.ndm_flags = static_cast<std::uint8_t>(NTF_MASTER | (held ? NTF_STICKY : 0));
  NetlinkRequest request{RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE};
  request.header(head).add_bytes(NDA_LLADDR, mac.octets);
  return socket_->change(request);
}

}  // namespace rove
