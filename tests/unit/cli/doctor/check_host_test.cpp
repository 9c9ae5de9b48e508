// Files, the daemon's rights, the clock, TAP and bridge: one thing broken at a time.
#include <cerrno>
#include <functional>
#include <vector>

#include "tests/unit/cli/doctor/sample_facts.h"

namespace rove {
namespace {

struct Broken {
  const char* what;
  std::function<void(Facts&)> breaks;
  Severity severity;
  const char* check;
  const char* text;    // a part of it
  const char* remedy;  // the whole
};

void check_broken(const std::vector<Broken>& cases, const Facts& healthy) {
  for (const Broken& broken : cases) {
    CAPTURE(broken.what);
    Facts facts = healthy;
    broken.breaks(facts);
    const Finding found = only_trouble(facts);
    CHECK(found.severity == broken.severity);
    CHECK(found.check == broken.check);
    CHECK(found.text.find(broken.text) != std::string::npos);
    CHECK(found.remedy == broken.remedy);
  }
}

// Without a daemon that alone is a warning, which says what is not looked at.
Findings check_stopped(const std::function<void(Facts&)>& breaks) {
  Facts facts = without_daemon();
  breaks(facts);
  return check_all(facts);
}

}  // namespace

TEST_CASE("doctor: a host with which all is well has nothing to mend") {
  for (const Finding& finding : check_all(healthy_facts())) {
    CAPTURE(finding.check);
    CAPTURE(finding.text);
    CHECK(finding.severity == Severity::Ok);
    CHECK(finding.remedy.empty());
  }
}

TEST_CASE("doctor: without a daemon it says that, and looks at the host's side") {
  const Finding found = only_trouble(without_daemon());

  CHECK(found.severity == Severity::Warn);
  CHECK(found.check == "daemon");
  CHECK(found.text == "reach the daemon: none runs for network demo: only this host's side is looked at");
  CHECK(found.remedy == "rove up demo");
  const Findings all = check_all(without_daemon());
  for (const char* check : {"config", "credential", "certificate", "tun", "capabilities", "clock", "bridge", "port"}) {
    CAPTURE(check);
    CHECK(has(all, Severity::Ok, check));
  }
}

TEST_CASE("doctor: files") {
  check_broken(
      {
          {"a key that nobody knows",
           [](Facts& f) { f.config.problem = {"/etc/rove/demo.toml:2: unknown key \"brige\"", "rove check demo"}; },
           Severity::Fail, "config", "unknown key", "rove check demo"},
          {"others write to it", [](Facts& f) { f.config.others_may_write = true; }, Severity::Fail, "config",
           "others may write", "chmod 644 /etc/rove/demo.toml"},
          {"others read the key",
           [](Facts& f) {
             f.credential.problem = {"others may read it", "chmod 600 /etc/rove/demo.node.pem"};
             f.credential.certificate.reset();
           },
           Severity::Fail, "credential", "others may read it", "chmod 600 /etc/rove/demo.node.pem"},
          {"others read the CA's key", [](Facts& f) { f.credential.authority_open = true; }, Severity::Fail, "ca",
           "the CA's key", "chmod 600 /etc/rove/demo.ca.pem"},
          {"it is not for this user",
           [](Facts& f) {
             f.credential.is_unreadable = true;
             f.credential.certificate.reset();
           },
           Severity::Warn, "credential", "not for this user", "the same command as root"},
          {"joined anew", [](Facts& f) { f.daemon->certificate_expires_in_s = 40L * 24 * 3600; }, Severity::Warn,
           "renewal", "before the last rove join", "rove down demo && rove up demo"},
      },
      healthy_facts());
}

TEST_CASE("doctor: a certificate's end is told 30 days ahead, and when it has come") {
  const std::string renewal =
      "on the CA's machine: rove enroll a -n demo -o a.rove; here: rove join a.rove --replace && rove down demo && "
      "rove up demo";
  const auto with_days_left = [](int days) {
    Facts facts = healthy_facts();
    facts.credential.certificate->not_after = kFactsNow + std::chrono::hours{24 * days};
    facts.daemon->certificate_expires_in_s = 24L * 3600 * days;
    return facts;
  };

  CHECK(has(check_all(with_days_left(31)), Severity::Ok, "certificate"));
  const Finding soon = only_trouble(with_days_left(29));
  CHECK(soon.severity == Severity::Warn);
  CHECK(soon.text == "expires in 29d");
  CHECK(soon.remedy == renewal);
  const Finding late = only_trouble(with_days_left(-3));
  CHECK(late.severity == Severity::Fail);
  CHECK(late.text == "expired 3d ago: peers refuse this node");
  CHECK(late.remedy == renewal);
}

TEST_CASE("doctor: a certificate of the future is the clock's fault, a CA's end nobody's remedy but a new network") {
  Facts early = healthy_facts();
  early.credential.certificate->not_before = kFactsNow + std::chrono::hours{5};
  Facts ended = healthy_facts();
  ended.credential.certificate->authority_not_after = kFactsNow - std::chrono::hours{5};

  CHECK(only_trouble(early).remedy == "timedatectl set-ntp true");
  CHECK(only_trouble(ended).text.find("the CA's certificate expired") == 0);
}

TEST_CASE("doctor: the certificate of a daemon counts where its file cannot be read") {
  Facts facts = healthy_facts();
  facts.credential.is_unreadable = true;
  facts.credential.certificate.reset();
  facts.daemon->certificate_expires_in_s = 24 * 3600;

  CHECK(has(check_all(facts), Severity::Warn, "certificate"));
}

TEST_CASE("doctor: what the daemon may not do") {
  check_broken(
      {
          {"capture", [](Facts& f) { f.daemon->capabilities = {"net_admin", "sys_nice"}; }, Severity::Warn, "net-raw",
           "the daemon has no CAP_NET_RAW",
           "as root, or in the service: AmbientCapabilities=CAP_NET_RAW, or replay = \"off\""},
          {"go first", [](Facts& f) { f.daemon->capabilities = {"net_admin", "net_raw"}; }, Severity::Warn, "sys-nice",
           "a busy host delays frames",
           "as root, or in the service: AmbientCapabilities=CAP_SYS_NICE, or realtime = false and nice = 0"},
          {"administer", [](Facts& f) { f.daemon->capabilities = {"net_raw", "sys_nice"}; }, Severity::Warn,
           "net-admin", "cannot change the bridge", "as root, or in the service: AmbientCapabilities=CAP_NET_ADMIN"},
          {"something that was refused", [](Facts& f) { f.daemon->refused = {"nice -10: denied"}; }, Severity::Warn,
           "refused", "nice -10", "what is said there, then rove down demo && rove up demo"},
          {"be here", [](Facts& f) { f.daemon_elsewhere = true; }, Severity::Warn, "daemon",
           "another network namespace", "nsenter --net=/proc/17/ns/net rove doctor -n demo"},
          {"be well", [](Facts& f) { f.daemon->problems = {"the state is not saved"}; }, Severity::Warn, "status",
           "not saved", "rove status -n demo"},
      },
      healthy_facts());
}

TEST_CASE("doctor: rights that the configuration does not want are not missed") {
  Facts facts = healthy_facts();
  facts.daemon->capabilities = {"net_admin"};
  facts.config.config.replay = Replay::Off;
  facts.config.config.realtime = false;
  facts.config.config.nice = 0;

  CHECK(has(check_all(facts), Severity::Ok, "capabilities"));
}

TEST_CASE("doctor: who may not make a TAP device cannot start the daemon") {
  const Findings denied = check_stopped([](Facts& f) {
    f.tun_error = EACCES;
    f.capabilities = {};
  });
  const Findings missing = check_stopped([](Facts& f) { f.tun_error = ENOENT; });

  CHECK(has(denied, Severity::Fail, "tun"));
  CHECK(has(denied, Severity::Fail, "net-admin"));
  CHECK(has(missing, Severity::Fail, "tun"));
}

TEST_CASE("doctor: clocks") {
  using std::chrono::milliseconds;
  const auto with_leads = [](std::vector<milliseconds> leads, bool is_synchronized = true) {
    Facts facts = healthy_facts();
    facts.clock->is_synchronized = is_synchronized;
    facts.daemon->peers.clear();
    for (const milliseconds lead : leads) {
      facts.daemon->peers.push_back(peer_of(("p" + std::to_string(facts.daemon->peers.size())).c_str()));
      facts.daemon->peers.back().clock_lead = lead;
    }
    return facts;
  };

  CHECK(has(check_all(with_leads({milliseconds{100}, milliseconds{-900}})), Severity::Ok, "clock"));
  CHECK(only_trouble(with_leads({}, false)).text == "nobody keeps it (NTP)");
  CHECK(only_trouble(with_leads({milliseconds{0}}, false)).text ==
        "nobody keeps it (NTP); it agrees with the peers' now");
  const Finding behind = only_trouble(with_leads({milliseconds{60'000}, milliseconds{61'000}, milliseconds{59'500}}));
  CHECK(behind.severity == Severity::Warn);
  CHECK(behind.text == "this host's clock is 1m00s behind its peers'");
  const Finding far = only_trouble(with_leads({milliseconds{-7'200'000}}));
  CHECK(far.severity == Severity::Fail);
  CHECK(far.text == "this host's clock is 2h00m ahead of its peer's; a day, and nothing it says is believed");
  const Finding other = only_trouble(with_leads({milliseconds{0}, milliseconds{1}, milliseconds{-30'000}}));
  CHECK(other.text == "the clock of p2 is 30s behind the others'");
  CHECK(other.remedy == "on p2: timedatectl set-ntp true");
}

TEST_CASE("doctor: the TAP device") {
  check_broken(
      {
          {"gone", [](Facts& f) { f.tap.reset(); }, Severity::Fail, "tap", "rove0 is gone",
           "rove down demo && rove up demo"},
          {"down", [](Facts& f) { f.tap->is_up = false; }, Severity::Fail, "tap", "is down",
           "ip link set dev rove0 up"},
          {"outside", [](Facts& f) { f.tap->master = ""; }, Severity::Fail, "tap", "not in the bridge br0",
           "ip link set dev rove0 master br0"},
          {"elsewhere", [](Facts& f) { f.tap->master = "br1"; }, Severity::Fail, "tap", "in br1, not in br0",
           "ip link set dev rove0 master br0"},
          {"too small", [](Facts& f) { f.tap->mtu = 1300; }, Severity::Warn, "tap", "MTU is 1300",
           "ip link set dev rove0 mtu 1400"},
          {"with IPv6", [](Facts& f) { f.tap->has_ipv6 = f.tap->accepts_ra = true; }, Severity::Warn, "tap-ipv6",
           "router advertisements", "sysctl -w net.ipv6.conf.rove0.disable_ipv6=1"},
          {"no TAP", [](Facts& f) { f.tap->kind = "dummy"; }, Severity::Fail, "tap", "no TAP device",
           "tap = \"another name\" in /etc/rove/demo.toml"},
      },
      healthy_facts());
}

TEST_CASE("doctor: the bridge") {
  check_broken(
      {
          {"gone", [](Facts& f) { f.bridge.reset(); }, Severity::Fail, "bridge", "br0 is gone",
           "rove down demo && rove up demo"},
          {"made anew", [](Facts& f) { f.bridge->ifindex = 9; }, Severity::Fail, "bridge", "made anew",
           "rove down demo && rove up demo"},
          {"down", [](Facts& f) { f.bridge->is_up = false; }, Severity::Fail, "bridge", "is down",
           "ip link set dev br0 up"},
          {"no bridge", [](Facts& f) { f.bridge->kind = "veth"; }, Severity::Fail, "bridge", "is no bridge",
           "bridge = \"another name\" in /etc/rove/demo.toml"},
          {"MAC", [](Facts& f) { f.bridge->mac_pinned = false; }, Severity::Warn, "bridge-mac", "lowest port",
           "ip link set dev br0 address 02:00:5e:00:00:01"},
          {"STP", [](Facts& f) { f.bridge->spanning_tree = true; }, Severity::Warn, "bridge-stp", "spanning tree",
           "ip link set dev br0 type bridge stp_state 0"},
          {"ageing", [](Facts& f) { f.bridge->ageing = std::chrono::seconds{0}; }, Severity::Warn, "bridge-ageing",
           "after 0 s", "ip link set dev br0 type bridge ageing_time 30000"},
          {"VLANs", [](Facts& f) { f.bridge->vlan_filtering = true; }, Severity::Warn, "bridge-vlan", "filters VLANs",
           "ip link set dev br0 type bridge vlan_filtering 0"},
          {"iptables", [](Facts& f) { f.bridge->calls_iptables = true; }, Severity::Warn, "bridge-nf", "iptables",
           "sysctl -w net.bridge.bridge-nf-call-iptables=0 && ip link set dev br0 type bridge nf_call_iptables 0"},
          {"RA", [](Facts& f) { f.bridge->accepts_ra = true; }, Severity::Warn, "bridge-ra", "router advertisements",
           "sysctl -w net.ipv6.conf.br0.accept_ra=0"},
          {"a large port", [](Facts& f) { f.bridge->ports[0].mtu = 1500; }, Severity::Warn, "vm-port",
           "1500 octets, the network of 1400", "ip link set dev vm0 mtu 1400, and the same in the VM"},
          {"a small port", [](Facts& f) { f.bridge->ports[0].mtu = 1280; }, Severity::Warn, "vm-port",
           "what is between does not reach its VM", "ip link set dev vm0 mtu 1400"},
          {"a card", [](Facts& f) { f.bridge->ports[0].is_physical = true; }, Severity::Warn, "vm-port", "a loop",
           "ip link set dev vm0 nomaster"},
      },
      healthy_facts());
}

TEST_CASE("doctor: before the start a bridge may be missing, and its MAC is the daemon's to pin") {
  CHECK(has(check_stopped([](Facts& f) { f.bridge.reset(); }), Severity::Ok, "bridge"));
  CHECK_FALSE(has(check_stopped([](Facts& f) { f.bridge->mac_pinned = false; }), Severity::Warn, "bridge-mac"));
  CHECK(has(check_stopped([](Facts& f) { f.config.config.bridge.clear(); }), Severity::Ok, "bridge"));
}

TEST_CASE("doctor: a device with a dot in its name is written as sysctl wants it") {
  Facts facts = healthy_facts();
  facts.daemon->tap = "rove.7";
  facts.tap->has_ipv6 = true;

  CHECK(only_trouble(facts).remedy == "sysctl -w net/ipv6/conf/rove.7/disable_ipv6=1");
}

}  // namespace rove
