#!/usr/bin/env python3
"""`rove doctor`, `netcheck` and `bugreport` on hosts on which something is really broken, one thing after the other;
and what doctor proposes is done, and mends it.
Usage: doctor_test.py ROVE

    vm 10.77.0.5 ── br0 ─ [rove0] host a 10.1.0.1 ══════ 10.1.0.2 host b [rove0]
"""

import base64
import json
import os
import re
import signal
import stat
import subprocess
import sys
import unittest

import cli_test
from cli_test import CONFLICT, FAILURE, OK, PORT, USAGE, wait_for

# What a namespace on any machine may have wrong by itself.
ENVIRONMENT = {"clock", "bridge-nf"}
NFT = "/usr/sbin/nft"


def secrets_of(path):
    """The 32-octet keys in a PEM file of rove's."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    found = []
    for label, body in re.findall(r"-----BEGIN ([A-Z ]+)-----\n(.*?)-----END", text, re.DOTALL):
        octets = base64.b64decode(body)
        if label == "PRIVATE KEY":
            found.append(octets[-32:])
        if label == "ROVE NETWORK":
            found.append(bytes.fromhex(re.search(rb'key = "([0-9a-f]{64})"', octets).group(1).decode()))
    return found


class Case(unittest.TestCase):
    """With the hosts, and what doctor finds on them."""

    maxDiff = None

    def setUp(self):
        self.a, self.b = cli_test.LAB.hosts

    def run_in(self, host, command):
        return subprocess.run(["ip", "netns", "exec", host.namespace, "sh", "-c", command], capture_output=True,
                              text=True, timeout=40, check=False, env=dict(host.environment, PATH=os.environ["PATH"]))

    def ip(self, host, *arguments):
        cli_test.LAB.ip("-n", host.namespace, *arguments)

    def findings(self, host, **keywords):
        """check -> [(state, found, try)], and that the exit status fits."""
        result = host.rove("doctor", "--json", **keywords)
        answer = json.loads(result.stdout)
        self.assertEqual(answer["schema"], 1)
        by_check = {}
        for each in answer["findings"]:
            by_check.setdefault(each["check"], []).append((each["state"], each["found"], each["try"]))
            self.assertEqual(each["try"] is None, each["state"] == "ok", each)
        failed = sum(state == "fail" for found in by_check.values() for state, _, _ in found)
        self.assertEqual(answer["failed"], failed)
        self.assertEqual(result.returncode, FAILURE if failed else OK, result.stdout + result.stderr)
        return by_check

    def trouble(self, host, check, **keywords):
        """The first finding of that check that is not well, or None."""
        found = self.findings(host, **keywords).get(check, [])
        return next((each for each in found if each[0] != "ok"), None)

    def check_mended(self, host, check, state, words):
        """That doctor finds it, and that what it proposes mends it."""
        found = self.trouble(host, check)
        self.assertIsNotNone(found, check)
        self.assertEqual(found[0], state, found)
        self.assertIn(words, found[1])
        remedy = re.split(r", (?:or|and) ", found[2])[0]
        done = self.run_in(host, remedy)
        self.assertEqual(done.returncode, 0, f"{remedy}: {done.stderr}")
        self.assertIsNone(self.trouble(host, check), remedy)


class Stage1Stopped(Case):
    """No daemon runs: the host's side is looked at."""

    @classmethod
    def setUpClass(cls):
        a, b = cli_test.LAB.hosts
        for result in (
                a.rove("init", "demo", "--subnet", "10.77.0.0/24", "fd00:77::/64", "--node", "a", "--bootstrap",
                       f"10.1.0.1:{PORT}"),
                a.rove("enroll", "b", "-o", cli_test.LAB.directory + "/b.rove"),
                b.rove("join", cli_test.LAB.directory + "/b.rove")):
            if result.returncode != OK:
                raise AssertionError(result.stderr)
        with open(a.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
            text = file.read()
            file.seek(0)
            file.write('bridge = "br0"\n' + text)

    def test_1_all_is_well_but_that_no_daemon_runs(self):
        found = self.findings(self.a)
        state, text, remedy = found["daemon"][0]
        self.assertEqual((state, remedy), ("warn", "rove up demo"))
        self.assertIn("only this host's side is looked at", text)
        for check in ("config", "credential", "certificate", "tun", "capabilities", "port", "names"):
            self.assertEqual(found[check][0][0], "ok", found[check])
        text = self.a.rove("doctor").stdout
        self.assertTrue(text.startswith("STATE\tCHECK\tFOUND\tTRY\n"), text)
        self.assertIn("\tdaemon\t", text)

    def test_2_a_port_that_another_program_has(self):
        holder = "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);" \
                 f"s.bind(('0.0.0.0',{PORT}));print(flush=True);sys.stdin.read()"
        with subprocess.Popen(["ip", "netns", "exec", self.a.namespace, sys.executable, "-c", holder],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            state, text, remedy = self.trouble(self.a, "port")
            process.stdin.close()
        self.assertEqual(state, "fail")
        self.assertIn(f"UDP 0.0.0.0:{PORT} is taken by python", text)
        self.assertIn(f"(pid {process.pid})", text)
        self.assertIn("--listen", remedy)
        self.assertIsNone(self.trouble(self.a, "port"))

    def test_3_files_that_others_may_use(self):
        for name, mode, check in (("demo.node.pem", 0o640, "credential"), ("demo.ca.pem", 0o604, "ca"),
                                  ("demo.toml", 0o646, "config")):
            with self.subTest(name=name):
                os.chmod(self.a.path("etc", name), mode)
                self.check_mended(self.a, check, "fail", "others may")

    def test_4_a_configuration_that_is_wrong(self):
        path = self.a.path("etc", "demo.toml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write('brige = "br0"\nlisten = "here"\n' + text)
        state, found, remedy = self.trouble(self.a, "config")
        with open(path, "w", encoding="utf-8") as file:
            file.write('bootstrap = ["no-such-host.invalid:7683"]\n' + text)
        name = self.trouble(self.a, "names")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.assertEqual((state, remedy), ("fail", "rove check demo"))
        self.assertIn('did you mean "bridge"?', found)
        self.assertIn("demo.toml:2: listen", found)
        self.assertEqual(name[0], "fail")
        self.assertIn("no-such-host.invalid:7683 does not resolve", name[1])

    def test_5_certificates_that_end(self):
        for name, expires, state, words in (("soon", "10d", "warn", "expires in "), ("late", "5s", "fail", "expired ")):
            with self.subTest(name=name):
                other = {"ROVE_CONFIG_DIR": self.b.path(name)}
                ticket = f"{cli_test.LAB.directory}/{name}.rove"
                self.assertEqual(self.a.rove("enroll", name, "--expires", expires, "-o", ticket).returncode, OK)
                joined = self.b.rove("join", ticket, environment=other)
                self.assertEqual(joined.returncode, OK, joined.stderr)
                ended = lambda: (self.trouble(self.b, "certificate", environment=other) or ("",))[0] == state
                self.assertTrue(wait_for(ended))
                found = self.trouble(self.b, "certificate", environment=other)
                self.assertIn(words, found[1])
                self.assertIn(f"rove enroll {name} -n demo", found[2])

    def test_6_a_user_without_any_right(self):
        found = self.findings(self.a, user="nobody")
        self.assertEqual(found["credential"][0][0], "warn")
        self.assertIn("is not for this user", found["credential"][0][1])
        self.assertEqual(found["net-admin"][0][0], "fail")
        self.assertIn("not looked at", found["firewall"][0][1])

    def test_7_usage_errors(self):
        nowhere = {"ROVE_CONFIG_DIR": self.a.path("nowhere")}
        for verb in ("doctor", "netcheck", "bugreport"):
            result = self.a.rove(verb, environment=nowhere)
            self.assertEqual(result.returncode, USAGE)
            self.assertIn("rove init", result.stderr)


class Stage2Running(Case):
    """Both daemons run, and the host is broken in one place at a time."""

    @classmethod
    def setUpClass(cls):
        for host in cli_test.LAB.hosts:
            host.start()
        for host in cli_test.LAB.hosts:
            result = host.rove("wait", "--timeout", "30s")
            if result.returncode != OK:
                raise AssertionError(f"{host.name}: {result.stderr}{host.log()}")

    def meet(self):
        """Has b look up what a claims: hosts open a session when there is a reason to."""
        self.assertEqual(self.a.rove("claim", cli_test.OTHER_MAC, cli_test.OTHER_IP).returncode, OK)

        def has_met():
            self.b.rove("lookup", cli_test.OTHER_IP)
            return all(any(peer["up"] for peer in host.json("peers")["peers"]) for host in cli_test.LAB.hosts)
        self.assertTrue(wait_for(has_met), self.b.rove("peers", "--json").stdout)

    def test_01_what_many_a_host_has_at_first(self):
        self.check_mended(self.a, "bridge-ra", "warn", "router advertisements")
        self.check_mended(self.a, "vm-port", "warn", "vm0 takes packets of 1500 octets, the network of 1400")
        self.ip(self.a, "link", "set", "vm0", "mtu", "1300")
        self.check_mended(self.a, "vm-port", "warn", "what is between does not reach its VM")

    def test_02_then_all_is_well(self):
        self.meet()
        for host in cli_test.LAB.hosts:
            for check, found in self.findings(host).items():
                if check not in ENVIRONMENT:
                    self.assertEqual([state for state, _, _ in found if state != "ok"], [], (check, found))
        found = self.findings(self.a)
        for check in ("daemon", "tap", "bridge", "buffers", "drops", "mtu", "rp-filter", "routes", "dht", "peers"):
            self.assertEqual(found[check][0][0], "ok", found)
        self.assertIn("in use: tap_checksum", " ".join(text for _, text, _ in found["offloads"]))
        status = self.a.json("status")
        self.assertEqual(status["inner_mtu"], 1400)
        self.assertEqual(status["host"]["capabilities"], ["net_admin", "net_raw", "sys_nice", "bpf"])
        self.assertEqual([socket["local"] for socket in status["host"]["sockets"]],
                         [f"0.0.0.0:{PORT}", f"[::]:{PORT}"])

    def test_03_the_tap_device(self):
        for command, state, words in (
                (("link", "set", "rove0", "down"), "fail", "is down"),
                (("link", "set", "rove0", "nomaster"), "fail", "not in the bridge br0"),
                (("link", "set", "rove0", "mtu", "1300"), "warn", "MTU is 1300")):
            with self.subTest(command=command):
                self.ip(self.a, *command)
                self.check_mended(self.a, "tap", state, words)
        self.run_in(self.a, "sysctl -w net.ipv6.conf.rove0.disable_ipv6=0")
        self.check_mended(self.a, "tap-ipv6", "warn", "speaks IPv6 on rove0")

    def test_04_the_bridge(self):
        for settings, check, words in ((("stp_state", "1"), "bridge-stp", "spanning tree"),
                                       (("vlan_filtering", "1"), "bridge-vlan", "filters VLANs"),
                                       (("ageing_time", "100"), "bridge-ageing", "after 1 s"),
                                       (("nf_call_iptables", "1"), "bridge-nf", "go through iptables")):
            with self.subTest(check=check):
                if check == "bridge-nf" and not os.path.exists("/proc/sys/net/bridge/bridge-nf-call-iptables"):
                    continue  # a kernel without br_netfilter
                refused = self.run_in(self.a, "ip link set br0 type bridge " + " ".join(settings)).returncode
                if refused and check == "bridge-vlan":
                    continue  # a kernel without it
                self.assertEqual(refused, 0)
                self.check_mended(self.a, check, "warn", words)
        self.ip(self.a, "link", "set", "br0", "down")
        self.check_mended(self.a, "bridge", "fail", "br0 is down")

    def test_05_an_underlay_that_is_too_narrow(self):
        for host in cli_test.LAB.hosts:
            self.ip(host, "link", "set", "eth0", "mtu", "1400")
        self.check_mended(self.a, "mtu", "warn", "need 1474 outside, eth0 takes 1400")
        for host in cli_test.LAB.hosts:
            self.ip(host, "link", "set", "eth0", "mtu", "1500")

    def test_06_a_reverse_path_filter(self):
        self.ip(self.a, "link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
        self.ip(self.a, "address", "add", "10.9.0.1/24", "dev", "eth1")
        for link in ("eth1", "eth2"):
            self.ip(self.a, "link", "set", link, "up")
        self.ip(self.a, "route", "add", "default", "via", "10.9.0.2", "dev", "eth1")
        self.run_in(self.a, "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth1.rp_filter=1")
        self.check_mended(self.a, "rp-filter", "warn", "eth1 drops what b sends there")
        self.ip(self.a, "link", "delete", "eth1")

    @unittest.skipUnless(os.path.exists(NFT), "no nft")
    def test_07_a_firewall(self):
        rules = "add table inet filter;" \
                "add chain inet filter input { type filter hook input priority 0; policy drop; };" \
                "add rule inet filter input ct state established,related accept;" \
                "add rule inet filter input iifname lo accept; add rule inet filter input tcp dport 22 accept"
        done = self.run_in(self.a, f"{NFT} '{rules}'")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_mended(self.a, "firewall", "warn", f"inet filter input drops UDP {PORT}")
        self.run_in(self.a, f"{NFT} delete table inet filter")

    def test_08_netcheck(self):
        # Where a host is seen it learns by the answer to a ping.
        called = lambda: [host for host in cli_test.LAB.hosts
                          if any(peer["observed"] and peer["rtt_us"] for peer in host.json("netcheck")["peers"])]
        self.assertTrue(wait_for(called), self.a.rove("netcheck").stdout)
        host = called()[0]
        other = self.b if host is self.a else self.a
        own, far = ("10.1.0.1", "10.1.0.2") if host is self.a else ("10.1.0.2", "10.1.0.1")
        answer = host.json("netcheck")
        self.assertEqual((answer["schema"], answer["daemon"], answer["translation"]), (1, True, "none"))
        self.assertEqual(answer["seen_as"], [{"endpoint": f"{own}:{PORT}", "by": [other.name]}])
        self.assertEqual(answer["ipv4"]["socket"], f"0.0.0.0:{PORT}")
        self.assertIn(own, answer["ipv4"]["addresses"])
        peer = answer["peers"][0]
        self.assertEqual((peer["name"], peer["up"], peer["endpoint"]), (other.name, True, f"{far}:{PORT}"))
        self.assertEqual((peer["link"], peer["path_mtu"], peer["needed_mtu"]), ("eth0", 1500, 1474))
        self.assertGreater(peer["rtt_us"], 0)
        self.assertLess(abs(peer["clock_lead_ms"]), 5000)
        self.assertGreaterEqual(peer["loss"], 0)
        self.assertEqual([each["name"] for each in answer["offloads"]],
                         ["tap_checksum", "tap_tcp", "tap_udp", "udp_segmentation", "udp_coalescing"])
        text = host.rove("netcheck").stdout
        self.assertIn(f"seen as\t{own}:{PORT} by {other.name}: no address translation\n", text)

    def test_09_a_bugreport_has_everything_but_keys(self):
        config = self.a.path("etc", "demo.toml")
        secrets = secrets_of(self.a.path("etc", "demo.node.pem")) + secrets_of(self.a.path("etc", "demo.ca.pem"))
        self.assertEqual(len(secrets), 4)
        with open(self.a.path("etc", "demo.node.pem"), encoding="ascii") as file:
            pem = file.read()
        # An operator's notes are no better place for a key than any other.
        with open(config, "a", encoding="utf-8") as file:
            file.write("".join(f"# key {secret.hex()} {base64.b64encode(secret).decode()}\n" for secret in secrets))
            file.write("".join(f"# {line}\n" for line in pem.splitlines()))
        path = self.a.path("report.txt")
        result = self.a.rove("bugreport", "-o", path)
        self.assertEqual((result.returncode, result.stdout), (OK, f"wrote: {path}\n"), result.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(self.a.rove("bugreport", "-o", path).returncode, CONFLICT)
        with open(path, "rb") as file:
            report = file.read()
        to_stdout = self.a.rove("bugreport", "-o", "-").stdout.encode()
        for text in (report, to_stdout):
            for title in (b"host", b"doctor", b"netcheck", b"status", b"peers", b"vms", b"configuration", b"log"):
                self.assertIn(b"== " + title + b"\n", text)
            for part in (b'bridge = "br0"', b"sealed_opened", b"kernel        Linux", b"rove          0."):
                self.assertIn(part, text)
            for secret in secrets:
                for form in (secret, secret.hex().encode(), secret.hex().upper().encode(),
                             base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")):
                    self.assertNotIn(form, text)
            for line in pem.splitlines():
                self.assertNotIn(line.encode(), text)

    def test_10_a_bridge_that_is_gone_or_made_anew(self):
        self.ip(self.a, "link", "delete", "br0")
        gone = self.findings(self.a)
        self.assertEqual((gone["bridge"][0][0], gone["bridge"][0][1]), ("fail", "br0 is gone"))
        self.assertEqual(gone["tap"][0][0], "fail")
        self.ip(self.a, "link", "add", "br0", "type", "bridge")
        self.ip(self.a, "link", "set", "br0", "up")
        self.ip(self.a, "link", "set", "vm0", "master", "br0")
        anew = self.findings(self.a)
        self.assertEqual(anew["bridge"][0][0], "fail")
        self.assertIn("made anew", anew["bridge"][0][1])
        self.check_mended(self.a, "bridge-mac", "warn", "lowest port")
        # The rest is mended by a start.
        self.assertEqual(self.a.rove("down").returncode, OK)
        self.a.daemon.wait(10)
        self.a.start()
        self.assertEqual(self.a.rove("wait", "--timeout", "30s").returncode, OK)
        found = self.findings(self.a)
        self.assertEqual((found["bridge"][0][0], found["tap"][0][0]), ("ok", "ok"), found)

    def test_11_a_peer_that_is_gone(self):
        self.meet()
        self.b.stop(signal.SIGKILL)
        lost = lambda: {"peers", "dht"} <= {check for check, found in self.findings(self.a).items()
                                            if found[0][0] != "ok"}
        self.assertTrue(wait_for(lost, 90), self.a.rove("doctor").stdout)
        self.assertIn("b does not answer", self.trouble(self.a, "peers")[1])
        self.assertEqual(self.trouble(self.a, "dht")[0], "fail")
        # Its own host says what is wrong there.
        self.assertIn("only this host's side", self.trouble(self.b, "daemon")[1])


if __name__ == "__main__":
    cli_test.main()
