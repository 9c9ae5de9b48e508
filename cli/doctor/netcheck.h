// `rove netcheck`: how this host stands in the underlay.
#pragma once

#include <string>
#include <vector>

#include "cli/base/table.h"
#include "cli/doctor/facts.h"

namespace rove {

// Where peers see this node, the most frequent answer first.
struct SeenAs {
  std::string endpoint;
  std::vector<std::string> by;  // peers' names
};
[[nodiscard]] std::vector<SeenAs> seen_as(const Facts& facts);

// What that says of a NAT on the way. Unknown: no peer has told.
enum class Translation : std::uint8_t {
  Unknown,
  None,        // they see an address of this host, with its port
  Translated,  // all those behind the NAT see one endpoint, which the others may call, too
  PerPeer,     // each sees another: who calls first does not get in
};
[[nodiscard]] std::string_view to_string(Translation translation);  // "unknown", "none", "translated", "per-peer"
[[nodiscard]] Translation find_translation(const Facts& facts);

// The object of `rove netcheck --json`.
[[nodiscard]] std::string report_netcheck(const Facts& facts);
[[nodiscard]] std::string render_netcheck(const Facts& facts, const TextStyle& style);

}  // namespace rove
