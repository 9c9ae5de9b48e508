// Whether a host's packet filter lets datagrams in, as far as its rules say so plainly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rove {

struct FirewallFacts {
  enum class State : std::uint8_t {
    NotSeen,  // no nft, no permission, or an answer that is none
    Open,     // nothing drops them
    Unclear,  // a rule decides that is not read here
    Closed,   // a chain drops them, unless they answer what this host sent
  };
  State state = State::NotSeen;
  std::string why_not;  // NotSeen
  // Closed: the base chain that drops, and how nft names it: "inet filter input".
  std::string chain;
};

// Follows a new datagram from outside to a UDP port through the input chains of `nft -j list ruleset`
// (libnftables-json(5)). Understood are protocol, port, connection state, the loopback interface, and verdicts, also
// of chains that are jumped to; whatever else a rule asks for makes its verdict Unclear.
[[nodiscard]] FirewallFacts judge_ruleset(std::string_view ruleset_json, std::uint16_t udp_port);

}  // namespace rove
