// The sites of an emulated WAN, the conditions between them, and the commands that change those.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/time.h"
#include "tests/support/delay_line.h"

namespace rove {

struct WanSite {
  std::string name;
  std::vector<Prefix> prefixes;
};

// "a=10.1.0.0/24" or "a=10.1.0.0/24,fd00:1::/64".
[[nodiscard]] std::optional<WanSite> parse_site(std::string_view text);

// Sorts IP packets by source and destination site and delays them accordingly. Packets within a site pass at once;
// packets from or to nowhere are counted and dropped. Pure; one thread.
class WanNetwork {
 public:
  WanNetwork(std::vector<WanSite> sites, std::uint64_t seed);

  void handle_packet(TimePoint now, BytesView packet);
  [[nodiscard]] std::optional<TimePoint> next_due() const { return line_.next_due(); }
  [[nodiscard]] std::optional<Bytes> pop(TimePoint now) { return line_.pop(now); }

  // One command line; the answer is "ok", "error: …", or, for `show`, one line of JSON.
  //   set [FROM TO] NAME VALUE…   delay, jitter, buffer: 10ms, 500us, 1s · loss, duplicate, reorder: 5%
  //                               rate: 100mbit, 64kbit, 0 (unlimited) · without FROM TO: everywhere;
  //                               * stands for every site; one direction only
  //   cut A [B]                   both directions between A and B, or between A and all others
  //   heal [A [B]]                undoes cuts
  //   show
  [[nodiscard]] std::string handle_command(std::string_view line);

 private:
  using Words = std::vector<std::string_view>;

  [[nodiscard]] std::size_t path(std::size_t from, std::size_t to) const { return from * sites_.size() + to; }
  [[nodiscard]] std::optional<std::size_t> find_site(const IpAddress& ip) const;
  // Indices of the sites that `name` means; empty when there is none. "*" is all.
  [[nodiscard]] std::vector<std::size_t> find_sites(std::string_view name) const;
  std::string set(const Words& words);
  std::string cut(const Words& words, bool cut);
  [[nodiscard]] std::string show() const;

  std::vector<WanSite> sites_;
  DelayLine line_;
  std::uint64_t unrouted_ = 0;
};

}  // namespace rove
