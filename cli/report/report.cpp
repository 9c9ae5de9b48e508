#include "cli/report/report.h"

#include <algorithm>

#include "cli/report/json.h"
#include "cli/report/lookup_trace.h"
#include "cli/report/peer_json.h"

namespace rove {
namespace {

using Json = ReportJson;

std::string_view to_string(LookupSource source) {
  switch (source) {
    case LookupSource::Local: return "local";
    case LookupSource::Cache: return "cache";
    case LookupSource::Peer: return "peer";
    case LookupSource::Dht: return "dht";
  }
  return "unknown";
}

Json to_json(const HostReport& host) {
  Json object = Json::object();
  object["pid"] = host.pid;
  object["version"] = host.version;
  object["capabilities"] = host.capabilities;
  object["refused"] = host.refused;
  object["workers"] = host.workers;
  object["sockets"] = Json::array();
  for (const SocketReport& socket : host.sockets) {
    object["sockets"].push_back({{"local", to_string(socket.local)},
                                 {"receive_buffer", socket.receive_buffer},
                                 {"send_buffer", socket.send_buffer},
                                 {"wanted_buffer", socket.wanted_buffer}});
  }
  object["offloads"] = Json::array();
  for (const OffloadUse& offload : host.offloads) {
    object["offloads"].push_back({{"name", offload.name},
                                  {"wanted", offload.wanted},
                                  {"used", offload.used},
                                  {"reason", offload.reason.empty() ? Json() : Json(offload.reason)}});
  }
  return object;
}

Json to_json(const LookupAnswer& answer) {
  Json object = Json::object();
  object["wins"] = answer.wins;
  object["why_not"] = answer.why_not;
  object["node"] = answer.owner_name;
  object["node_id"] = to_string(answer.owner);
  object["mac"] = to_string(answer.claim.mac);
  object["ips"] = list_of(answer.claim.ips);
  object["state"] = answer.claim.state == ClaimState::Live ? "live" : "gone";
  object["endpoints"] = list_of(answer.endpoints);
  object["sequence"] = sequence_text(answer.claim.sequence);
  object["age_ms"] = to_ms(answer.age);
  object["source"] = to_string(answer.source);
  return object;
}

Json us_or_null(const std::optional<Duration>& duration) {
  return duration ? Json(to_us(*duration)) : Json();
}

Json to_json(const Move& move, TimePoint now) {
  Json object = Json::object();
  object["kind"] = to_string(move.kind);
  object["peer"] = move.peer.empty() ? Json() : Json(move.peer);
  object["began_ms"] = to_unix_ms(move.began_wall);
  object["age_ms"] = to_ms(now - move.began);
  object["signal"] = move.signal ? Json(to_string(*move.signal)) : Json();
  object["claim_us"] = move.kind == Move::Kind::Prepared ? Json() : Json(to_us(move.to_claim()));
  object["push_us"] = us_or_null(move.to_step(MoveStep::Pushed));
  object["ack_us"] = us_or_null(move.to_step(MoveStep::Acknowledged));
  object["forwarded_us"] = us_or_null(move.to_step(MoveStep::Forwarded));
  object["direct_us"] = us_or_null(move.to_step(MoveStep::Direct));
  object["redirect_us"] = us_or_null(move.to_step(MoveStep::Redirected));
  object["redirects"] = move.redirects;
  object["end"] = move.end ? Json(to_string(*move.end)) : Json();
  object["end_us"] = us_or_null(move.to_end());
  return object;
}

// Cumulative, as Prometheus has it.
Json to_json(const DurationHistogram& histogram) {
  Json object = Json::object();
  object["le"] = DurationHistogram::kBounds;
  Json counts = Json::array();
  for (std::size_t i = 0; i < DurationHistogram::kBounds.size(); ++i) counts.push_back(histogram.count_up_to(i));
  object["counts"] = std::move(counts);
  object["count"] = histogram.count_up_to(DurationHistogram::kBounds.size());
  object["sum"] = std::chrono::duration<double, std::milli>(histogram.sum()).count();
  return object;
}

Json make_event(std::string_view name, WallTime when) {
  Json object = make_report();
  object["event"] = name;
  object["time_ms"] = to_unix_ms(when);
  return object;
}

}  // namespace

CounterList packet_counters(const ForwarderCounters& counters) {
  return {{"frames_in", counters.frames_in},
          {"frames_out", counters.frames_out},
          {"bytes_in", counters.bytes_in},
          {"bytes_out", counters.bytes_out},
          {"datagrams_sealed", counters.datagrams_sealed},
          {"datagrams_opened", counters.datagrams_opened},
          {"frames_forwarded", counters.frames_forwarded},
          {"frames_held", counters.frames_held},
          {"frames_kept_ahead", counters.frames_kept_ahead},
          {"frames_homebound", counters.frames_homebound},
          {"frames_punted", counters.frames_punted},
          {"frames_unproven", counters.frames_unproven},
          {"superframes_in", counters.superframes_in},
          {"frames_joined", counters.frames_joined},
          {"frames_packed", counters.frames_packed},
          {"events_dropped", counters.events_dropped}};
}

CounterList drop_counters(const ForwarderCounters& counters) {
  CounterList list;
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    list.emplace_back(to_string(static_cast<DropReason>(i)), counters.drops[i]);
  }
  return list;
}

CounterList peer_counters(const PeerSetCounters& counters) {
  return {{"sealed_opened", counters.sealed_opened},           {"sealed_malformed", counters.sealed_malformed},
          {"handshakes_started", counters.handshakes_started}, {"handshakes_completed", counters.handshakes_completed},
          {"handshakes_refused", counters.handshakes_refused}, {"handshakes_repeated", counters.handshakes_repeated},
          {"handshakes_limited", counters.handshakes_limited}, {"control_dropped", counters.control_dropped},
          {"unknown_messages", counters.unknown_messages},     {"segments_refused", counters.segments_refused}};
}

CounterList capture_counters(const PortCaptureCounters& counters) {
  return {{"ports", counters.ports},
          {"ports_refused", counters.ports_refused},
          {"transits", counters.transits},
          {"frames_seen", counters.frames_seen},
          {"frames_lost", counters.frames_lost},
          {"frames_found", counters.frames_found},
          {"stops", counters.stops},
          {"stops_used", counters.stops_used},
          {"frames_streamed", counters.frames_streamed},
          {"frames_undelivered", counters.frames_undelivered},
          {"messages_lost", counters.messages_lost}};
}

CounterList dht_counters(const DhtCounters& counters) {
  return {{"datagrams_in", counters.datagrams_in},
          {"datagrams_in_dropped", counters.datagrams_in_dropped},
          {"datagrams_out", counters.datagrams_out},
          {"datagrams_out_dropped", counters.datagrams_out_dropped},
          {"bad_shape", counters.bad_shape},
          {"stores_accepted", counters.stores_accepted},
          {"stores_refused", counters.stores_refused},
          {"lookups", counters.lookups},
          {"lookups_refused", counters.lookups_refused},
          {"events_dropped", counters.events_dropped},
          {"rebuilds", counters.rebuilds},
          {"published", counters.published},
          {"watches", counters.watches}};
}

std::vector<HealthProblem> all_problems(const StatusReport& report) {
  std::vector<HealthProblem> problems = report.problems;
  for (const VmConflict& conflict : report.node.conflicts) {
    problems.push_back({"VM " + to_string(conflict.mac) + " is alive here and at " + conflict.other +
                            (conflict.muted_here ? ": the one here came later and is cut off"
                                                 : ": the one there came later and is cut off"),
                        "switch one of them off, or give it a MAC of its own"});
  }
  return problems;
}

std::string report_status(const StatusReport& report) {
  Json object = make_report();
  object["network"] = report.node.network_name;
  object["network_id"] = to_string(report.node.network);
  object["node"] = report.node.name;
  object["node_id"] = to_string(report.node.id);
  object["usable"] = report.usable;
  object["problems"] = Json::array();
  object["health"] = Json::array();
  object["conflicts"] = Json::array();
  for (const VmConflict& conflict : report.node.conflicts) {
    object["conflicts"].push_back(
        {{"mac", to_string(conflict.mac)}, {"other", conflict.other}, {"muted_here", conflict.muted_here}});
  }
  for (const HealthProblem& problem : all_problems(report)) {
    object["problems"].push_back(problem.what);
    object["health"].push_back({{"what", problem.what}, {"remedy", problem.remedy}});
  }
  // A service without other nodes is connected to itself; an operator means others.
  const LocationStatus& location = report.node.location;
  object["location"] = {
      {"connected", location.connected && location.nodes > 0}, {"nodes", location.nodes}, {"lone", report.lone}};
  object["endpoints"] = list_of(report.node.endpoints);
  object["tap"] = report.tap;
  object["port"] = report.port;
  object["network_namespace"] = report.network_namespace;
  object["bridge"] = report.bridge;
  object["bridge_ifindex"] = report.bridge_ifindex;
  object["inner_mtu"] = report.inner_mtu;
  object["host"] = to_json(report.host);
  object["peers"] = {{"up", report.node.peers_up}, {"known", report.node.peers_known}};
  object["peer_list"] = to_json(report.peers, report.at);
  object["vms"] = {{"local", report.node.vms_local}, {"cached", report.node.vms_cached}};
  object["uptime_ms"] = to_ms(report.uptime);
  object["time_ms"] = to_unix_ms(report.now);
  object["certificate_expires_in_s"] =
      std::chrono::duration_cast<std::chrono::seconds>(report.certificate_not_after - report.now).count();
  Json groups = Json::object();
  for (const auto& [group, counters] : report.counters) {
    Json values = Json::object();
    for (const auto& [name, value] : counters) values[name] = value;
    groups[group] = std::move(values);
  }
  object["counters"] = std::move(groups);
  object["histograms"] = {{"move_claim_ms", to_json(report.node.moves.claim)},
                          {"move_acknowledge_ms", to_json(report.node.moves.acknowledge)},
                          {"move_frame_ms", to_json(report.node.moves.frame)}};
  return dump_report(object);
}

std::string report_peers(std::vector<PeerInfo> peers, TimePoint now) {
  Json object = make_report();
  object["peers"] = to_json(std::move(peers), now);
  return dump_report(object);
}

std::string report_vms(std::vector<VmStatus> vms, const std::map<NodeId, std::string>& names) {
  std::sort(vms.begin(), vms.end(), [](const VmStatus& a, const VmStatus& b) { return a.mac < b.mac; });
  Json object = make_report();
  Json list = Json::array();
  for (const VmStatus& vm : vms) {
    Json entry = Json::object();
    entry["mac"] = to_string(vm.mac);
    entry["ips"] = list_of(vm.ips);
    entry["state"] = to_string(vm.state);
    entry["pinned"] = vm.pinned;
    entry["sequence"] = sequence_text(vm.sequence);
    entry["age_ms"] = to_ms(vm.age);
    entry["expires_ms"] = vm.time_left ? Json(to_ms(*vm.time_left)) : Json();
    entry["forward_to"] = Json();
    if (vm.forward_to) {
      const auto name = names.find(*vm.forward_to);
      entry["forward_to"] = name == names.end() ? to_string(*vm.forward_to) : name->second;
    }
    list.push_back(std::move(entry));
  }
  object["vms"] = std::move(list);
  return dump_report(object);
}

std::string report_lookup(const LookupResult& result, bool trace) {
  Json object = make_report();
  object["address"] = to_string(result.address);
  const auto winner = std::find_if(result.answers.begin(), result.answers.end(),
                                   [](const LookupAnswer& answer) { return answer.wins; });
  const bool found = !result.error && winner != result.answers.end();
  object["found"] = found;
  if (!found) {
    object["error"] = result.error == make_error_code(Error::Unavailable) ? "unavailable" : "unknown";
  } else {
    // The winner's fields stand at the top too: what a script wants is one step away.
    const Json fields = to_json(*winner);
    for (const auto& [name, value] : fields.items()) {
      if (name != "wins" && name != "why_not") object[name] = value;
    }
    object["endpoint"] = winner->endpoints.empty() ? Json() : Json(to_string(winner->endpoints.front()));
  }
  Json answers = Json::array();
  for (const LookupAnswer& answer : result.answers) answers.push_back(to_json(answer));
  object["answers"] = std::move(answers);
  if (trace) {
    object["why"] = result.why;
    object["trace"] = trace_json(result);
  }
  return dump_report(object);
}

std::string report_claim(const MacAddress& mac, std::uint64_t sequence) {
  Json object = make_report();
  object["mac"] = to_string(mac);
  object["sequence"] = sequence_text(sequence);
  return dump_report(object);
}

std::string report_prepare(const MacAddress& mac, const PreparedVm& prepared) {
  Json object = make_report();
  object["mac"] = to_string(mac);
  object["state"] = to_string(prepared.state);
  object["expires_ms"] = prepared.state == VmState::Expected ? Json(to_ms(prepared.time_left)) : Json();
  object["host"] = prepared.host.empty() ? Json() : Json(prepared.host);
  return dump_report(object);
}

std::string report_release(const MacAddress& mac, bool released) {
  Json object = make_report();
  object["mac"] = to_string(mac);
  object["released"] = released;
  return dump_report(object);
}

std::string report_stopped(const MacAddress& mac) {
  Json object = make_report();
  object["mac"] = to_string(mac);
  return dump_report(object);
}

std::string report_down() {
  Json object = make_report();
  object["stopping"] = true;
  return dump_report(object);
}

std::string report_timeline(const VmAddress& address, const std::optional<VmMoves>& found, TimePoint now) {
  Json object = make_report();
  object["address"] = to_string(address);
  object["mac"] = found ? Json(to_string(found->mac)) : Json();
  Json list = Json::array();
  if (found) {
    for (const Move& move : found->moves) list.push_back(to_json(move, now));
  }
  object["moves"] = std::move(list);
  return dump_report(object);
}

std::string report_watching(WallTime now) {
  return dump_report(make_event("watching", now));
}

std::string report_event(const NodeEvent& event, Now now) {
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now.steady - event.when);
  Json object = make_event(to_string(event.kind), now.wall - age);
  object["peer"] = event.peer.empty() ? Json() : Json(event.peer);
  object["vm"] = event.vm ? Json(to_string(*event.vm)) : Json();
  object["detail"] = event.detail;
  return dump_report(object);
}

std::string report_events_lost(std::uint64_t count) {
  Json object = make_report();
  object["event"] = "events-lost";
  object["count"] = count;
  return dump_report(object);
}

std::string report_enrolment(const Enrolment& made) {
  Json object = make_report();
  object["network"] = made.network;
  object["network_id"] = to_string(made.network_id);
  object["node"] = made.node;
  object["node_id"] = to_string(made.node_id);
  object["prefixes"] = list_of(made.prefixes);
  object["not_after"] = to_unix_ms(made.not_after) / 1000;
  Json files = Json::array();
  for (const auto& file : made.files) files.push_back(file.string());
  object["files"] = std::move(files);
  return dump_report(object);
}

std::string report_check(const std::string& network, const std::string& config_file, const std::string& node) {
  Json object = make_report();
  object["network"] = network;
  object["config"] = config_file;
  object["node"] = node;
  object["valid"] = true;
  return dump_report(object);
}

std::string report_version(const std::string& version, const std::string& commit) {
  Json object = make_report();
  object["version"] = version;
  object["commit"] = commit;
  return dump_report(object);
}

}  // namespace rove
