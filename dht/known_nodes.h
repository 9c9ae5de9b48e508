// The DHT nodes that answered lately: whom to ask after a restart or an outage.
#pragma once

#include <algorithm>
#include <vector>

#include "dht/dht_engine.h"

namespace rove {

// The best first; at most kKnownNodesMax, the ones that answered longest ago are forgotten. One thread.
class KnownNodes {
 public:
  static constexpr std::size_t kKnownNodesMax = 64;

  explicit KnownNodes(std::vector<KnownDhtNode> nodes) : nodes_(std::move(nodes)) { trim(); }

  // `good` are the ones that answer now; the others stay behind them.
  void update(std::vector<KnownDhtNode> good) {
    for (KnownDhtNode& node : nodes_) {
      const bool is_there = std::any_of(good.begin(), good.end(), [&](const KnownDhtNode& other) {
        return other.id == node.id || other.endpoint == node.endpoint;
      });
      if (!is_there) good.push_back(std::move(node));
    }
    nodes_ = std::move(good);
    trim();
  }

  [[nodiscard]] const std::vector<KnownDhtNode>& list() const { return nodes_; }

 private:
  void trim() {
    if (nodes_.size() > kKnownNodesMax) nodes_.resize(kKnownNodesMax);
  }

  std::vector<KnownDhtNode> nodes_;
};

}  // namespace rove
