#include "cli/doctor/netcheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/doctor/checks.h"

namespace rove {
namespace {

using Json = nlohmann::ordered_json;
using Family = IpAddress::Family;

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool is_own(const Facts& facts, const Endpoint& endpoint) {
  const bool has_address = std::any_of(facts.underlay.begin(), facts.underlay.end(), [&](const UnderlayLink& link) {
    return std::find(link.addresses.begin(), link.addresses.end(), endpoint.address) != link.addresses.end();
  });
  const auto& sockets = facts.daemon->sockets;
  return has_address && std::any_of(sockets.begin(), sockets.end(),
                                    [&](const SocketReport& socket) { return socket.local.port == endpoint.port; });
}

const RouteFacts* find_route_to(const Facts& facts, const std::string& who) {
  const auto found = std::find_if(facts.routes.begin(), facts.routes.end(),
                                  [&who](const RouteFacts& route) { return route.who == who; });
  return found == facts.routes.end() ? nullptr : &*found;
}

// Of the pings since the daemon's start; the last one may still be under way.
std::optional<double> loss_of(const PeerFacts& peer) {
  if (peer.pings == 0) return std::nullopt;
  const std::uint64_t answered = std::min(peer.pongs, peer.pings);
  return static_cast<double>(peer.pings - answered) / static_cast<double>(peer.pings);
}

struct FamilyView {
  std::vector<std::string> addresses;
  std::vector<std::string> default_links;
  std::string socket;  // empty: none, or no daemon
};

FamilyView view_family(const Facts& facts, Family family) {
  FamilyView view;
  for (const UnderlayLink& link : facts.underlay) {
    for (const IpAddress& ip : link.addresses) {
      if (ip.family() == family) view.addresses.push_back(to_string(ip));
    }
    if (family == Family::V4 ? link.has_default_v4 : link.has_default_v6) view.default_links.push_back(link.name);
  }
  if (!facts.daemon) return view;
  for (const SocketReport& socket : facts.daemon->sockets) {
    if (socket.local.address.family() == family) view.socket = to_string(socket.local);
  }
  return view;
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json to_json(const FamilyView& view) {
  return {{"addresses", view.addresses}, {"default_links", view.default_links}, {"socket", text_or_null(view.socket)}};
}

void add_route(const Facts& facts, const RouteFacts* route, Json& object) {
  const bool known = route != nullptr && route->error.empty();
  object["source"] = known ? Json(to_string(route->source)) : Json();
  object["link"] = known ? text_or_null(route->link) : Json();
  object["link_mtu"] = known && route->link_mtu != 0 ? Json(route->link_mtu) : Json();
  object["path_mtu"] = known && route->path_mtu != 0 ? Json(route->path_mtu) : Json();
  const auto mtu = find_inner_mtu(facts);
  object["needed_mtu"] = known && mtu ? Json(outer_packet_size(*mtu, route->to.address.family())) : Json();
  object["error"] = route != nullptr ? text_or_null(route->error) : Json();
}

Json to_json(const Facts& facts, const PeerFacts& peer) {
  Json object = Json::object();
  object["name"] = peer.name;
  object["up"] = peer.up;
  object["endpoint"] = text_or_null(peer.endpoint);
  object["rtt_us"] = peer.up && peer.rtt ? Json(peer.rtt->count()) : Json();
  const auto loss = loss_of(peer);
  object["loss"] = loss ? Json(*loss) : Json();
  object["pings"] = peer.pings;
  object["observed"] = text_or_null(peer.observed);
  object["segmentation"] = peer.segmentation;
  object["clock_lead_ms"] = peer.clock_lead ? Json(peer.clock_lead->count()) : Json();
  add_route(facts, find_route_to(facts, peer.name), object);
  return object;
}

Json to_json(const Facts& facts, const NameFacts& name) {
  Json object = Json::object();
  object["name"] = to_string(name.name);
  object["error"] = text_or_null(name.error);
  object["addresses"] = Json::array();
  for (const Endpoint& endpoint : name.endpoints) {
    const auto route = std::find_if(facts.routes.begin(), facts.routes.end(), [&](const RouteFacts& each) {
      return each.who == to_string(name.name) && each.to == endpoint;
    });
    Json address = {{"endpoint", to_string(endpoint)}, {"own", route == facts.routes.end()}};
    add_route(facts, route == facts.routes.end() ? nullptr : &*route, address);
    object["addresses"].push_back(std::move(address));
  }
  return object;
}

std::string render_line(std::string_view name, std::string_view value, const TextStyle& style) {
  constexpr std::size_t kNameWidth = 11;
  std::string line = paint(name, Tone::Strong, style);
  line += style.terminal ? std::string(kNameWidth - name.size(), ' ') : "\t";
  return line + clean_cell(value) + '\n';
}

std::string describe(const FamilyView& view) {
  if (view.addresses.empty()) return "no address";
  std::string text = join(view.addresses);
  text += view.default_links.empty() ? "; no default route" : "; default route by " + join(view.default_links);
  return text;
}

std::string describe_seen(const Facts& facts) {
  std::string text;
  for (const SeenAs& seen : seen_as(facts)) {
    text += (text.empty() ? "" : "; ") + seen.endpoint + " by " + join(seen.by);
  }
  switch (find_translation(facts)) {
    case Translation::Unknown: return facts.daemon ? "no peer has told" : "not known without a daemon";
    case Translation::None: return text + ": no address translation";
    case Translation::Translated: return text + ": translated, one endpoint for all";
    case Translation::PerPeer:
      return text + ": translated, another endpoint for each: set endpoints, and forward the port";
  }
  return text;
}

std::string describe_rtt(const PeerFacts& peer) {
  if (!peer.up || !peer.rtt) return {};
  return fmt::format("{:.2f}ms", static_cast<double>(peer.rtt->count()) / 1000);
}

std::string describe_loss(const PeerFacts& peer) {
  const auto loss = loss_of(peer);
  return loss ? fmt::format("{:.1f}% of {}", *loss * 100, peer.pings) : std::string{};
}

void add_way(const Facts& facts, const RouteFacts* route, std::vector<Table::Cell>& row) {
  const bool known = route != nullptr && route->error.empty();
  row.emplace_back(known ? to_string(route->source) : std::string{});
  row.emplace_back(known ? route->link : std::string{});
  const auto mtu = find_inner_mtu(facts);
  const std::size_t needed = known && mtu ? outer_packet_size(*mtu, route->to.address.family()) : 0;
  const bool is_narrow = known && route->path_mtu != 0 && route->path_mtu < needed;
  row.emplace_back(known && route->path_mtu != 0 ? std::to_string(route->path_mtu) : std::string{},
                   is_narrow ? Tone::Bad : Tone::Plain);
  row.emplace_back(needed == 0 ? std::string{} : std::to_string(needed));
}

std::string render_nodes(const Facts& facts, const TextStyle& style) {
  Table table{{"NODE", "STATE", "ENDPOINT", "RTT", "LOSS", "FROM", "LINK", "MTU", "NEEDS"}};
  for (const PeerFacts& peer : facts.daemon ? facts.daemon->peers : std::vector<PeerFacts>{}) {
    std::vector<Table::Cell> row{peer.name,
                                 {peer.up ? "up" : "down", peer.up ? Tone::Good : Tone::Bad},
                                 peer.endpoint,
                                 describe_rtt(peer),
                                 describe_loss(peer)};
    add_way(facts, find_route_to(facts, peer.name), row);
    table.add_row(std::move(row));
  }
  for (const NameFacts& name : facts.bootstrap) {
    if (!name.error.empty()) {
      table.add_row({to_string(name.name), {name.error, Tone::Bad}, "", "", "", "", "", "", ""});
    }
  }
  for (const RouteFacts& route : facts.routes) {
    const bool is_peer = facts.daemon && std::any_of(facts.daemon->peers.begin(), facts.daemon->peers.end(),
                                                     [&](const PeerFacts& peer) { return peer.name == route.who; });
    if (is_peer) continue;
    const bool known = route.error.empty();
    std::vector<Table::Cell> row{
        route.who, {known ? "bootstrap" : route.error, known ? Tone::Plain : Tone::Bad}, to_string(route.to), "", ""};
    add_way(facts, &route, row);
    table.add_row(std::move(row));
  }
  return table.to_text(style);
}

std::string render_offloads(const DaemonFacts& daemon, const TextStyle& style) {
  Table table{{"OFFLOAD", "STATE", "WHY"}};
  for (const OffloadUse& offload : daemon.offloads) {
    const bool fell = offload.wanted && !offload.used;
    table.add_row({offload.name,
                   {offload.used ? "in use" : "off", fell ? Tone::Bad : Tone::Plain},
                   offload.wanted ? offload.reason : std::string{"by the configuration"}});
  }
  return table.to_text(style);
}

}  // namespace

std::vector<SeenAs> seen_as(const Facts& facts) {
  std::map<std::string, std::vector<std::string>> by_endpoint;
  if (facts.daemon) {
    for (const PeerFacts& peer : facts.daemon->peers) {
      if (!peer.observed.empty()) by_endpoint[peer.observed].push_back(peer.name);
    }
  }
  std::vector<SeenAs> seen;
  for (auto& [endpoint, by] : by_endpoint) seen.push_back({endpoint, std::move(by)});
  std::stable_sort(seen.begin(), seen.end(),
                   [](const SeenAs& a, const SeenAs& b) { return a.by.size() > b.by.size(); });
  return seen;
}

std::string_view to_string(Translation translation) {
  switch (translation) {
    case Translation::Unknown: return "unknown";
    case Translation::None: return "none";
    case Translation::Translated: return "translated";
    case Translation::PerPeer: return "per-peer";
  }
  return "unknown";
}

Translation find_translation(const Facts& facts) {
  Translation found = Translation::Unknown;
  std::map<Family, std::set<Endpoint>> translated;
  for (const SeenAs& seen : seen_as(facts)) {
    const auto endpoint = parse_endpoint(seen.endpoint, 0);
    if (!endpoint) continue;
    if (found == Translation::Unknown) found = Translation::None;
    if (!is_own(facts, *endpoint)) translated[endpoint->address.family()].insert(*endpoint);
  }
  for (const auto& [family, endpoints] : translated) {
    if (endpoints.size() > 1) return Translation::PerPeer;
    found = Translation::Translated;
  }
  return found;
}

std::string report_netcheck(const Facts& facts) {
  Json object = Json::object();
  object["schema"] = 1;
  object["network"] = facts.network;
  object["daemon"] = facts.daemon.has_value();
  object["ipv4"] = to_json(view_family(facts, Family::V4));
  object["ipv6"] = to_json(view_family(facts, Family::V6));
  object["endpoints"] = facts.daemon ? Json(facts.daemon->endpoints) : Json::array();
  object["seen_as"] = Json::array();
  for (const SeenAs& seen : seen_as(facts)) object["seen_as"].push_back({{"endpoint", seen.endpoint}, {"by", seen.by}});
  object["translation"] = to_string(find_translation(facts));
  object["peers"] = Json::array();
  object["offloads"] = Json::array();
  if (facts.daemon) {
    for (const PeerFacts& peer : facts.daemon->peers) object["peers"].push_back(to_json(facts, peer));
    for (const OffloadUse& offload : facts.daemon->offloads) {
      object["offloads"].push_back({{"name", offload.name},
                                    {"wanted", offload.wanted},
                                    {"used", offload.used},
                                    {"reason", text_or_null(offload.reason)}});
    }
  }
  object["bootstrap"] = Json::array();
  for (const NameFacts& name : facts.bootstrap) object["bootstrap"].push_back(to_json(facts, name));
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string render_netcheck(const Facts& facts, const TextStyle& style) {
  std::vector<std::string> sockets;
  if (facts.daemon) {
    for (const SocketReport& socket : facts.daemon->sockets) sockets.push_back(to_string(socket.local));
  }
  std::string out;
  out += render_line("listens", facts.daemon ? join(sockets) : facts.daemon_problem, style);
  out += render_line("ipv4", describe(view_family(facts, Family::V4)), style);
  out += render_line("ipv6", describe(view_family(facts, Family::V6)), style);
  if (facts.daemon) out += render_line("tells", join(facts.daemon->endpoints), style);
  out += render_line("seen as", describe_seen(facts), style);
  out += "\n" + render_nodes(facts, style);
  if (facts.daemon) out += "\n" + render_offloads(*facts.daemon, style);
  return out;
}

}  // namespace rove
