#include "cli/doctor/daemon_facts.h"

#include <nlohmann/json.hpp>

namespace rove {
namespace {

using Json = nlohmann::json;

// A field that may be missing or null.
template <typename T>
T get_or(const Json& object, const char* name, T otherwise) {
  const auto field = object.find(name);
  return field == object.end() || field->is_null() ? otherwise : field->get<T>();
}

template <typename Unit>
std::optional<Unit> get_time(const Json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_number()) return std::nullopt;
  return Unit{field->get<std::int64_t>()};
}

std::uint64_t kernel_drops_of(const Json& status) {
  return status.at("counters").value("daemon", Json::object()).value("udp_kernel_drops", std::uint64_t{0});
}

void read_host(const Json& host, DaemonFacts& facts) {
  facts.pid = get_or(host, "pid", std::int64_t{0});
  facts.version = get_or(host, "version", std::string{"unknown"});
  facts.capabilities = get_or(host, "capabilities", std::vector<std::string>{});
  facts.refused = get_or(host, "refused", std::vector<std::string>{});
  for (const Json& socket : host.at("sockets")) {
    const auto local = parse_endpoint(socket.at("local").get<std::string>(), 0);
    facts.sockets.push_back({.local = local.value_or(Endpoint{}),
                             .receive_buffer = socket.at("receive_buffer").get<std::size_t>(),
                             .send_buffer = socket.at("send_buffer").get<std::size_t>(),
                             .wanted_buffer = socket.at("wanted_buffer").get<std::size_t>()});
  }
  for (const Json& offload : host.at("offloads")) {
    facts.offloads.push_back({.name = offload.at("name").get<std::string>(),
                              .wanted = offload.at("wanted").get<bool>(),
                              .used = offload.at("used").get<bool>(),
                              .reason = get_or(offload, "reason", std::string{})});
  }
}

PeerFacts read_peer(const Json& peer) {
  const std::string name = peer.at("name").get<std::string>();
  return {.name = name.empty() ? peer.at("id").get<std::string>() : name,
          .endpoint = get_or(peer, "endpoint", std::string{}),
          .up = peer.at("up").get<bool>(),
          .rtt = get_time<std::chrono::microseconds>(peer, "rtt_us"),
          .last_heard = get_time<std::chrono::milliseconds>(peer, "last_heard_ms"),
          .clock_lead = get_time<std::chrono::milliseconds>(peer, "clock_lead_ms"),
          .observed = get_or(peer, "observed", std::string{}),
          .segmentation = get_or(peer, "segmentation", std::string{"unknown"}),
          .pings = get_or(peer, "pings", std::uint64_t{0}),
          .pongs = get_or(peer, "pongs", std::uint64_t{0})};
}

}  // namespace

std::optional<DaemonFacts> parse_daemon_facts(std::string_view status, std::string_view peers) {
  try {
    const Json object = Json::parse(status);
    DaemonFacts facts;
    facts.node = object.at("node").get<std::string>();
    facts.connected = object.at("location").at("connected").get<bool>();
    facts.lone = object.at("location").at("lone").get<bool>();
    facts.dht_nodes = object.at("location").at("nodes").get<std::size_t>();
    facts.problems = object.at("problems").get<std::vector<std::string>>();
    facts.endpoints = object.at("endpoints").get<std::vector<std::string>>();
    facts.tap = object.at("tap").get<std::string>();
    facts.bridge = object.at("bridge").get<std::string>();
    facts.bridge_ifindex = get_or(object, "bridge_ifindex", 0U);
    facts.inner_mtu = get_or(object, "inner_mtu", std::size_t{0});
    facts.certificate_expires_in_s = object.at("certificate_expires_in_s").get<std::int64_t>();
    facts.kernel_drops = kernel_drops_of(object);
    if (object.contains("host")) read_host(object["host"], facts);
    const Json list = Json::parse(peers);  // lives as long as the loop over a part of it
    for (const Json& peer : list.at("peers")) facts.peers.push_back(read_peer(peer));
    return facts;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::uint64_t parse_kernel_drops(std::string_view status) {
  try {
    return kernel_drops_of(Json::parse(status));
  } catch (const Json::exception&) {
    return 0;
  }
}

}  // namespace rove
