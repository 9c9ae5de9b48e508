// Port, buffers, sizes, filters, names, routes, firewall, offloads, other nodes: one thing broken at a time.
#include <functional>

#include "tests/unit/cli/doctor/sample_facts.h"

namespace rove {
namespace {

Finding trouble_of(const std::function<void(Facts&)>& breaks) {
  Facts facts = healthy_facts();
  breaks(facts);
  return only_trouble(facts);
}

}  // namespace

TEST_CASE("doctor: a port that somebody else has, before the start") {
  Facts facts = without_daemon();
  facts.port_holder = PortHolder{.endpoint = "UDP 0.0.0.0:7683", .process = "nebula (pid 812)"};

  const Findings all = check_all(facts);

  CHECK(has(all, Severity::Fail, "port"));
  for (const Finding& finding : all) {
    if (finding.check != "port") continue;
    CHECK(finding.text == "UDP 0.0.0.0:7683 is taken by nebula (pid 812)");
    CHECK(finding.remedy == "listen = ANOTHER PORT in /etc/rove/demo.toml, or rove up --listen PORT");
  }
}

TEST_CASE("doctor: small buffers, and drops that go on") {
  const Finding small = trouble_of([](Facts& f) { f.daemon->sockets[0].receive_buffer = 212'992; });
  CHECK(small.severity == Severity::Warn);
  CHECK(small.text == "0.0.0.0:7683 has buffers of 208 and 8192 KiB instead of 8192: bursts are lost");
  CHECK(small.remedy ==
        "sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608 && rove down demo && rove up demo");

  const Finding drops = trouble_of([](Facts& f) {
    f.daemon->kernel_drops = 70;
    f.daemon->kernel_drops_later = 90;
  });
  CHECK(drops.check == "drops");
  CHECK(drops.text.find("20 just now") != std::string::npos);
  Facts past = healthy_facts();
  past.daemon->kernel_drops = 70;
  past.daemon->kernel_drops_later = 70;
  CHECK(has(check_all(past), Severity::Ok, "drops"));
}

TEST_CASE("doctor: an inner packet and all headers fit the underlay, or go in fragments") {
  // 1400 + Ethernet 14 + header and tag 32 + UDP 8 + IP 20 or 40.
  CHECK(outer_packet_size(1400, IpAddress::Family::V4) == 1474);
  CHECK(outer_packet_size(1400, IpAddress::Family::V6) == 1494);

  Facts fits = healthy_facts();
  fits.routes[0].path_mtu = fits.routes[0].link_mtu = 1474;
  CHECK(has(check_all(fits), Severity::Ok, "mtu"));
  const Finding link = trouble_of([](Facts& f) { f.routes[0].path_mtu = f.routes[0].link_mtu = 1473; });
  CHECK(link.text == "to b: packets of 1400 octets need 1474 outside, eth0 takes 1473: they go in fragments");
  CHECK(link.remedy == "ip link set dev eth0 mtu 1474, or an MTU of 1399 in the VMs");
  const Finding path = trouble_of([](Facts& f) { f.routes[0].path_mtu = 1400; });
  CHECK(path.text.find("the path takes 1400") != std::string::npos);
  CHECK(path.remedy == "an MTU of 1326 in the VMs");
}

TEST_CASE("doctor: nodes behind one narrow link are one finding") {
  const Finding found = trouble_of([](Facts& f) {
    f.routes[0].path_mtu = f.routes[0].link_mtu = 1300;
    f.routes.push_back(f.routes[0]);
    f.routes[1].who = "c";
  });

  CHECK(found.text.find("to b, c: ") == 0);
}

TEST_CASE("doctor: a strict reverse path filter is told where the way back is another") {
  const auto with_second_link = [](int filter) {
    Facts facts = healthy_facts();
    facts.underlay.push_back(link_of("eth1", "10.2.0.1", true));
    facts.underlay[1].reverse_path_filter = filter;
    return facts;
  };

  const Finding strict = only_trouble(with_second_link(1));
  CHECK(strict.check == "rp-filter");
  CHECK(strict.text == "eth1 drops what b sends there, because the way back leads through eth0");
  CHECK(strict.remedy == "sysctl -w net.ipv4.conf.eth1.rp_filter=2");
  CHECK(has(check_all(with_second_link(2)), Severity::Ok, "rp-filter"));
  CHECK(has(check_all(with_second_link(0)), Severity::Ok, "rp-filter"));
  // With one link there is one way, and a strict filter is right.
  Facts one = healthy_facts();
  one.underlay[0].reverse_path_filter = 1;
  CHECK(has(check_all(one), Severity::Ok, "rp-filter"));
  // Nobody comes by a bridge of containers, that leads nowhere.
  Facts container = with_second_link(1);
  container.underlay[1].has_default_v4 = false;
  CHECK(has(check_all(container), Severity::Ok, "rp-filter"));
}

TEST_CASE("doctor: names that do not resolve, and nodes without a route") {
  const Finding name = trouble_of([](Facts& f) {
    f.bootstrap[0].endpoints.clear();
    f.bootstrap[0].error = "Name or service not known";
  });
  CHECK(name.severity == Severity::Fail);
  CHECK(name.text == "b.example.org:7683 does not resolve: Name or service not known");
  CHECK(name.remedy == "getent ahosts b.example.org");

  const Finding route = trouble_of([](Facts& f) { f.routes[0].error = "Network is unreachable"; });
  CHECK(route.severity == Severity::Fail);
  CHECK(route.text == "no route to b at 10.1.0.2:7683: Network is unreachable");
  CHECK(route.remedy == "ip route get 10.1.0.2");
  // One address of two is enough.
  Facts two = healthy_facts();
  two.routes.push_back(route_of("b", "[fd00::2]:7683", "eth0"));
  two.routes[1].error = "Network is unreachable";
  CHECK(has(check_all(two), Severity::Ok, "routes"));
}

TEST_CASE("doctor: a firewall that drops is told with the rule that it lacks; one that was not seen is no fault") {
  const Finding closed = trouble_of([](Facts& f) {
    f.firewall = {.state = FirewallFacts::State::Closed, .why_not = {}, .chain = "inet filter input"};
  });
  CHECK(closed.severity == Severity::Warn);
  CHECK(closed.remedy == "nft insert rule inet filter input udp dport 7683 accept");

  Facts unseen = healthy_facts();
  unseen.firewall = {.state = FirewallFacts::State::NotSeen, .why_not = "no nft", .chain = {}};
  CHECK(has(check_all(unseen), Severity::Ok, "firewall"));
}

TEST_CASE("doctor: an offload that stepped down is told with what it costs") {
  const Finding udp = trouble_of([](Facts& f) {
    f.daemon->offloads[3].used = false;
    f.daemon->offloads[3].reason = "a network card cannot";
  });
  CHECK(udp.check == "offloads");
  CHECK(udp.text ==
        "udp_segmentation is not in use: a network card cannot; each datagram is sent by itself, which costs "
        "throughput");
  const Finding peer = trouble_of([](Facts& f) { f.daemon->peers[0].segmentation = "broken"; });
  CHECK(peer.check == "offloads");
  CHECK(peer.text.find("does not arrive at b") != std::string::npos);
  // Debian 12's kernel has no USO: nothing to mend.
  Facts old = healthy_facts();
  old.daemon->offloads[2].used = false;
  CHECK(count(check_all(old), Severity::Warn) == 0);
  // What the operator switched off is as it should be.
  Facts off = healthy_facts();
  for (OffloadUse& offload : off.daemon->offloads) offload.wanted = offload.used = false;
  CHECK(count(check_all(off), Severity::Warn) == 0);
}

TEST_CASE("doctor: alone, lost, and a peer that is silent") {
  const Finding lost = trouble_of([](Facts& f) {
    f.daemon->connected = false;
    f.daemon->dht_nodes = 0;
    f.daemon->problems = {"no other node answers: only what is known already can be reached"};  // said once is enough
  });
  CHECK(lost.severity == Severity::Fail);
  CHECK(lost.check == "dht");
  CHECK(lost.remedy == "rove netcheck -n demo");
  Facts lone = healthy_facts();
  lone.daemon->connected = false;
  lone.daemon->lone = true;
  CHECK(has(check_all(lone), Severity::Ok, "dht"));

  const Finding silent = trouble_of([](Facts& f) {
    f.daemon->peers[0].up = false;
    f.daemon->peers[0].last_heard = std::chrono::seconds{200};
  });
  CHECK(silent.text == "b does not answer at 10.1.0.2:7683, it was heard 3m20s ago");
  CHECK(silent.remedy == "on b: rove doctor -n demo");
}

}  // namespace rove
