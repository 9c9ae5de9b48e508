#include "cli/report/info_report.h"

#include <doctest/doctest.h>

#include "cli/report/render.h"

namespace rove {
namespace {

const Now kNow{TimePoint{std::chrono::seconds{100}}, WallTime{std::chrono::hours{400'000}}};
const Endpoint kEndpoint = *parse_endpoint("10.1.0.2:7683", 0);

MemberInfo sample() {
  MemberInfo member;
  member.id.octets.fill(0x0b);
  member.endpoints = {kEndpoint, *parse_endpoint("[fd01::2]:7683", 0)};
  member.inner_mtu = 1400;
  PeerInfo peer;
  peer.id = member.id;
  peer.name = "b";
  peer.endpoint = kEndpoint;
  peer.up = peer.heard = true;
  peer.rtt = std::chrono::microseconds{420};
  peer.up_since = TimePoint{std::chrono::seconds{20}};
  peer.last_heard = TimePoint{std::chrono::seconds{99}};
  peer.session_since = TimePoint{std::chrono::seconds{35}};
  peer.algorithm = "aes-256-gcm";
  peer.handshakes = 2;
  peer.mtu = 1300;
  peer.traffic = {.frames_out = 12, .octets_out = 1500, .frames_in = 3, .octets_in = 250, .drops_in = 1};
  member.peer = peer;
  Claim claim;
  claim.mac = *parse_mac("02:00:5e:10:00:05");
  claim.ips = {*parse_ip("10.77.0.5")};
  claim.sequence = 7;
  member.vms = {claim};
  return member;
}

std::string text_of(const MemberInfo& member) {
  return render(ControlVerb::Info, report_info(member, kNow), {.style = {.terminal = true, .color = false}});
}

TEST_CASE("info: a connected member on one screen") {
  CHECK(
      report_info(sample(), kNow) ==
      R"({"schema":1,"name":"b","id":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b","up":true,"endpoint":"10.1.0.2:7683",)"
      R"("rtt_us":420,"up_ms":80000,"last_heard_ms":1000,"algorithm":"aes-256-gcm","segmentation":"unknown","handshakes":2,)"
      R"("traffic":{"frames_out":12,"octets_out":1500,"frames_in":3,"octets_in":250,"drops_in":1},)"
      R"("observed":null,"clock_lead_ms":null,"pings":0,"pongs":0,"self":false,)"
      R"("path":"direct","endpoint_why":"its datagrams come from there, and its node record tells it",)"
      R"("endpoints":["10.1.0.2:7683","[fd01::2]:7683"],"session_age_ms":65000,"inner_mtu":1300,)"
      R"("certificate":null,"vms":[{"mac":"02:00:5e:10:00:05","ips":["10.77.0.5"],"sequence":"7"}]})");
  CHECK(text_of(sample()) ==
        "node         b\n"
        "node id      0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b\n"
        "state        up for 1m20s, heard 1s ago\n"
        "endpoint     10.1.0.2:7683 (direct): its datagrams come from there, and its node record tells it\n"
        "it tells     10.1.0.2:7683,[fd01::2]:7683\n"
        "session      1m05s old, aes-256-gcm, 2 handshakes\n"
        "rtt          0.42 ms\n"
        "sent         12 frames, 1.5 kB\n"
        "received     3 frames, 250 B, 1 dropped\n"
        "inner mtu    1300\n"
        "certificate  not known\n"
        "vms          1 known\n"
        "\n"
        "MAC                IPS        SEQUENCE\n"
        "02:00:5e:10:00:05  10.77.0.5  7\n");
}

TEST_CASE("info: why a member has the endpoint that it has") {
  MemberInfo member = sample();
  const auto why = [&member] {
    return ReportJson::parse(report_info(member, kNow)).at("endpoint_why").get<std::string>();
  };
  member.peer->endpoint = *parse_endpoint("203.0.113.9:4000", 0);
  CHECK(why().find("a NAT") != std::string::npos);
  member.peer->up = false;
  CHECK(why() == "heard there last; not connected now");
  member.peer->heard = false;
  CHECK(why() == "tried now; nothing was heard from there yet");
  member.peer.reset();
  CHECK(why() == "told by its node record; no session was tried");
  member.endpoints.clear();
  CHECK(why() == "no endpoint of it is known");
  member.is_self = true;
  CHECK(why() == "it is this node");
}

TEST_CASE("info: a member that was never met has no session and no traffic, and is shown all the same") {
  MemberInfo member = sample();
  member.peer.reset();
  member.vms.clear();

  const ReportJson json = ReportJson::parse(report_info(member, kNow));
  CHECK(json.at("traffic").is_null());
  CHECK(json.at("session_age_ms").is_null());
  CHECK(json.at("path").is_null());
  CHECK(json.at("inner_mtu") == 1400);
  const std::string text = text_of(member);
  CHECK(text.find("state        never connected\n") != std::string::npos);
  CHECK(text.find("\nsession ") == std::string::npos);
}

TEST_CASE("info: a member that is down says since when it was not heard") {
  MemberInfo member = sample();
  member.peer->up = false;
  CHECK(text_of(member).find("state        down, heard 1s ago\n") != std::string::npos);
}

}  // namespace
}  // namespace rove
