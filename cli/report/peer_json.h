// One peer as `peers`, `status` and `info` tell of it.
#pragma once

#include <vector>

#include "cli/report/json.h"
#include "core/peer/peer_set.h"

namespace rove {

[[nodiscard]] ReportJson to_json(const PeerTrafficCounts& traffic);
[[nodiscard]] ReportJson to_json(const PeerInfo& peer, TimePoint now);
// Sorted by name.
[[nodiscard]] ReportJson to_json(std::vector<PeerInfo> peers, TimePoint now);

}  // namespace rove
