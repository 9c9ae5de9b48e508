#include "cli/report/render.h"

#include "cli/base/failure.h"
#include "cli/report/info_report.h"
#include "cli/report/json.h"
#include "cli/report/lookup_trace.h"
#include "cli/report/ping_report.h"
#include "cli/report/reload_report.h"
#include "cli/report/text.h"

namespace rove {
namespace {

using Json = ReportJson;

std::string describe_location(const Json& location) {
  const auto nodes = location.at("nodes").get<long long>();
  if (location.at("lone").get<bool>() && nodes == 0) return "lone node: no other is known";
  if (!location.at("connected").get<bool>()) return "not connected: lookups of what is not cached fail";
  return "connected, " + std::to_string(nodes) + (nodes == 1 ? " node answers" : " nodes answer");
}

std::string render_counters(const Json& groups, const TextStyle& style) {
  Table table{{"GROUP", "COUNTER", "VALUE"}};
  for (const auto& [group, counters] : groups.items()) {
    for (const auto& [name, value] : counters.items()) {
      const auto count = value.get<std::uint64_t>();
      if (count != 0) table.add_row({group, name, std::to_string(count)});
    }
  }
  return "\n" + table.to_text(style);
}

// Problems first, each with what to do about it; that there is none is said too.
std::string render_health(const Json& health, const TextStyle& style) {
  if (health.empty())
    return paint("health", Tone::Strong, style) + (style.terminal ? "       " : "\t") + paint("ok", Tone::Good, style) +
           '\n';
  std::string out;
  for (const Json& problem : health) {
    out += paint("problem: " + clean_cell(problem.at("what").get<std::string>()), Tone::Bad, style) + '\n';
    const std::string remedy = problem.at("remedy").get<std::string>();
    if (!remedy.empty()) out += "    try: " + clean_cell(remedy) + '\n';
  }
  return out;
}

// One line a peer: is it there, by which path, how far away, how much.
std::string render_peer_lines(const Json& peers, const TextStyle& style) {
  if (peers.empty()) return {};
  Table table{{"PEER", "STATE", "PATH", "RTT", "HEARD", "SENT", "RECEIVED", "DROPPED"}};
  for (const Json& peer : peers) {
    const bool up = peer.at("up").get<bool>();
    const std::string name = peer.at("name").get<std::string>();
    const std::string endpoint = text_or_empty(peer.at("endpoint"));
    const Json& traffic = peer.at("traffic");
    table.add_row({name.empty() ? peer.at("id").get<std::string>() : name,
                   {up ? "up" : "down", up ? Tone::Good : Tone::Bad},
                   up ? "direct " + endpoint : endpoint,
                   format_rtt(peer.at("rtt_us")),
                   age_or_empty(peer.at("last_heard_ms")),
                   format_octets(traffic.at("octets_out").get<double>()),
                   format_octets(traffic.at("octets_in").get<double>()),
                   std::to_string(traffic.at("drops_in").get<std::uint64_t>())});
  }
  return "\n" + table.to_text(style);
}

std::string render_status(const Json& status, const RenderOptions& options) {
  const TextStyle& style = options.style;
  std::string out = render_health(status.at("health"), style);
  const Json& peers = status.at("peers");
  const Json& vms = status.at("vms");
  const auto count = [](const Json& object, const char* name) {
    return std::to_string(object.at(name).get<std::uint64_t>());
  };
  out += render_field("network", status.at("network").get<std::string>(), style);
  out += render_field("node", status.at("node").get<std::string>(), style);
  out += render_field("node id", status.at("node_id").get<std::string>(), style);
  out += render_field("location", describe_location(status.at("location")), style);
  out += render_field("endpoints", join_texts(status.at("endpoints")), style);
  out += render_field("tap", status.at("tap").get<std::string>(), style);
  out += render_field("bridge", status.at("bridge").get<std::string>(), style);
  out += render_field("peers", count(peers, "up") + " up, " + count(peers, "known") + " known", style);
  out += render_field("vms", count(vms, "local") + " here, " + count(vms, "cached") + " cached elsewhere", style);
  out += render_field("up for", format_age(status.at("uptime_ms").get<long long>()), style);
  out += render_field("certificate",
                      "expires in " + format_age(status.at("certificate_expires_in_s").get<long long>() * 1000), style);
  out += render_peer_lines(status.at("peer_list"), style);
  if (options.counters) out += render_counters(status.at("counters"), style);
  return out;
}

std::string render_peers(const Json& answer, const TextStyle& style) {
  Table table{{"NODE", "STATE", "ENDPOINT", "RTT", "FOR", "HEARD", "SENT", "RECEIVED", "CIPHER", "ID"}};
  for (const Json& peer : answer.at("peers")) {
    const bool up = peer.at("up").get<bool>();
    table.add_row({peer.at("name").get<std::string>(),
                   {up ? "up" : "down", up ? Tone::Good : Tone::Bad},
                   text_or_empty(peer.at("endpoint")),
                   format_rtt(peer.at("rtt_us")),
                   age_or_empty(peer.at("up_ms")),
                   age_or_empty(peer.at("last_heard_ms")),
                   format_octets(peer.at("traffic").at("octets_out").get<double>()),
                   format_octets(peer.at("traffic").at("octets_in").get<double>()),
                   peer.at("algorithm").get<std::string>(),
                   {peer.at("id").get<std::string>(), Tone::Faint}});
  }
  return table.to_text(style);
}

std::string vm_state(const Json& vm) {
  const std::string left = age_or_empty(vm.at("expires_ms"));
  return vm.at("state").get<std::string>() + (left.empty() ? left : ", " + left + " left");
}

// How it came to be claimed here.
std::string vm_claimed(const Json& vm) {
  if (vm.at("state").get<std::string>() == "expected") return {};
  return vm.at("pinned").get<bool>() ? "explicitly" : "learned";
}

std::string render_vms(const Json& answer, const TextStyle& style) {
  Table table{{"MAC", "IPS", "STATE", "CLAIMED", "FOR", "MOVED TO", "SEQUENCE"}};
  for (const Json& vm : answer.at("vms")) {
    const std::string state = vm.at("state").get<std::string>();
    table.add_row({vm.at("mac").get<std::string>(),
                   join_texts(vm.at("ips")),
                   {vm_state(vm), state == "live" ? Tone::Good : Tone::Plain},
                   vm_claimed(vm),
                   age_or_empty(vm.at("age_ms")),
                   text_or_empty(vm.at("forward_to")),
                   {vm.at("sequence").get<std::string>(), Tone::Faint}});
  }
  return table.to_text(style);
}

std::string render_lookup(const Json& answer, const TextStyle& style) {
  Table table{{"NODE", "MAC", "IPS", "ENDPOINT", "SOURCE", "AGE", "SEQUENCE", "VERDICT"}};
  for (const Json& each : answer.at("answers")) {
    const bool wins = each.at("wins").get<bool>();
    const std::string name = each.at("node").get<std::string>();
    const Json& endpoints = each.at("endpoints");
    table.add_row({name.empty() ? each.at("node_id").get<std::string>() : name,
                   each.at("mac").get<std::string>(),
                   join_texts(each.at("ips")),
                   endpoints.empty() ? std::string{} : endpoints.front().get<std::string>(),
                   each.at("source").get<std::string>(),
                   age_or_empty(each.at("age_ms")),
                   {each.at("sequence").get<std::string>(), Tone::Faint},
                   {wins ? "wins" : each.at("why_not").get<std::string>(), wins ? Tone::Good : Tone::Faint}});
  }
  std::string out = answer.contains("trace") ? render_trace(answer.at("trace"), style) : std::string{};
  out += table.to_text(style);
  if (answer.contains("trace")) out += render_field("why", answer.at("why").get<std::string>(), style);
  return out;
}

std::string render_timeline(const Json& answer, const TextStyle& style) {
  Table table{
      {"BEGAN", "MOVE", "PEER", "SIGNAL", "CLAIM", "PUSH", "ACK", "FORWARDED", "DIRECT", "REDIRECTS", "END", "AFTER"}};
  for (const Json& move : answer.at("moves")) {
    const auto redirects = move.at("redirects").get<std::uint64_t>();
    table.add_row({format_time(move.at("began_ms")), move.at("kind").get<std::string>(), text_or_empty(move.at("peer")),
                   text_or_empty(move.at("signal")), format_offset(move.at("claim_us")),
                   format_offset(move.at("push_us")), format_offset(move.at("ack_us")),
                   format_offset(move.at("forwarded_us")), format_offset(move.at("direct_us")),
                   redirects == 0 ? std::string{} : std::to_string(redirects), text_or_empty(move.at("end")),
                   format_offset(move.at("end_us"))});
  }
  return table.to_text(style);
}

// As in the log: the event, then key=value.
std::string render_event(const Json& event, const TextStyle& style) {
  const std::string name = event.at("event").get<std::string>();
  if (name == "events-lost") {
    return paint(name + " count=" + std::to_string(event.at("count").get<std::uint64_t>()), Tone::Bad, style) + '\n';
  }
  std::string line = format_time(event.at("time_ms")) + " " + paint(clean_cell(name), Tone::Strong, style);
  for (const char* key : {"peer", "vm"}) {
    if (const std::string value = text_or_empty(event.value(key, Json())); !value.empty()) {
      line += " " + std::string{key} + "=" + clean_cell(value);
    }
  }
  if (const std::string detail = text_or_empty(event.value("detail", Json())); !detail.empty()) {
    line += " " + clean_cell(detail);
  }
  return line + '\n';
}

std::string render_release(const Json& answer) {
  const std::string mac = clean_cell(answer.at("mac").get<std::string>());
  return answer.at("released").get<bool>() ? mac + " released\n" : mac + " was not claimed here\n";
}

std::string render_prepare(const Json& answer) {
  const std::string mac = clean_cell(answer.at("mac").get<std::string>());
  const std::string state = answer.at("state").get<std::string>();
  if (state == "live") return mac + " is here already\n";
  const std::string host = text_or_empty(answer.at("host"));
  const std::string from = host.empty() ? ", nobody known has it yet" : ", now at " + clean_cell(host);
  if (state != "expected") return mac + " left a moment ago" + from + "; prepared for its return\n";
  return mac + " expected for " + format_age(answer.at("expires_ms").get<long long>()) + from + "\n";
}

std::string render_object(ControlVerb verb, const Json& answer, const RenderOptions& options) {
  switch (verb) {
    case ControlVerb::Status: return render_status(answer, options);
    case ControlVerb::Peers: return render_peers(answer, options.style);
    case ControlVerb::Vms: return render_vms(answer, options.style);
    case ControlVerb::Info: return render_info(answer, options.style);
    case ControlVerb::Lookup: return render_lookup(answer, options.style);
    case ControlVerb::Ping: return render_ping(answer);
    case ControlVerb::Timeline: return render_timeline(answer, options.style);
    case ControlVerb::Watch: return render_event(answer, options.style);
    case ControlVerb::Claim: return clean_cell(answer.at("mac").get<std::string>()) + " claimed\n";
    case ControlVerb::Release: return render_release(answer);
    case ControlVerb::Prepare: return render_prepare(answer);
    case ControlVerb::LogLevel: return render_log_level(answer);
    case ControlVerb::Reload: return render_reload(answer, options.style);
    case ControlVerb::Stopped:
    case ControlVerb::Down: return {};
  }
  return {};
}

}  // namespace

std::string render(ControlVerb verb, std::string_view data, const RenderOptions& options) {
  try {
    return render_object(verb, Json::parse(data), options);
  } catch (const Json::exception&) {
    throw Failure(ExitStatus::Failure, std::string{to_string(verb)},
                  "the daemon's answer is not what this rove reads; is it of another version?", "--json");
  }
}

bool is_usable(std::string_view status_data) {
  const Json status = Json::parse(status_data, nullptr, /*allow_exceptions=*/false);
  return status.is_object() && status.value("usable", false);
}

}  // namespace rove
