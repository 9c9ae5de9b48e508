#include "cli/report/peer_json.h"

#include <algorithm>
#include <tuple>

namespace rove {

ReportJson to_json(const PeerTrafficCounts& traffic) {
  return {{"frames_out", traffic.frames_out},
          {"octets_out", traffic.octets_out},
          {"frames_in", traffic.frames_in},
          {"octets_in", traffic.octets_in},
          {"drops_in", traffic.drops_in}};
}

ReportJson to_json(const PeerInfo& peer, TimePoint now) {
  ReportJson object = ReportJson::object();
  object["name"] = peer.name;
  object["id"] = to_string(peer.id);
  object["up"] = peer.up;
  object["endpoint"] = peer.endpoint.port == 0 ? ReportJson() : ReportJson(to_string(peer.endpoint));
  object["rtt_us"] = peer.rtt ? ReportJson(to_us(*peer.rtt)) : ReportJson();
  object["up_ms"] = peer.up ? ReportJson(to_ms(now - peer.up_since)) : ReportJson();
  object["last_heard_ms"] = peer.last_heard == TimePoint{} ? ReportJson() : ReportJson(to_ms(now - peer.last_heard));
  object["algorithm"] = peer.algorithm;
  object["segmentation"] = to_string(peer.segments);
  object["handshakes"] = peer.handshakes;
  object["traffic"] = to_json(peer.traffic);
  object["observed"] = peer.observed ? ReportJson(to_string(*peer.observed)) : ReportJson();
  object["clock_lead_ms"] = peer.clock_lead ? ReportJson(to_ms(*peer.clock_lead)) : ReportJson();
  object["pings"] = peer.pings;
  object["pongs"] = peer.pongs;
  return object;
}

ReportJson to_json(std::vector<PeerInfo> peers, TimePoint now) {
  std::sort(peers.begin(), peers.end(),
            [](const PeerInfo& a, const PeerInfo& b) { return std::tie(a.name, a.id) < std::tie(b.name, b.id); });
  ReportJson list = ReportJson::array();
  for (const PeerInfo& peer : peers) list.push_back(to_json(peer, now));
  return list;
}

}  // namespace rove
