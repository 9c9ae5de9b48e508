#include "cli/report/report.h"

#include <doctest/doctest.h>

#include "cli/report/render.h"
#include "core/crypto/hash.h"

namespace rove {
namespace {

const MacAddress kMac = *parse_mac("02:00:5e:10:00:01");

NodeId node_id(std::uint8_t number) {
  NodeId id;
  id.octets.fill(number);
  return id;
}

std::string text_of(ControlVerb verb, const std::string& data, bool counters = false) {
  return render(verb, data, {.style = {.terminal = true, .color = false}, .counters = counters});
}

StatusReport sample_status() {
  StatusReport report;
  report.node.name = "a";
  report.node.id = node_id(0x0a);
  report.node.network_name = "demo";
  report.node.endpoints = {*parse_endpoint("10.1.0.2:7683", 0)};
  report.node.peers_up = 2;
  report.node.peers_known = 3;
  report.node.vms_local = 1;
  report.node.vms_cached = 4;
  report.node.location = {.connected = true, .nodes = 3};
  report.node.moves.claim.add(std::chrono::microseconds{2'500});
  report.usable = true;
  report.uptime = std::chrono::seconds{200};
  report.now = WallTime{std::chrono::hours{1'000'000}};
  report.certificate_not_after = report.now + std::chrono::hours{24 * 300};
  report.tap = "rove0";
  report.port = 7683;
  report.network_namespace = 4026531840;
  report.bridge = "br0";
  report.bridge_ifindex = 5;
  report.inner_mtu = 1400;
  report.host = {.pid = 17,
                 .version = "0.1.0",
                 .capabilities = {"net_admin"},
                 .refused = {"nice"},
                 .workers = 2,
                 .sockets = {{.local = *parse_endpoint("0.0.0.0:7683", 0),
                              .receive_buffer = 1000,
                              .send_buffer = 2000,
                              .wanted_buffer = 3000}},
                 .offloads = {{.name = "tap_tcp", .wanted = true, .used = true, .reason = {}},
                              {.name = "tap_udp", .wanted = true, .used = false, .reason = "old"}}};
  report.counters = {{"drops", {{"replayed", 7}, {"malformed", 0}}}};
  return report;
}

LookupResult sample_lookup() {
  LookupAnswer winner;
  winner.claim.mac = kMac;
  winner.claim.ips = {*parse_ip("10.77.0.5")};
  winner.claim.sequence = 0xffff'ffff'ffff'ffff;
  winner.owner = node_id(0x0b);
  winner.owner_name = "b";
  winner.endpoints = {*parse_endpoint("10.2.0.2:7683", 0)};
  winner.source = LookupSource::Dht;
  winner.age = std::chrono::milliseconds{1500};
  winner.wins = true;
  LookupAnswer loser = winner;
  loser.owner = node_id(0x0c);
  loser.owner_name = "";
  loser.endpoints = {};
  loser.claim.sequence = 5;
  loser.wins = false;
  loser.why_not = "older";
  return {.ticket = {}, .address = *parse_ip("10.77.0.5"), .error = {}, .answers = {winner, loser}};
}

}  // namespace

TEST_CASE("status: two VMs with one MAC are a problem, and say which of them is cut off") {
  StatusReport status = sample_status();
  status.node.conflicts = {{*parse_mac("02:00:5e:10:00:01"), "b", false}, {*parse_mac("02:00:5e:10:00:02"), "c", true}};

  const std::string json = report_status(status);

  CHECK(json.find(R"("VM 02:00:5e:10:00:01 is alive here and at b: the one there came later and is cut off")") !=
        std::string::npos);
  CHECK(json.find(R"("VM 02:00:5e:10:00:02 is alive here and at c: the one here came later and is cut off")") !=
        std::string::npos);
  CHECK(json.find(R"({"mac":"02:00:5e:10:00:02","other":"c","muted_here":true})") != std::string::npos);
}

TEST_CASE("status: the JSON is as documented") {
  CHECK(report_status(sample_status()) ==
        R"({"schema":1,"network":"demo","network_id":"00000000000000000000000000000000","node":"a",)"
        R"("node_id":"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a","usable":true,"problems":[],"health":[],"conflicts":[],)"
        R"("location":{"connected":true,"nodes":3,"lone":false},"endpoints":["10.1.0.2:7683"],"tap":"rove0",)"
        R"("port":7683,"network_namespace":4026531840,)"
        R"("bridge":"br0","bridge_ifindex":5,"inner_mtu":1400,)"
        R"("host":{"pid":17,"version":"0.1.0","capabilities":["net_admin"],"refused":["nice"],"workers":2,)"
        R"("sockets":[{"local":"0.0.0.0:7683","receive_buffer":1000,"send_buffer":2000,"wanted_buffer":3000}],)"
        R"("offloads":[{"name":"tap_tcp","wanted":true,"used":true,"reason":null},)"
        R"({"name":"tap_udp","wanted":true,"used":false,"reason":"old"}]},)"
        R"("peers":{"up":2,"known":3},"peer_list":[],"vms":{"local":1,"cached":4},"uptime_ms":200000,)"
        R"("time_ms":3600000000000,)"
        R"("certificate_expires_in_s":25920000,"counters":{"drops":{"replayed":7,"malformed":0}},)"
        R"("histograms":{)"
        R"("move_claim_ms":{"le":[1,2,5,10,20,50,100,200,500,1000,2000,5000],)"
        R"("counts":[0,0,1,1,1,1,1,1,1,1,1,1],"count":1,"sum":2.5},)"
        R"("move_acknowledge_ms":{"le":[1,2,5,10,20,50,100,200,500,1000,2000,5000],)"
        R"("counts":[0,0,0,0,0,0,0,0,0,0,0,0],"count":0,"sum":0.0},)"
        R"("move_frame_ms":{"le":[1,2,5,10,20,50,100,200,500,1000,2000,5000],)"
        R"("counts":[0,0,0,0,0,0,0,0,0,0,0,0],"count":0,"sum":0.0}}})");
}

TEST_CASE("status: people see problems first, then one fact a line") {
  StatusReport report = sample_status();
  report.problems = {{"something is wrong", "rove mend"}, {"more is wrong", ""}};
  report.peers = {PeerInfo{}};
  report.peers[0].id = node_id(2);
  report.peers[0].name = "b";
  report.peers[0].up = true;
  report.peers[0].endpoint = *parse_endpoint("10.2.0.2:7683", 0);
  report.peers[0].rtt = std::chrono::microseconds{850};
  report.peers[0].last_heard = TimePoint{std::chrono::seconds{68}};
  report.peers[0].traffic = {.octets_out = 1500, .octets_in = 20, .drops_in = 3};
  report.at = TimePoint{std::chrono::seconds{70}};

  CHECK(text_of(ControlVerb::Status, report_status(report)) ==
        "problem: something is wrong\n"
        "    try: rove mend\n"
        "problem: more is wrong\n"
        "network      demo\n"
        "node         a\n"
        "node id      0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\n"
        "location     connected, 3 nodes answer\n"
        "endpoints    10.1.0.2:7683\n"
        "tap          rove0\n"
        "bridge       br0\n"
        "peers        2 up, 3 known\n"
        "vms          1 here, 4 cached elsewhere\n"
        "up for       3m20s\n"
        "certificate  expires in 300d\n"
        "\n"
        "PEER  STATE  PATH                  RTT    HEARD  SENT    RECEIVED  DROPPED\n"
        "b     up     direct 10.2.0.2:7683  850us  2s     1.5 kB  20 B      3\n");
  CHECK(report_status(report).find(
            R"("problems":["something is wrong","more is wrong"],"health":[{"what":"something is wrong","remedy":)"
            R"("rove mend"},{"what":"more is wrong","remedy":""}])") != std::string::npos);
}

TEST_CASE("status: that nothing is wrong is the first thing said") {
  const std::string text = text_of(ControlVerb::Status, report_status(sample_status()));

  CHECK(text.starts_with("health       ok\nnetwork      demo\n"));
}

TEST_CASE("status: counters are shown on demand, without those at zero") {
  const std::string text = text_of(ControlVerb::Status, report_status(sample_status()), /*counters=*/true);

  CHECK(text.find("drops  replayed  7\n") != std::string::npos);
  CHECK(text.find("malformed") == std::string::npos);
}

TEST_CASE("status: a lone node and a lost one are told apart") {
  StatusReport lone = sample_status();
  lone.node.location = {.connected = true, .nodes = 0};
  lone.lone = true;
  StatusReport lost = lone;
  lost.lone = false;
  lost.usable = false;

  CHECK(text_of(ControlVerb::Status, report_status(lone)).find("lone node") != std::string::npos);
  CHECK(text_of(ControlVerb::Status, report_status(lost)).find("not connected") != std::string::npos);
  CHECK(is_usable(report_status(lone)));
  CHECK_FALSE(is_usable(report_status(lost)));
}

TEST_CASE("peers: sorted by name, with path, round trip and ages") {
  PeerInfo up;
  up.id = node_id(2);
  up.name = "b";
  up.endpoint = *parse_endpoint("10.2.0.2:7683", 0);
  up.up = true;
  up.rtt = std::chrono::microseconds{850};
  up.up_since = TimePoint{std::chrono::seconds{10}};
  up.last_heard = TimePoint{std::chrono::seconds{68}};
  up.algorithm = "aes-256-gcm";
  up.segments = SegmentProbe::State::Works;
  up.handshakes = 3;
  up.observed = *parse_endpoint("203.0.113.7:1024", 0);
  up.clock_lead = std::chrono::milliseconds{-40};
  up.pings = 9;
  up.pongs = 8;
  up.traffic = {.frames_out = 1, .octets_out = 2'000'000, .frames_in = 3, .octets_in = 999, .drops_in = 5};
  PeerInfo down;
  down.id = node_id(1);
  down.name = "a";

  const std::string data = report_peers({up, down}, TimePoint{std::chrono::seconds{70}});

  CHECK(data ==
        R"({"schema":1,"peers":[{"name":"a","id":"01010101010101010101010101010101","up":false,"endpoint":null,)"
        R"("rtt_us":null,"up_ms":null,"last_heard_ms":null,"algorithm":"","segmentation":"unknown","handshakes":0,)"
        R"("traffic":{"frames_out":0,"octets_out":0,"frames_in":0,"octets_in":0,"drops_in":0},)"
        R"("observed":null,"clock_lead_ms":null,"pings":0,"pongs":0},)"
        R"({"name":"b","id":"02020202020202020202020202020202","up":true,"endpoint":"10.2.0.2:7683","rtt_us":850,)"
        R"("up_ms":60000,"last_heard_ms":2000,"algorithm":"aes-256-gcm","segmentation":"works","handshakes":3,)"
        R"("traffic":{"frames_out":1,"octets_out":2000000,"frames_in":3,"octets_in":999,"drops_in":5},)"
        R"("observed":"203.0.113.7:1024","clock_lead_ms":-40,"pings":9,"pongs":8}]})");
  CHECK(text_of(ControlVerb::Peers, data) ==
        "NODE  STATE  ENDPOINT       RTT    FOR    HEARD  SENT    RECEIVED  CIPHER       ID\n"
        "a     down   -              -      -      -      0 B     0 B       -            "
        "01010101010101010101010101010101\n"
        "b     up     10.2.0.2:7683  850us  1m00s  2s     2.0 MB  999 B     aes-256-gcm  "
        "02020202020202020202020202020202\n");
}

TEST_CASE("vms: sorted by MAC; one that left says where to, by name when that is known") {
  VmStatus live;
  live.mac = *parse_mac("02:00:5e:10:00:02");
  live.ips = {*parse_ip("10.77.0.6"), *parse_ip("fd00::6")};
  live.sequence = 77;
  live.age = std::chrono::seconds{5};
  VmStatus left = live;
  left.mac = kMac;
  left.ips = {};
  left.state = VmState::Forwarding;
  left.pinned = true;
  left.forward_to = node_id(0x0b);

  const std::string data = report_vms({live, left}, {{node_id(0x0b), "b"}});

  CHECK(
      data ==
      R"({"schema":1,"vms":[{"mac":"02:00:5e:10:00:01","ips":[],"state":"forwarding","pinned":true,"sequence":"77",)"
      R"("age_ms":5000,"expires_ms":null,"forward_to":"b"},{"mac":"02:00:5e:10:00:02","ips":["10.77.0.6","fd00::6"],"state":"live",)"
      R"("pinned":false,"sequence":"77","age_ms":5000,"expires_ms":null,"forward_to":null}]})");
  CHECK(text_of(ControlVerb::Vms, data) ==
        "MAC                IPS                STATE       CLAIMED     FOR  MOVED TO  SEQUENCE\n"
        "02:00:5e:10:00:01  -                  forwarding  explicitly  5s   b         77\n"
        "02:00:5e:10:00:02  10.77.0.6,fd00::6  live        learned     5s   -         77\n");
  CHECK(report_vms({left}, {}).find(R"("forward_to":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b")") != std::string::npos);
}

TEST_CASE("lookup: the winner stands at the top, all answers below, sequences without loss") {
  const std::string data = report_lookup(sample_lookup());

  CHECK(data ==
        R"({"schema":1,"address":"10.77.0.5","found":true,"node":"b","node_id":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",)"
        R"("mac":"02:00:5e:10:00:01","ips":["10.77.0.5"],"state":"live","endpoints":["10.2.0.2:7683"],)"
        R"("sequence":"18446744073709551615","age_ms":1500,"source":"dht","endpoint":"10.2.0.2:7683","answers":[)"
        R"({"wins":true,"why_not":"","node":"b","node_id":"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",)"
        R"("mac":"02:00:5e:10:00:01","ips":["10.77.0.5"],"state":"live","endpoints":["10.2.0.2:7683"],)"
        R"("sequence":"18446744073709551615","age_ms":1500,"source":"dht"},)"
        R"({"wins":false,"why_not":"older","node":"","node_id":"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c",)"
        R"("mac":"02:00:5e:10:00:01","ips":["10.77.0.5"],"state":"live","endpoints":[],)"
        R"("sequence":"5","age_ms":1500,"source":"dht"}]})");
  CHECK(
      text_of(ControlVerb::Lookup, data) ==
      "NODE                              MAC                IPS        ENDPOINT       SOURCE  AGE  SEQUENCE            "
      " "
      " VERDICT\n"
      "b                                 02:00:5e:10:00:01  10.77.0.5  10.2.0.2:7683  dht     1s   "
      "18446744073709551615  wins\n"
      "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c  02:00:5e:10:00:01  10.77.0.5  -              dht     1s   5                  "
      "   older\n");
}

TEST_CASE("lookup: with --trace each step has its time, and the winner its reason") {
  LookupResult result = sample_lookup();
  result.why = "it is the only claim that counts";
  result.steps = {{.kind = LookupStep::Kind::Cache, .from = "cache", .verdict = "nothing is known"},
                  {.kind = LookupStep::Kind::Answer,
                   .at = std::chrono::microseconds{12'345},
                   .from = "dht",
                   .node = "c",
                   .sequence = 5,
                   .verified = false,
                   .verdict = "refused: expired"},
                  {.kind = LookupStep::Kind::Decided,
                   .at = std::chrono::milliseconds{130},
                   .from = "cache",
                   .node = "b",
                   .sequence = 0xffff'ffff'ffff'ffff,
                   .verdict = "it is the only claim that counts"}};
  result.steps_left_out = 2;

  const std::string data = report_lookup(result, /*trace=*/true);

  CHECK(data.find(R"("why":"it is the only claim that counts","trace":{"steps":[{"at_us":0,"step":"cache",)"
                  R"("from":"cache","node":null,"sequence":null,"verified":null,"verdict":"nothing is known"},)"
                  R"({"at_us":12345,"step":"answer","from":"dht","node":"c","sequence":"5","verified":false,)"
                  R"("verdict":"refused: expired"},{"at_us":130000,"step":"decided","from":"cache","node":"b",)"
                  R"("sequence":"18446744073709551615","verified":null,"verdict":"it is the only claim that counts"}],)"
                  R"("left_out":2}})") != std::string::npos);
  const std::string text = text_of(ControlVerb::Lookup, data);
  CHECK(text.starts_with(
      "AT        STEP     FROM   CLAIM OF  SEQUENCE              VERIFIED  VERDICT\n"
      "+0.00ms   cache    cache  -         -                     -         nothing is known\n"
      "+12.34ms  answer   dht    c         5                     no        refused: expired\n"
      "+130ms    decided  cache  b         18446744073709551615  -         it is the only claim that counts\n"
      "and 2 steps more\n\nNODE "));
  CHECK(text.ends_with("\nwhy          it is the only claim that counts\n"));
  CHECK(report_lookup(result).find("trace") == std::string::npos);
}

TEST_CASE("lookup: not found is data too, and says why") {
  LookupResult unknown = sample_lookup();
  unknown.answers = {};
  unknown.error = make_error_code(Error::Unknown);
  LookupResult unavailable = unknown;
  unavailable.error = make_error_code(Error::Unavailable);

  CHECK(report_lookup(unknown) == R"({"schema":1,"address":"10.77.0.5","found":false,"error":"unknown","answers":[]})");
  CHECK(report_lookup(unavailable) ==
        R"({"schema":1,"address":"10.77.0.5","found":false,"error":"unavailable","answers":[]})");
}

TEST_CASE("timeline: oldest first, times since the first sign, what has not happened is null") {
  const TimePoint began{std::chrono::seconds{100}};
  Move away;
  away.kind = Move::Kind::MovedAway;
  away.peer = "b";
  away.began = away.claimed = began;
  away.began_wall = from_unix_ms(1'700'000'000'007);
  away.steps[static_cast<std::size_t>(MoveStep::Forwarded)] = began + std::chrono::microseconds{850};
  away.steps[static_cast<std::size_t>(MoveStep::Redirected)] = began + std::chrono::microseconds{851};
  away.redirects = 3;
  away.end = Move::End::ForwardingEnded;
  away.ended = began + std::chrono::seconds{30};
  Move here;
  here.kind = Move::Kind::MovedHere;
  here.peer = "b";
  here.began = began + std::chrono::seconds{60};
  here.began_wall = away.began_wall + std::chrono::seconds{60};
  here.signal = SignalKind::Rarp;
  here.claimed = here.began + std::chrono::milliseconds{1};
  here.steps[static_cast<std::size_t>(MoveStep::Pushed)] = here.claimed;
  here.steps[static_cast<std::size_t>(MoveStep::Acknowledged)] = here.began + std::chrono::milliseconds{21};
  here.steps[static_cast<std::size_t>(MoveStep::Direct)] = here.began + std::chrono::milliseconds{121};

  const std::string data =
      report_timeline(*parse_ip("10.77.0.5"), VmMoves{kMac, {away, here}}, began + std::chrono::seconds{61});

  CHECK(data ==
        R"({"schema":1,"address":"10.77.0.5","mac":"02:00:5e:10:00:01","moves":[{"kind":"moved-away","peer":"b",)"
        R"("began_ms":1700000000007,"age_ms":61000,"signal":null,"claim_us":0,"push_us":null,"ack_us":null,)"
        R"("forwarded_us":850,"direct_us":null,"redirect_us":851,"redirects":3,"end":"forwarding-ended",)"
        R"("end_us":30000000},{"kind":"moved-here","peer":"b","began_ms":1700000060007,"age_ms":1000,)"
        R"("signal":"rarp","claim_us":1000,"push_us":1000,"ack_us":21000,"forwarded_us":null,"direct_us":121000,)"
        R"("redirect_us":null,"redirects":0,"end":null,"end_us":null}]})");
  CHECK(text_of(ControlVerb::Timeline, data) ==
        "BEGAN                     MOVE        PEER  SIGNAL  CLAIM    PUSH     ACK       FORWARDED  DIRECT  REDIRECTS  "
        "END               AFTER\n"
        "2023-11-14T22:13:20.007Z  moved-away  b     -       +0.00ms  -        -         +0.85ms    -       3          "
        "forwarding-ended  +30s\n"
        "2023-11-14T22:14:20.007Z  moved-here  b     rarp    +1.00ms  +1.00ms  +21.00ms  -          +121ms  -          "
        "-                 -\n");
}

TEST_CASE("timeline: a time is as exact as its size deserves") {
  const std::vector<std::pair<std::chrono::microseconds, std::string>> times{
      {std::chrono::microseconds{4}, "+0.00ms"},       {std::chrono::microseconds{1'239}, "+1.23ms"},
      {std::chrono::microseconds{99'999}, "+99.99ms"}, {std::chrono::microseconds{100'000}, "+100ms"},
      {std::chrono::microseconds{999'999}, "+999ms"},  {std::chrono::microseconds{3'054'000}, "+3.05s"},
      {std::chrono::microseconds{10'000'000}, "+10s"}, {std::chrono::minutes{3}, "+3m00s"},
  };
  for (const auto& [time, text] : times) {
    Move move;
    move.claimed = move.began + time;
    const std::string shown = text_of(ControlVerb::Timeline, report_timeline(kMac, VmMoves{kMac, {move}}, TimePoint{}));
    CAPTURE(shown);
    CHECK(shown.find(" " + text + " ") != std::string::npos);
  }
}

TEST_CASE("timeline: of a VM that is not known the moves are none") {
  CHECK(report_timeline(kMac, std::nullopt, TimePoint{}) ==
        R"({"schema":1,"address":"02:00:5e:10:00:01","mac":null,"moves":[]})");
}

TEST_CASE("watch: an event is a line, and so is what was missed") {
  const NodeEvent event{NodeEvent::Kind::VmMovedHere, TimePoint{std::chrono::seconds{5}}, "b", kMac, "seq=7 ips="};
  const NodeEvent lone{NodeEvent::Kind::LocationConnected, TimePoint{std::chrono::seconds{6}}, "", std::nullopt, ""};
  const Now now{TimePoint{std::chrono::seconds{6}}, from_unix_ms(1'700'000'000'042)};

  CHECK(report_event(event, now) ==
        R"({"schema":1,"event":"vm-moved-here","time_ms":1699999999042,"peer":"b","vm":"02:00:5e:10:00:01",)"
        R"("detail":"seq=7 ips="})");
  CHECK(text_of(ControlVerb::Watch, report_event(event, now)) ==
        "2023-11-14T22:13:19.042Z vm-moved-here peer=b vm=02:00:5e:10:00:01 seq=7 ips=\n");
  CHECK(report_event(lone, now) ==
        R"({"schema":1,"event":"location-connected","time_ms":1700000000042,"peer":null,"vm":null,"detail":""})");
  CHECK(text_of(ControlVerb::Watch, report_event(lone, now)) == "2023-11-14T22:13:20.042Z location-connected\n");
  CHECK(text_of(ControlVerb::Watch, report_watching(now.wall)) == "2023-11-14T22:13:20.042Z watching\n");
  CHECK(report_events_lost(3) == R"({"schema":1,"event":"events-lost","count":3})");
  CHECK(text_of(ControlVerb::Watch, report_events_lost(3)) == "events-lost count=3\n");
}

TEST_CASE("claim and release: one line each; releasing what is not here is said, not an error") {
  CHECK(text_of(ControlVerb::Claim, report_claim(kMac, 9)) == "02:00:5e:10:00:01 claimed\n");
  CHECK(report_claim(kMac, 9) == R"({"schema":1,"mac":"02:00:5e:10:00:01","sequence":"9"})");
  CHECK(text_of(ControlVerb::Release, report_release(kMac, true)) == "02:00:5e:10:00:01 released\n");
  CHECK(text_of(ControlVerb::Release, report_release(kMac, false)) == "02:00:5e:10:00:01 was not claimed here\n");
}

TEST_CASE("prepare: how long it is expected and where it is; that it is here already is no error") {
  PreparedVm prepared;
  prepared.time_left = std::chrono::seconds{120};
  prepared.host = "b";
  CHECK(report_prepare(kMac, prepared) ==
        R"({"schema":1,"mac":"02:00:5e:10:00:01","state":"expected","expires_ms":120000,"host":"b"})");
  CHECK(text_of(ControlVerb::Prepare, report_prepare(kMac, prepared)) ==
        "02:00:5e:10:00:01 expected for 2m00s, now at b\n");
  prepared.host.clear();
  CHECK(text_of(ControlVerb::Prepare, report_prepare(kMac, prepared)) ==
        "02:00:5e:10:00:01 expected for 2m00s, nobody known has it yet\n");
  prepared.state = VmState::Live;
  CHECK(text_of(ControlVerb::Prepare, report_prepare(kMac, prepared)) == "02:00:5e:10:00:01 is here already\n");
}

TEST_CASE("vms: an expected one shows how long still, and not how it was claimed") {
  VmStatus vm;
  vm.mac = kMac;
  vm.state = VmState::Expected;
  vm.time_left = std::chrono::seconds{90};

  const std::string data = report_vms({vm}, {});

  CHECK(data.find(R"("state":"expected")") != std::string::npos);
  CHECK(data.find(R"("expires_ms":90000)") != std::string::npos);
  const std::string text = text_of(ControlVerb::Vms, data);
  CHECK(text.find("expected, ") != std::string::npos);
  CHECK(text.find(" left ") != std::string::npos);
  CHECK(text.find("learned") == std::string::npos);
}

TEST_CASE("render: an answer of another version is told, not shown in part") {
  for (const ControlVerb verb : {ControlVerb::Status, ControlVerb::Peers, ControlVerb::Vms, ControlVerb::Lookup,
                                 ControlVerb::Timeline, ControlVerb::Watch, ControlVerb::Claim, ControlVerb::Release,
                                 ControlVerb::Prepare, ControlVerb::Info, ControlVerb::Ping}) {
    CHECK_THROWS_AS((void)text_of(verb, R"({"schema":9})"), Failure);
    CHECK_THROWS_AS((void)text_of(verb, "no JSON"), Failure);
  }
}

TEST_CASE("counters: every drop reason and every counter has a name of its own") {
  ForwarderCounters counters;
  counters.drops.fill(1);

  std::map<std::string, std::uint64_t> names;
  std::size_t group = 0;
  for (const CounterList& list :
       {drop_counters(counters), packet_counters(counters), peer_counters({}), dht_counters({})}) {
    ++group;
    for (const auto& [name, value] : list) {
      CHECK_FALSE(name.empty());
      ++names["group " + std::to_string(group) + " " + name];
    }
  }

  CHECK(drop_counters(counters).size() == kDropReasons);
  for (const auto& [name, count] : names) {
    CAPTURE(name);
    CHECK(count == 1);
  }
}

}  // namespace rove
