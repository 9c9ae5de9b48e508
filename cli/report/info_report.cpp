#include "cli/report/info_report.h"

#include <algorithm>

#include "cli/report/peer_json.h"
#include "cli/report/text.h"

namespace rove {
namespace {

std::string_view explain_endpoint(const MemberInfo& member) {
  if (member.is_self) return "it is this node";
  if (!member.peer || member.peer->endpoint.port == 0) {
    return member.endpoints.empty() ? "no endpoint of it is known" : "told by its node record; no session was tried";
  }
  const PeerInfo& peer = *member.peer;
  const bool told =
      std::find(member.endpoints.begin(), member.endpoints.end(), peer.endpoint) != member.endpoints.end();
  if (peer.up) {
    return told ? "its datagrams come from there, and its node record tells it"
                : "its datagrams come from there, though its node record tells others: a NAT, or it moved";
  }
  return peer.heard ? "heard there last; not connected now" : "tried now; nothing was heard from there yet";
}

ReportJson certificate_json(const Certificate& certificate, WallTime now) {
  return {{"prefixes", list_of(certificate.prefixes())},
          {"not_after", to_unix_ms(certificate.not_after()) / 1000},
          {"expires_in_s", std::chrono::duration_cast<std::chrono::seconds>(certificate.not_after() - now).count()}};
}

std::string describe_state(const ReportJson& answer) {
  if (answer.at("self").get<bool>()) return "this node";
  const std::string heard = age_or_empty(answer.at("last_heard_ms"));
  if (!answer.at("up").get<bool>()) return heard.empty() ? "never connected" : "down, heard " + heard + " ago";
  return "up for " + age_or_empty(answer.at("up_ms")) + ", heard " + heard + " ago";
}

std::string describe_certificate(const ReportJson& certificate) {
  if (certificate.is_null()) return "not known";
  const auto left = certificate.at("expires_in_s").get<long long>();
  return join_texts(certificate.at("prefixes")) + (left < 0 ? "; expired" : "; expires in " + format_age(left * 1000));
}

std::string describe_traffic(const ReportJson& traffic, const char* frames, const char* octets) {
  return std::to_string(traffic.at(frames).get<std::uint64_t>()) + " frames, " +
         format_octets(traffic.at(octets).get<double>());
}

std::string render_session(const ReportJson& answer, const TextStyle& style) {
  std::string out;
  if (!answer.at("session_age_ms").is_null()) {
    const auto handshakes = answer.at("handshakes").get<std::uint64_t>();
    out +=
        render_field("session",
                     age_or_empty(answer.at("session_age_ms")) + " old, " + answer.at("algorithm").get<std::string>() +
                         ", " + std::to_string(handshakes) + (handshakes == 1 ? " handshake" : " handshakes"),
                     style);
  }
  if (!answer.at("rtt_us").is_null()) {
    out += render_field("rtt", format_ms(answer.at("rtt_us").get<long long>()), style);
  }
  if (const ReportJson& traffic = answer.at("traffic"); !traffic.is_null()) {
    out += render_field("sent", describe_traffic(traffic, "frames_out", "octets_out"), style);
    out += render_field("received",
                        describe_traffic(traffic, "frames_in", "octets_in") + ", " +
                            std::to_string(traffic.at("drops_in").get<std::uint64_t>()) + " dropped",
                        style);
  }
  return out;
}

}  // namespace

std::string report_info(const MemberInfo& member, Now now) {
  // Without a peer: the same fields, empty.
  PeerInfo peer = member.peer.value_or(PeerInfo{});
  peer.id = member.id;
  if (member.certificate != nullptr) peer.name = member.certificate->name();
  const bool met = member.peer.has_value();

  ReportJson object = make_report();
  const ReportJson fields = to_json(peer, now.steady);
  for (const auto& [name, value] : fields.items()) object[name] = value;
  object["self"] = member.is_self;
  object["path"] = peer.up ? ReportJson("direct") : ReportJson();
  object["endpoint_why"] = explain_endpoint(member);
  object["endpoints"] = list_of(member.endpoints);
  object["session_age_ms"] = peer.session_since ? ReportJson(to_ms(now.steady - *peer.session_since)) : ReportJson();
  object["inner_mtu"] = std::min<std::size_t>(member.inner_mtu, peer.mtu.value_or(0xffff));
  if (!met) object["traffic"] = ReportJson();
  object["certificate"] =
      member.certificate != nullptr ? certificate_json(*member.certificate, now.wall) : ReportJson();
  ReportJson vms = ReportJson::array();
  for (const Claim& claim : member.vms) {
    vms.push_back(
        {{"mac", to_string(claim.mac)}, {"ips", list_of(claim.ips)}, {"sequence", sequence_text(claim.sequence)}});
  }
  object["vms"] = std::move(vms);
  return dump_report(object);
}

std::string render_info(const ReportJson& answer, const TextStyle& style) {
  std::string out = render_field("node", answer.at("name").get<std::string>(), style);
  out += render_field("node id", answer.at("id").get<std::string>(), style);
  out += render_field("state", describe_state(answer), style);
  const std::string endpoint = text_or_empty(answer.at("endpoint"));
  const std::string path = text_or_empty(answer.at("path"));
  out += render_field("endpoint",
                      endpoint + (path.empty() ? "" : " (" + path + ")") + (endpoint.empty() ? "" : ": ") +
                          answer.at("endpoint_why").get<std::string>(),
                      style);
  out += render_field("it tells", join_texts(answer.at("endpoints")), style);
  out += render_session(answer, style);
  out += render_field("inner mtu", std::to_string(answer.at("inner_mtu").get<std::uint64_t>()), style);
  out += render_field("certificate", describe_certificate(answer.at("certificate")), style);
  const ReportJson& vms = answer.at("vms");
  out += render_field("vms", std::to_string(vms.size()) + " known", style);
  if (vms.empty()) return out;
  Table table{{"MAC", "IPS", "SEQUENCE"}};
  for (const ReportJson& vm : vms) {
    table.add_row({vm.at("mac").get<std::string>(),
                   join_texts(vm.at("ips")),
                   {vm.at("sequence").get<std::string>(), Tone::Faint}});
  }
  return out + '\n' + table.to_text(style);
}

}  // namespace rove
