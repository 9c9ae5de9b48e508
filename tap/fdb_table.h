// What a bridge has learned, and how it differs from what was known before.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "core/base/address.h"
#include "tap/netlink.h"

namespace rove {

// With VLAN filtering a bridge learns a MAC once for each VLAN; 0: no VLAN.
struct FdbKey {
  MacAddress mac;
  std::uint16_t vlan = 0;
  auto operator<=>(const FdbKey&) const = default;
};

// Merges the kernel's events with its dumps. Pure; one thread.
//
// While a dump runs, events come as well, and the dump may have passed an entry before it changed: what an event told
// since the dump's start counts, what the dump tells of that entry does not. An entry that neither told of when a
// complete dump ends is gone.
//
// At most `entries_max` MACs and VLANs; further ones are ignored and counted until others go.
class FdbTable {
 public:
  explicit FdbTable(std::size_t entries_max) : entries_max_(entries_max) {}

  void handle_event(const FdbKey& key, unsigned port);
  void handle_deletion(const FdbKey& key);

  void begin_dump();
  void handle_dumped(const FdbKey& key, unsigned port);
  // `complete`: no event was lost since begin_dump().
  void end_dump(bool complete);

  // Changes in the order in which they were told: a MAC that came, moved to another port, or went from all VLANs.
  [[nodiscard]] std::optional<FdbEvent> poll_event();
  [[nodiscard]] std::uint64_t ignored() const { return ignored_; }

 private:
  struct Entry {
    unsigned port = 0;
    std::uint64_t told = 0;  // when, by clock_
  };
  using Entries = std::map<FdbKey, Entry>;

  void store(const FdbKey& key, unsigned port, std::uint64_t told);
  void erase(Entries::iterator entry);

  std::size_t entries_max_;
  Entries entries_;
  std::map<FdbKey, std::uint64_t> deleted_;  // since the dump's start; as bounded as entries_
  std::deque<FdbEvent> events_;
  bool dumping_ = false;
  std::uint64_t clock_ = 0;  // counts events and dumps
  std::uint64_t dump_started_ = 0;
  std::uint64_t ignored_ = 0;
};

}  // namespace rove
